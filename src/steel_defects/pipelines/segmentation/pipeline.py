"""The pipeline of the segmenters: one namespace an architecture, then comparison and package."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from steel_defects.selection import Selection

from .comparison_nodes import build_package, compare_segmenters, score_by_gate, select_segmenter
from .nodes import (
    cross_validate_segmenter,
    predict_masks,
    predict_probabilities,
    stack_with_gate,
    train_segmenter,
    tune_postprocessing,
)

_DATA = [
    *("raw_sheets", "sheets", "annotations", "splits", "tiles"),
    *("pretrained_weights", "checkpoints"),
]
_SHEETS = ["raw_sheets", "sheets", "splits"]
_TABLES = {*_DATA, "gate_scores"}
_SHARED = {
    "params:data_engineering",
    "params:segmentation",
    "params:segmenter_prediction",
    "params:segmenter_cross_validation",
    "params:postprocessing",
    "params:operating_point",
}


def create_pipeline(selection: Selection) -> Pipeline:
    """From tiles to masks, and from the chosen models to a package."""
    architectures = [_architecture_pipeline(name, selection) for name in selection.architectures]
    gates = [_gate_scores(selection.backbones)] if selection.backbones else []
    comparison = _comparison(selection.architectures, selection.backbones)
    return Pipeline([*gates, *architectures, comparison], tags="segmentation")


def _architecture_pipeline(name: str, selection: Selection) -> Pipeline:
    crossed, gate = name in selection.cross_validated, _same(*_gate(selection.backbones))
    nodes = [
        Node(
            train_segmenter,
            inputs=_same(*_DATA)
            | _parameters("data_engineering", "segmentation", "segmenter_prediction", "network"),
            outputs=["segmenter", "segmenter_history", "segmenter_profile"],
            name="train_segmenter",
        ),
        Node(
            predict_probabilities,
            inputs=_same("segmenter", *_SHEETS) | _parameters("segmenter_prediction"),
            outputs="probabilities",
            name="predict_probabilities",
        ),
        Node(
            tune_postprocessing,
            inputs=_same("probabilities", "sheets", "annotations", "splits")
            | _parameters("data_engineering", "segmenter_prediction", "postprocessing")
            | gate
            | _same(*(["out_of_fold_postprocessing"] if crossed else [])),
            outputs="postprocessing",
            name="tune_postprocessing",
        ),
        Node(
            predict_masks,
            inputs=_same("segmenter", "postprocessing", *_SHEETS)
            | _parameters("segmenter_prediction")
            | gate
            | _same(*(["out_of_fold_predictions"] if crossed else [])),
            outputs="predictions",
            name="predict_masks",
        ),
    ]
    if crossed:
        nodes.append(
            Node(
                cross_validate_segmenter,
                inputs=_same(*_DATA)
                | _parameters("data_engineering", "segmentation", "segmenter_prediction")
                | _parameters("segmenter_cross_validation", "postprocessing", "network")
                | gate,
                outputs=["out_of_fold_predictions", "out_of_fold_postprocessing"],
                name="cross_validate_segmenter",
            )
        )
    if gate:
        nodes.append(
            Node(
                stack_with_gate,
                inputs=_same("predictions", "gate_scores", "sheets")
                | _parameters("operating_point"),
                outputs="stacking",
                name="stack_with_gate",
            )
        )
    needed = {name for node in nodes for name in node.inputs}
    return Pipeline(nodes, namespace=name, inputs=_TABLES & needed, parameters=_SHARED & needed)


def _gate(backbones: Sequence[str]) -> list[str]:
    return ["gate_scores"] if backbones else []


def _gate_scores(backbones: Sequence[str]) -> Pipeline:
    scores = {f"{b}_scores": f"{b}.sheet_scores" for b in backbones}
    points = {f"{b}_point": f"{b}.operating_point" for b in backbones}
    profiles = {f"{b}_profile": f"{b}.classifier_profile" for b in backbones}
    node = Node(
        score_by_gate,
        inputs=_same("gate_selection", *scores, *points, *profiles),
        outputs="gate_scores",
        name="score_by_gate",
    )
    return Pipeline([node], inputs=scores | points | profiles)


def _comparison(architectures: Sequence[str], backbones: Sequence[str]) -> Pipeline:
    """Compare, choose and package; inputs are mapped, since only namespaces may name ``unet.…``."""
    scores = {f"{b}_scores": f"{b}.sheet_scores" for b in backbones}
    points = {f"{b}_point": f"{b}.operating_point" for b in backbones}
    classifiers = {f"{b}_classifier": f"{b}.classifier" for b in backbones}
    predictions = {f"{a}_predictions": f"{a}.predictions" for a in architectures}
    profiles = {f"{a}_profile": f"{a}.segmenter_profile" for a in architectures}
    settings = {f"{a}_postprocessing": f"{a}.postprocessing" for a in architectures}
    segmenters = {f"{a}_segmenter": f"{a}.segmenter" for a in architectures}
    stackings = {f"{a}_stacking": f"{a}.stacking" for a in architectures if backbones}
    selection = ["gate_selection"] if backbones else []
    nodes = [
        Node(
            compare_segmenters,
            inputs=_same("sheets", "annotations", *_gate(backbones))
            | _parameters("data_engineering", "operating_point")
            | _same(*predictions, *profiles, *stackings),
            outputs=["segmentation_comparison", "class_comparison"],
            name="compare_segmenters",
        ),
        Node(
            select_segmenter,
            inputs=_parameters("segmenter") | _same(*settings, *profiles),
            outputs="segmenter_selection",
            name="select_segmenter",
        ),
        Node(
            build_package,
            inputs=_same("raw_sheets", "sheets", "splits", "segmenter_selection")
            | _same("segmentation_comparison", *selection)
            | _parameters("data_engineering", "mm_per_px", "segmenter_prediction")
            | _same(*settings, *stackings, *segmenters, *classifiers, *points, *scores),
            outputs="model_package",
            name="build_package",
        ),
    ]
    of_gates = scores | points | classifiers
    of_segmenters = predictions | profiles | settings | segmenters | stackings
    return Pipeline(nodes, inputs=of_gates | of_segmenters)


def _same(*names: str) -> dict[str, str]:
    """Name arguments like the datasets they take."""
    return {name: name for name in names}


def _parameters(*names: str) -> dict[str, str]:
    """Name arguments like the groups of parameters they take."""
    return {name: f"params:{name}" for name in names}
