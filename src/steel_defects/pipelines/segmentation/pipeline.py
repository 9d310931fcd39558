"""The pipeline of the segmenters: one namespace per architecture, then comparison and package."""

from kedro.pipeline import Node, Pipeline

from steel_defects.pipelines.wiring import namespaced, node
from steel_defects.selection import Selection

from . import comparison_nodes, nodes


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
    grid = "params:postprocessing"
    parts = [
        node(nodes.train_segmenter, ["segmenter", "segmenter_history", "segmenter_profile"]),
        node(nodes.predict_probabilities, "probabilities"),
        node(nodes.tune_postprocessing, "postprocessing", *gate, *folds),
        node(nodes.predict_masks, "predictions", *gate, *folds),
        node(nodes.record_segmenter, "trained_segmenter", *gate, postprocessing_grid=grid),
    ]
    if crossed:
        parts.append(node(nodes.cross_validate_segmenter, list(folds), *gate))
    if gated:
        parts.append(node(nodes.stack_with_gate, "stacking"))
    return namespaced(name, parts, private="params:network")


def _comparison(architectures: tuple[str, ...], gated: bool) -> list[Node]:
    gate = ("gate_scores", "chosen_gate") if gated else ()
    parts = [
        node(
            comparison_nodes.select_segmenter,
            ["segmenter_selection", "chosen_segmenter"],
            *gate,
            segmenter="params:segmenter",
            **{name: f"{name}.trained_segmenter" for name in architectures},
        ),
        node(
            comparison_nodes.compare_segmenters,
            ["segmentation_comparison", "class_comparison"],
            *gate,
        ),
        node(comparison_nodes.build_package, "model_package", *gate, mm_per_px="params:mm_per_px"),
    ]
    return [*parts, node(comparison_nodes.score_by_gate, "gate_scores")] if gated else parts
