from steel_defects.data.config import PositionsConfig
from steel_defects.pipelines.wiring import namespaced, node


def locate(sheets: str, positions: PositionsConfig, names: int, scores: str | None = None) -> None:
    """Take a dataset, a group of parameters, a value, and perhaps another dataset."""


def judge(scores: str, private: int) -> None:
    """Take what another node makes, and a parameter of the namespace alone."""


def test_an_argument_takes_what_it_is_named_after():
    alone = node(locate, "places", names="params:names")
    assert alone.name == "locate"
    assert set(alone.inputs) == {"sheets", "params:positions", "params:names"}
    assert set(node(locate, "places", "scores", names="other").inputs) == {
        "sheets", "params:positions", "scores", "other",
    }  # fmt: skip


def test_what_a_namespace_does_not_make_is_shared():
    made = node(locate, "scores", names="params:names")
    used = node(judge, "places", private="params:own")
    pipeline = namespaced("vgg16", [made, used], private="params:own")
    assert pipeline.inputs() == {
        "sheets", "params:positions", "params:names", "params:vgg16.own",
    }  # fmt: skip
    assert pipeline.all_outputs() == {"vgg16.scores", "vgg16.places"}
