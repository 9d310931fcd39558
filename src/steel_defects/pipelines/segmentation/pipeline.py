"""The pipeline of the segmenters: one namespace an architecture, then comparison and package."""

from kedro.pipeline import Node, Pipeline

from steel_defects.pipelines.wiring import namespaced, node
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

_SHARED = (
    *("raw_sheets", "sheets", "annotations", "splits", "tiles"),
    *("pretrained_weights", "checkpoints", "gate_scores"),
    *("params:data_engineering", "params:segmentation", "params:segmenter_prediction"),
    *("params:segmenter_cross_validation", "params:postprocessing", "params:operating_point"),
)


def create_pipeline(selection: Selection) -> Pipeline:
    """From tiles to masks, and from the chosen models to a package."""
    gated, architectures = bool(selection.backbones), selection.architectures
    parts = [
        _architecture_pipeline(name, name in selection.cross_validated, gated)
        for name in architectures
    ]
    return Pipeline([*parts, *_comparison(architectures, gated)], tags="segmentation")


def _architecture_pipeline(name: str, crossed: bool, gated: bool) -> Pipeline:
    # What there is besides: scores of a gate, and what the folds of a cross-validation say.
    gate = ("gate_scores", "stacking") if gated else ()
    folds = ("out_of_fold_predictions", "out_of_fold_postprocessing") if crossed else ()
    nodes = [
        node(train_segmenter, ["segmenter", "segmenter_history", "segmenter_profile"]),
        node(predict_probabilities, "probabilities"),
        node(tune_postprocessing, "postprocessing", *gate, *folds),
        node(predict_masks, "predictions", *gate, *folds),
        node(
            record_segmenter,
            "trained_segmenter",
            *gate,
            postprocessing_grid="params:postprocessing",
        ),
    ]
    if crossed:
        nodes.append(node(cross_validate_segmenter, list(folds), *gate))
    if gated:
        nodes.append(node(stack_with_gate, "stacking"))
    return namespaced(name, nodes, _SHARED)


def _comparison(architectures: tuple[str, ...], gated: bool) -> list[Node]:
    gate = ("gate_scores", "chosen_gate") if gated else ()
    nodes = [
        node(
            select_segmenter,
            ["segmenter_selection", "chosen_segmenter"],
            *gate,
            segmenter="params:segmenter",
            **{name: f"{name}.trained_segmenter" for name in architectures},
        ),
        node(compare_segmenters, ["segmentation_comparison", "class_comparison"], *gate),
        node(build_package, "model_package", *gate, mm_per_px="params:mm_per_px"),
    ]
    return [*nodes, node(score_by_gate, "gate_scores")] if gated else nodes
