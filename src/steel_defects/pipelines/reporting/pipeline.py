"""The pipeline of figures, overlays and the report."""

from kedro.pipeline import Node, Pipeline

from steel_defects.pipelines.wiring import node
from steel_defects.selection import Selection

from . import comparison_nodes, measurement_nodes, nodes
from .nodes import GATE_FIGURES, ROBUSTNESS_FIGURES, SEGMENTER_FIGURES


def create_pipeline(selection: Selection) -> Pipeline:
    """From scores, predictions and comparisons to what people look at."""
    gate = ("chosen_gate",) if selection.backbones else ()
    parts = [*_segmenter_nodes(), _report_node(selection)]
    if selection.backbones:
        parts += _gate_nodes()
    if selection.robustness:
        parts.append(node(measurement_nodes.measure_robustness, "robustness", *gate))
        parts.append(node(measurement_nodes.draw_robustness, "robustness_figure"))
    if selection.comparison:
        tables = ["run_comparison", "changed_verdicts"]
        compare = comparison_nodes.compare_with_earlier
        parts.append(node(compare, tables, *gate, compare="params:compare"))
        parts.append(node(comparison_nodes.draw_changed_verdicts, "changed_verdicts_figure"))
    return Pipeline(parts, tags="reporting")


def _gate_nodes() -> list[Node]:
    """What the gates decide, and what the chosen one looks at."""
    return [
        node(nodes.draw_classification_figures, [f"{name}_figure" for name in GATE_FIGURES]),
        node(measurement_nodes.explain_gate, "heat_maps"),
        node(measurement_nodes.check_grad_cam, "grad_cam_check"),
        node(measurement_nodes.draw_grad_cam, "grad_cam_figure"),
        node(measurement_nodes.list_mistakes, "confident_mistakes"),
        node(measurement_nodes.draw_mistakes, "confident_mistakes_figure"),
    ]


def _segmenter_nodes() -> list[Node]:
    """What the segmenters outline, and what the chosen one finds."""
    charts = ["class_dice_figure", "segmentation_pr_figure", "segmenter_learning_figure"]
    detection = ["detection_by_size", "detection_figure", "dice_spread_figure"]
    detection += ["class_confusion_figure"]
    measured = ["evaluated_pairs", "defect_targets", "class_confusion"]
    return [
        node(nodes.draw_segmentation_figures, charts),
        node(nodes.choose_overlays, "overlay_selection"),
        node(nodes.draw_overlays, "overlays"),
        node(measurement_nodes.measure_detection, measured),
        node(measurement_nodes.draw_detection, detection),
    ]


def _report_node(selection: Selection) -> Node:
    figures, tables = ["oddest_sheets", *SEGMENTER_FIGURES], []
    if selection.backbones:
        figures += [*GATE_FIGURES, "grad_cam", "confident_mistakes"]
        tables += ["gate_selection", "classification_comparison"]
        tables += ["grad_cam_check", "confident_mistakes"]
    if selection.robustness:
        figures += ROBUSTNESS_FIGURES
        tables += ["robustness"]
    if selection.comparison:
        figures += ["changed_verdicts"]
        tables += ["run_comparison", "changed_verdicts"]
    if selection.learning_curves:
        figures += ["learning_curve"]
        tables += ["learning_curve"]
    optional = [*tables, *(f"{name}_figure" for name in figures)]
    return node(nodes.write_report, "report", **{name: name for name in optional})
