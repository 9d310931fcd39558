"""Only what is chosen has nodes, whichever way people look at the graph."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.session.service_session import KedroServiceSession
from kedro.framework.startup import bootstrap_project
from kedro.inspection import get_project_snapshot

from steel_defects.cli import one_line
from steel_defects.errors import SteelDefectsError
from steel_defects.pipeline_registry import create_pipelines
from steel_defects.selection import Selection, current_selection

ROOT = Path(__file__).parents[1]
CHOSEN = {"backbones": ["vgg16"], "architectures": "fpn unet"}


@pytest.fixture(scope="module", autouse=True)
def project() -> None:
    bootstrap_project(ROOT)


def nodes(env: str, **parameters: object) -> set[str]:
    KedroSession.create(ROOT, env=env, runtime_params=parameters).load_context()
    return {node.name for node in pipelines["__default__"].nodes}


def test_a_selection_is_read_from_the_parameters():
    crossed = {"cross_validation": {"models": ["vgg16"]}, "compare": "previous"}
    selection = Selection.of(CHOSEN | crossed | {"reporting": {"robustness_sheets": 0}})
    assert selection == Selection(("vgg16",), ("fpn", "unet"), frozenset({"vgg16"}), False, True)
    assert Selection.of(CHOSEN | {"backbones": None}).backbones == ()
    assert Selection.of(CHOSEN | {"architectures": "unet unet"}).architectures == ("unet",)
    crossed = {"segmenter_cross_validation": {"architectures": "unet fpn"}}
    assert Selection.of(CHOSEN | crossed).cross_validated == frozenset({"fpn", "unet"})


def test_models_to_cross_validate_that_are_not_trained_are_told(caplog):
    asked = {"segmenter_cross_validation": {"architectures": ["deeplab_v3_plus"]}}
    assert Selection.of(CHOSEN | asked).cross_validated == frozenset()
    assert "deeplab_v3_plus is not cross-validated: it is not to be trained" in caplog.text


def test_learning_curves_are_of_any_models_and_of_none_unless_chosen():
    asked = {"learning_curve": {"models": "unet resnet50"}}
    assert Selection.of(CHOSEN | asked).learning_curves == ("unet", "resnet50")
    assert Selection.of(CHOSEN).learning_curves == ()
    assert Selection.of(CHOSEN | {"learning_curve": {"models": None}}).learning_curves == ()


@pytest.mark.parametrize("chosen", [(), ("resnet50", "unet")])
def test_learning_curves_have_nodes_only_where_they_are_chosen(chosen):
    made = create_pipelines(Selection(("vgg16",), ("unet",), learning_curves=chosen))
    names = {node.name for node in made["learning_curve"].nodes}
    assert names == {
        *(["resnet50.measure_gate_learning_curve"] if chosen else []),
        *(["unet.measure_segmenter_learning_curve"] if chosen else []),
        *(["join_learning_curves", "draw_learning_curve"] if chosen else []),
    }
    default = made["__default__"]
    assert names <= {node.name for node in default.nodes}
    found = {name for name in default.datasets() if "learning_curve" in name}
    assert found == ({
        "resnet50.learning_curve", "unet.learning_curve", "learning_curve",
        "learning_curve_figure", "params:learning_curve",
    } if chosen else set())  # fmt: skip
    read = {name for name in made["reporting"].inputs() if "learning_curve" in name}
    assert read == ({"learning_curve", "learning_curve_figure"} if chosen else set())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"learning_curve": {"models": ["u-net"]}},
            "learning_curve.models: Input should be 'resnet50', .*'deeplab_v3_plus'$",
        ),
        ({"backbones": "vgg17"}, "backbones: Input should be 'resnet50', 'vgg16'"),
        ({"architectures": []}, "architectures: Value error, there must be one at least"),
        (
            {"gate": "resnet"},
            "gate is 'resnet'; it takes best, none, resnet50, vgg16, .*, efficientnet_lite2$",
        ),
        (
            {"segmenter": "u-net"},
            "segmenter is 'u-net'; it takes best, unet, unet_resnet50, .*, deeplab_v3_plus$",
        ),
    ],
)
def test_what_cannot_be_chosen_is_refused_in_one_line(changes, message):
    with pytest.raises(SteelDefectsError, match=message) as caught:
        Selection.of(CHOSEN | changes)
    assert "\n" not in str(caught.value)


def test_without_a_backbone_nothing_is_left_of_the_gate():
    made = create_pipelines(Selection((), ("unet",), robustness=True, comparison=True))
    assert made["classification"].nodes == []
    default = made["__default__"]
    assert not [n for n in default.datasets() if "gate" in n or "stacking" in n or "classif" in n]
    names = {node.name for node in default.nodes}
    assert {"reporting.measure_robustness", "build_package"} <= names
    assert "reporting.compare_with_earlier" in names


@pytest.mark.parametrize("crossed", [frozenset(), frozenset({"vgg16", "unet"})])
def test_models_have_folds_only_where_they_are_cross_validated(crossed):
    default = create_pipelines(Selection(("vgg16",), ("unet",), crossed))["__default__"]
    names = {node.name for node in default.nodes}
    assert ({"vgg16.cross_validate", "unet.cross_validate_segmenter"} <= names) == bool(crossed)
    assert any("out_of_fold" in name for name in default.datasets()) == bool(crossed)
    free = {name for name in default.inputs() if "out_of_fold" in name or "fold" in name}
    assert free == set()


@pytest.mark.slow
def test_the_graph_follows_the_parameters_in_one_process():
    neu_seg = nodes("neu_seg")
    assert len(neu_seg) <= 32
    demo = nodes("demo")
    assert {"mobilenet_v2.train_classifier", "unet_efficientnet_lite0.train_segmenter"} <= demo
    assert "fpn.train_segmenter" not in demo
    other = nodes("demo", backbones="vgg16", architectures="fpn")
    boxes = {name.split(".")[0] for name in other if "." in name}
    assert boxes == {"data_engineering", "vgg16", "fpn", "reporting"}
    assert nodes("neu_seg") == neu_seg
    assert current_selection().backbones == ()


@pytest.mark.slow
def test_snapshot_and_catalog_show_the_same_nodes(monkeypatch):
    expected = nodes("neu_seg")
    monkeypatch.setenv("KEDRO_ENV", "neu_seg")
    snapshot = get_project_snapshot(ROOT, env="neu_seg")
    shown = next(one for one in snapshot.pipelines if one.name == "__default__")
    assert {node.name for node in shown.nodes} == expected


def printed(code: str, env: str) -> list[str]:
    """Run code in a process of its own, and read the JSON of its last line."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True, cwd=ROOT,
        env=os.environ | {"KEDRO_ENV": env},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


