"""The pipeline of figures, overlays and the report."""

from kedro.pipeline import Node, Pipeline

from steel_defects.models.config import ARCHITECTURES, BACKBONES

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
from .report_node import FIGURES, write_report


def create_pipeline() -> Pipeline:
    """From scores, predictions and comparisons to what people look at."""
    scores = {f"{b}_scores": f"{b}.sheet_scores" for b in BACKBONES}
    points = {f"{b}_point": f"{b}.operating_point" for b in BACKBONES}
    heat_maps = {f"{b}_heat_maps": f"{b}.heat_maps" for b in BACKBONES}
    histories = {f"{b}_history": f"{b}.classifier_history" for b in BACKBONES}
    predictions = {f"{a}_predictions": f"{a}.predictions" for a in ARCHITECTURES}
    maps = {f"{a}_probabilities": f"{a}.probabilities" for a in ARCHITECTURES}
    settings = {f"{a}_postprocessing": f"{a}.postprocessing" for a in ARCHITECTURES}
    stackings = {f"{a}_stacking": f"{a}.stacking" for a in ARCHITECTURES}
    courses = {f"{a}_history": f"{a}.segmenter_history" for a in ARCHITECTURES}
    data_engineering = {"data_engineering": "params:data_engineering"}
    reporting = {"reporting": "params:reporting"}
    compare = {"compare": "params:compare"}
    nodes = [
        Node(
            draw_classification_figures,
            inputs=_same(*scores, *points, *histories),
            outputs=[
                "confusion_figure",
                "roc_figure",
                "pr_figure",
                "reliability_figure",
                "classifier_learning_figure",
            ],
            name="draw_classification_figures",
        ),
        Node(
            check_grad_cam,
            inputs=_same("gate_selection", "sheets", "annotations", *scores, *points, *heat_maps),
            outputs="grad_cam_check",
            name="check_grad_cam",
        ),
        Node(
            draw_grad_cam,
            inputs=_same("gate_selection", "raw_sheets", "sheets", "annotations")
            | _same(*scores, *points, *heat_maps)
            | reporting,
            outputs="grad_cam_figure",
            name="draw_grad_cam",
        ),
        Node(
            list_mistakes,
            inputs=_same("gate_selection", *scores),
            outputs="confident_mistakes",
            name="list_mistakes",
        ),
        Node(
            draw_mistakes,
            inputs=_same("confident_mistakes", "gate_selection", "raw_sheets", "sheets")
            | _same("annotations"),
            outputs="confident_mistakes_figure",
            name="draw_mistakes",
        ),
        Node(
            draw_segmentation_figures,
            inputs=_same("class_comparison", "annotations", "sheets", "segmenter_selection")
            | data_engineering
            | _same(*maps, *courses),
            outputs=["class_dice_figure", "segmentation_pr_figure", "segmenter_learning_figure"],
            name="draw_segmentation_figures",
        ),
        Node(
            choose_overlays,
            inputs=_same("sheets", "annotations", "segmenter_selection", *predictions) | reporting,
            outputs="overlay_selection",
            name="choose_overlays",
        ),
        Node(
            draw_overlays,
            inputs=_same("overlay_selection", "raw_sheets", "sheets", "annotations")
            | _same("segmenter_selection", *predictions)
            | data_engineering,
            outputs="overlays",
            name="draw_overlays",
        ),
        Node(
            measure_detection,
            inputs=_same("sheets", "annotations", "segmenter_selection", *predictions),
            outputs=["evaluated_pairs", "defect_targets"],
            name="measure_detection",
        ),
        Node(
            draw_detection,
            inputs=_same("evaluated_pairs", "defect_targets") | data_engineering,
            outputs=["detection_by_size", "detection_figure", "dice_spread_figure"],
            name="draw_detection",
        ),
        Node(
            measure_robustness,
            inputs=_same("trained_models", "raw_sheets", "sheets", "annotations", "splits")
            | _same("gate_selection", "segmenter_selection", *points, *settings)
            | {"segmenter_prediction": "params:segmenter_prediction"}
            | reporting,
            outputs="robustness",
            name="measure_robustness",
        ),
        Node(
            draw_robustness,
            inputs=_same("robustness"),
            outputs="robustness_figure",
            name="draw_robustness",
        ),
        Node(
            compare_with_earlier,
            inputs=_same("earlier_versions", "gate_selection", "segmenter_selection")
            | _same("sheets", "annotations", "splits")
            | _same(*scores, *points, *predictions, *stackings)
            | {"operating_point": "params:operating_point"}
            | compare,
            outputs=["run_comparison", "changed_verdicts"],
            name="compare_with_earlier",
        ),
        Node(
            draw_changed_verdicts,
            inputs=_same("changed_verdicts", "raw_sheets", "sheets", "annotations") | compare,
            outputs="changed_verdicts_figure",
            name="draw_changed_verdicts",
        ),
        Node(
            write_report,
            inputs=_same("classification_comparison", "segmentation_comparison")
            | _same("class_comparison", "gate_selection", "segmenter_selection", "data_quality")
            | _same("overlays", "overlay_selection", "run_record", *points)
            | _same("leakage", "lookup_baseline", "oddest_sheets_figure")
            | _same("grad_cam_check", "grad_cam_figure")
            | _same("confident_mistakes", "confident_mistakes_figure")
            | _same("evaluated_pairs", "detection_by_size", "robustness", *stackings)
            | _same("run_comparison", "changed_verdicts", "changed_verdicts_figure")
            | data_engineering
            | {f"{name}_figure": f"{name}_figure" for name in FIGURES}
            | reporting,
            outputs="report",
            name="write_report",
        ),
    ]
    mapped = scores | points | heat_maps | histories | predictions | maps | courses
    mapped |= settings | stackings
    return Pipeline([Pipeline(nodes, inputs=mapped)], tags="reporting")


def _same(*names: str) -> dict[str, str]:
    """Name arguments like the datasets they take."""
    return {name: name for name in names}
