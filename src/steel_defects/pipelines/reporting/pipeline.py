"""The pipeline of figures, overlays and the report."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from steel_defects.selection import Selection

from .comparison_nodes import compare_with_earlier, draw_changed_verdicts
from .detection_nodes import (
    draw_detection,
    draw_robustness,
    measure_detection,
    measure_robustness,
)
from .gate_nodes import check_grad_cam, draw_grad_cam, draw_mistakes, list_mistakes
from .nodes import (
    choose_overlays,
    draw_classification_figures,
    draw_overlays,
    draw_segmentation_figures,
)
from .report_node import GATE_FIGURES, ROBUSTNESS_FIGURES, SEGMENTER_FIGURES, write_report


def create_pipeline(selection: Selection) -> Pipeline:
    """From scores, predictions and comparisons to what people look at."""
    chosen = ["chosen_segmenter", *(["chosen_gate"] if selection.backbones else [])]
    nodes = [*_segmenter_nodes(), _report_node(selection)]
    if selection.backbones:
        nodes += _gate_nodes()
    if selection.robustness:
        nodes += _robustness_nodes(chosen)
    if selection.comparison:
        nodes += _comparison_nodes(chosen)
    return Pipeline(nodes, tags="reporting")


def _gate_nodes() -> list[Node]:
    """What the gates decide, and what the chosen one looks at."""
    return [
        Node(
            draw_classification_figures,
            inputs=_same("gate_selection", "trained_models"),
            outputs=[f"{name}_figure" for name in GATE_FIGURES],
            name="draw_classification_figures",
        ),
        Node(
            check_grad_cam,
            inputs=_same("chosen_gate", "sheets", "annotations"),
            outputs="grad_cam_check",
            name="check_grad_cam",
        ),
        Node(
            draw_grad_cam,
            inputs=_same("chosen_gate", "raw_sheets", "sheets", "annotations")
            | _parameters("reporting"),
            outputs="grad_cam_figure",
            name="draw_grad_cam",
        ),
        Node(
            list_mistakes,
            inputs=_same("chosen_gate"),
            outputs="confident_mistakes",
            name="list_mistakes",
        ),
        Node(
            draw_mistakes,
            inputs=_same("confident_mistakes", "chosen_gate", "raw_sheets", "sheets")
            | _same("annotations"),
            outputs="confident_mistakes_figure",
            name="draw_mistakes",
        ),
    ]


def _segmenter_nodes() -> list[Node]:
    """What the segmenters outline, and what the chosen one finds."""
    return [
        Node(
            draw_segmentation_figures,
            inputs=_same("class_comparison", "annotations", "sheets", "segmenter_selection")
            | _same("trained_models", "chosen_segmenter")
            | _parameters("data_engineering"),
            outputs=["class_dice_figure", "segmentation_pr_figure", "segmenter_learning_figure"],
            name="draw_segmentation_figures",
        ),
        Node(
            choose_overlays,
            inputs=_same("sheets", "annotations", "chosen_segmenter") | _parameters("reporting"),
            outputs="overlay_selection",
            name="choose_overlays",
        ),
        Node(
            draw_overlays,
            inputs=_same("overlay_selection", "raw_sheets", "sheets", "annotations")
            | _same("chosen_segmenter")
            | _parameters("data_engineering"),
            outputs="overlays",
            name="draw_overlays",
        ),
        Node(
            measure_detection,
            inputs=_same("sheets", "annotations", "chosen_segmenter"),
            outputs=["evaluated_pairs", "defect_targets"],
            name="measure_detection",
        ),
        Node(
            draw_detection,
            inputs=_same("evaluated_pairs", "defect_targets") | _parameters("data_engineering"),
            outputs=["detection_by_size", "detection_figure", "dice_spread_figure"],
            name="draw_detection",
        ),
    ]


def _robustness_nodes(chosen: Sequence[str]) -> list[Node]:
    """What worse pictures do to the chosen models."""
    return [
        Node(
            measure_robustness,
            inputs=_same(*chosen, "raw_sheets", "sheets", "annotations", "splits")
            | _parameters("segmenter_prediction", "reporting"),
            outputs="robustness",
            name="measure_robustness",
        ),
        Node(
            draw_robustness,
            inputs=_same("robustness"),
            outputs="robustness_figure",
            name="draw_robustness",
        ),
    ]


def _comparison_nodes(chosen: Sequence[str]) -> list[Node]:
    """What an earlier version decided otherwise."""
    return [
        Node(
            compare_with_earlier,
            inputs=_same("earlier_versions", *chosen, "sheets", "annotations", "splits")
            | _parameters("operating_point", "compare"),
            outputs=["run_comparison", "changed_verdicts"],
            name="compare_with_earlier",
        ),
        Node(
            draw_changed_verdicts,
            inputs=_same("changed_verdicts", "raw_sheets", "sheets", "annotations"),
            outputs="changed_verdicts_figure",
            name="draw_changed_verdicts",
        ),
    ]


def _report_node(selection: Selection) -> Node:
    inputs = _same("segmentation_comparison", "class_comparison", "data_quality", "run_record")
    inputs |= _same("overlays", "overlay_selection", "evaluated_pairs", "detection_by_size")
    inputs |= _same("leakage", "lookup_baseline", "oddest_sheets_figure")
    inputs |= _same("segmenter_selection", "chosen_segmenter", "trained_models")
    inputs |= _parameters("data_engineering", "reporting")
    figures = [*SEGMENTER_FIGURES]
    if selection.backbones:
        figures += GATE_FIGURES
        inputs |= _same("gate_selection")
        inputs |= _same("classification_comparison", "grad_cam_check", "grad_cam_figure")
        inputs |= _same("confident_mistakes", "confident_mistakes_figure")
    if selection.robustness:
        figures += ROBUSTNESS_FIGURES
        inputs |= _same("robustness")
    if selection.comparison:
        inputs |= _same("run_comparison", "changed_verdicts", "changed_verdicts_figure")
    inputs |= _same(*(f"{name}_figure" for name in figures))
    return Node(write_report, inputs=inputs, outputs="report", name="write_report")


def _same(*names: str) -> dict[str, str]:
    """Name arguments like the datasets they take."""
    return {name: name for name in names}


def _parameters(*names: str) -> dict[str, str]:
    """Name arguments like the groups of parameters they take."""
    return {name: f"params:{name}" for name in names}