WITHOUT_SESSION = """
import json
from pathlib import Path
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project
bootstrap_project(Path.cwd())
print(json.dumps(sorted(node.name for node in pipelines["__default__"].nodes)))
"""
IN_VIZ = """
import json
from pathlib import Path
from kedro_viz.integrations.kedro.data_loader import load_data
print(json.dumps(sorted(node.name for node in load_data(Path.cwd())[1]["__default__"].nodes)))
"""


# As in a notebook: ``%load_ext kedro.ipython``, then ``%reload_kedro --env=… --params=…``.
IN_IPYTHON = """
import json, os
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "kedro.ipython")
shell.run_line_magic("reload_kedro", "--env=" + os.environ["KEDRO_ENV"] + os.environ["PARAMS"])
default = shell.user_ns["pipelines"]["__default__"]
assert all(name in shell.user_ns["catalog"] for name in default.datasets())
print(json.dumps(sorted(node.name for node in default.nodes)))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env", "parameters"),
    [("neu_seg", {}), ("demo", {"backbones": "vgg16", "architectures": "fpn"})],
)
def test_a_notebook_shows_the_same_nodes(env, parameters, monkeypatch):
    given = ",".join(f"{name}={value}" for name, value in parameters.items())
    monkeypatch.setenv("PARAMS", f" --params={given}" if given else "")
    assert printed(IN_IPYTHON, env) == sorted(nodes(env, **parameters))


@pytest.mark.slow
@pytest.mark.parametrize("code", [WITHOUT_SESSION, IN_VIZ], ids=["registry", "viz"])
@pytest.mark.parametrize("env", ["demo", "neu_seg"])
def test_a_fresh_process_shows_the_same_nodes(env, code):
    assert printed(code, env) == sorted(nodes(env))


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        (
            "Pipeline does not contain nodes with the following namespaces: ['fpn']",
            "namespaces: ['fpn']; add the model to backbones or architectures",
        ),
        (
            "Pipeline contains no nodes after applying all provided filters. Please ensure …",
            "filters; check the filters; the pipeline classification needs a model in backbones, "
            "learning_curve one in learning_curve.models",
        ),
    ],
)
def test_models_that_were_not_chosen_are_told_with_what_to_do(message, advice):
    assert advice in one_line(ValueError(message))


def test_a_request_to_the_server_cannot_change_what_all_requests_share():
    session = KedroServiceSession.create(project_path=ROOT, env="demo", serving_mode=True)
    context = session.load_context({"segmentation": {"epochs": 1}})
    assert context.params["segmentation"].epochs == 1
    message = "^a request cannot choose architectures and backbones, which all requests share; .*$"
    with pytest.raises(SteelDefectsError, match=message):
        session.load_context({"backbones": [], "architectures": "fpn"})
