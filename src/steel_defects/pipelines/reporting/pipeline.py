"""The pipeline of figures, overlays and the report."""

from kedro.pipeline import Node, Pipeline

from steel_defects.models.config import ARCHITECTURES, BACKBONES

from .nodes import (
    FIGURES,
    choose_overlays,
    draw_classification_figures,
    draw_overlays,
    draw_segmentation_figures,
    write_report,
)


def create_pipeline() -> Pipeline:
    """From scores, predictions and comparisons to what people look at."""
    scores = {f"{b}_scores": f"{b}.sheet_scores" for b in BACKBONES}
    points = {f"{b}_point": f"{b}.operating_point" for b in BACKBONES}
    histories = {f"{b}_history": f"{b}.classifier_history" for b in BACKBONES}
    predictions = {f"{a}_predictions": f"{a}.predictions" for a in ARCHITECTURES}
    maps = {f"{a}_probabilities": f"{a}.probabilities" for a in ARCHITECTURES}
    courses = {f"{a}_history": f"{a}.segmenter_history" for a in ARCHITECTURES}
    data_engineering = {"data_engineering": "params:data_engineering"}
    reporting = {"reporting": "params:reporting"}
    nodes = [
        Node(
            draw_classification_figures,
            inputs=_same(*scores, *points, *histories),
            outputs=["confusion_figure", "roc_figure", "pr_figure", "classifier_learning_figure"],
            name="draw_classification_figures",
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
            write_report,
            inputs=_same("classification_comparison", "segmentation_comparison")
            | _same("class_comparison", "gate_selection", "segmenter_selection", "data_quality")
            | _same("overlays", "overlay_selection", "run_record", *points)
            | _same("leakage", "lookup_baseline", "oddest_sheets_figure")
            | {f"{name}_figure": f"{name}_figure" for name in FIGURES}
            | reporting,
            outputs="report",
            name="write_report",
        ),
    ]
    mapped = scores | points | histories | predictions | maps | courses
    return Pipeline([Pipeline(nodes, inputs=mapped)], tags="reporting")


def _same(*names: str) -> dict[str, str]:
    """Name arguments like the datasets they take."""
    return {name: name for name in names}
