"""The pipeline of the segmenters: one namespace an architecture, then comparison and package."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from steel_defects.selection import Selection

from .comparison_nodes import build_package, compare_segmenters, score_by_gate, select_segmenter
from .nodes import (
    cross_validate_segmenter,
    predict_masks,
    predict_probabilities,
    record_segmenter,
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
    gates = [_GATE_SCORES] if selection.backbones else []
    comparison = _comparison(selection.architectures, bool(selection.backbones))
    return Pipeline([*gates, *architectures, comparison], tags="segmentation")


def _architecture_pipeline(name: str, selection: Selection) -> Pipeline:
    crossed, gate = name in selection.cross_validated, _gate(bool(selection.backbones))
    nodes = [*_training_nodes(gate, crossed), *_prediction_nodes(gate, crossed)]
    needed = {name for node in nodes for name in node.inputs}
    return Pipeline(nodes, namespace=name, inputs=_TABLES & needed, parameters=_SHARED & needed)


def _training_nodes(gate: dict[str, str], crossed: bool) -> list[Node]:
    nodes = [
        Node(
            train_segmenter,
            inputs=_same(*_DATA)
            | _parameters("data_engineering", "segmentation", "segmenter_prediction", "network"),
            outputs=["segmenter", "segmenter_history", "segmenter_profile"],
            name="train_segmenter",
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
    return nodes


def _prediction_nodes(gate: dict[str, str], crossed: bool) -> list[Node]:
    nodes = [
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
    nodes.append(
        Node(
            record_segmenter,
            inputs=_same("segmenter_profile", "postprocessing", "predictions")
            | _same("sheets", "annotations", "splits", *(["stacking"] if gate else []))
            | _parameters("network", "data_engineering", "segmenter_prediction")
            | {"postprocessing_grid": "params:postprocessing"}
            | gate,
            outputs="trained_segmenter",
            name="record_segmenter",
        )
    )
    return nodes


def _gate(gate: bool) -> dict[str, str]:
    return _same("gate_scores") if gate else {}


_GATE_SCORES = Node(
    score_by_gate, inputs="chosen_gate", outputs="gate_scores", name="score_by_gate"
)


def _comparison(architectures: Sequence[str], gate: bool) -> Pipeline:
    """Choose, compare and package."""
    nodes = [
        Node(
            select_segmenter,
            inputs=_parameters("segmenter", "data_engineering", "segmenter_prediction")
            | _parameters("postprocessing")
            | _same("trained_models", "sheets", "annotations", "splits")
            | _gate(gate)
            | {name: f"{name}.trained_segmenter" for name in architectures},
            outputs=["segmenter_selection", "chosen_segmenter"],
            name="select_segmenter",
        ),
        Node(
            compare_segmenters,
            inputs=_same("segmenter_selection", "trained_models", "sheets", "annotations")
            | _parameters("data_engineering", "operating_point")
            | _gate(gate),
            outputs=["segmentation_comparison", "class_comparison"],
            name="compare_segmenters",
        ),
        Node(
            build_package,
            inputs=_same("raw_sheets", "sheets", "splits", "chosen_segmenter")
            | _same("segmentation_comparison", *(["chosen_gate"] if gate else []))
            | _parameters("data_engineering", "mm_per_px", "segmenter_prediction"),
            outputs="model_package",
            name="build_package",
        ),
    ]
    return Pipeline(nodes)


def _same(*names: str) -> dict[str, str]:
    """Name arguments like the datasets they take."""
    return {name: name for name in names}


def _parameters(*names: str) -> dict[str, str]:
    """Name arguments like the groups of parameters they take."""
    return {name: f"params:{name}" for name in names}
