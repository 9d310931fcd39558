"""The node that writes the report."""

from typing import Any

import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.datasets.trained_models import TrainedModels, TrainedSegmenter
from steel_defects.images.folder import SheetFolder
from steel_defects.models.trained import ModelSelection
from steel_defects.reporting.config import ReportingConfig

from .detection_nodes import counted_outcomes
from .nodes import picture_name

Json = dict[str, Any]

NO_ROWS = pd.DataFrame()
NO_GATE = ModelSelection(name=None, reason="no backbone was chosen")


def write_report(
    segmentation_comparison: pd.DataFrame,
    class_comparison: pd.DataFrame,
    segmenter_selection: ModelSelection,
    chosen_segmenter: TrainedSegmenter,
    trained_models: TrainedModels,
    data_quality: Json,
    overlays: SheetFolder,
    overlay_selection: pd.DataFrame,
    leakage: pd.DataFrame,
    lookup_baseline: pd.DataFrame,
    run_record: Json,
    evaluated_pairs: pd.DataFrame,
    detection_by_size: Json,
    data_engineering: DataEngineeringConfig,
    reporting: ReportingConfig,
    gate_selection: ModelSelection = NO_GATE,
    classification_comparison: pd.DataFrame = NO_ROWS,
    grad_cam_check: pd.DataFrame | None = None,
    confident_mistakes: pd.DataFrame = NO_ROWS,
    robustness: pd.DataFrame = NO_ROWS,
    run_comparison: pd.DataFrame = NO_ROWS,
    changed_verdicts: pd.DataFrame = NO_ROWS,
    **tables: Any,
) -> str:
    """Write the report: one HTML file with everything in it."""
    from steel_defects.evaluation.detection_by_size import DetectionCurve
    from steel_defects.reporting.figures.detection_figures import detection_sentences
    from steel_defects.reporting.report import ReportContext, render_report

    totals, classes = counted_outcomes(evaluated_pairs)
    together = chosen_segmenter.stacking.operating_point
    points = {
        gate.name: gate.operating_point.model_dump(mode="json")
        for gate in trained_models.gates(gate_selection.compared)
    }
    kind = detection_by_size["evaluation"].replace("_", "-")
    curves = {name: DetectionCurve(**curve) for name, curve in detection_by_size["curves"].items()}
    return render_report(
        ReportContext(
            title="Steel defects: model report",
            run=run_record,
            classification_comparison=classification_comparison,
            segmentation_comparison=segmentation_comparison,
            per_class=class_comparison,
            gate_selection=gate_selection.model_dump(mode="json"),
            segmenter_selection=segmenter_selection.model_dump(mode="json"),
            operating_points=points,
            together=together.model_dump(mode="json") if together else {},
            false_alarm_target=reporting.target_false_alarm_rate,
            lookup_baseline=lookup_baseline,
            class_names=data_engineering.class_names,
            data_quality=data_quality,
            data_tables={
                "Nearest training sheet of held-out sheets": leakage,
                "What a lookup of the nearest training sheet scores": lookup_baseline,
            },
            data_figures={
                "The sheets least like the rest": tables["oddest_sheets_figure"].read_bytes()
            },
            figures={
                title: tables[f"{key}_figure"].read_bytes()
                for key, title in _TITLES.items()
                if f"{key}_figure" in tables
            },
            detection=detection_sentences(curves, f"{detection_by_size['sheets']:,} {kind} sheets"),
            robustness=robustness,
            attention=_attention(grad_cam_check),
            grad_cam=_picture(tables, "grad_cam_figure"),
            mistakes=confident_mistakes,
            mistake_sheets=_picture(tables, "confident_mistakes_figure"),
            pictures=_gallery(overlays, overlay_selection, classes),
            sheet_totals=totals,
            run_comparison=run_comparison,
            changed_verdicts=changed_verdicts,
            changed_sheets=_picture(tables, "changed_verdicts_figure"),
        )
    )


def _picture(tables: dict[str, Any], name: str) -> bytes:
    return bytes(tables[name].read_bytes()) if name in tables else b""


def _attention(grad_cam_check: pd.DataFrame | None) -> str:
    if grad_cam_check is None:
        return ""
    from steel_defects.evaluation.attention import summarise_attention
    from steel_defects.reporting.heat import attention_sentence

    return attention_sentence(summarise_attention(grad_cam_check))


def _gallery(
    overlays: SheetFolder, selection: pd.DataFrame, classes: dict[str, tuple[int, ...]]
) -> list[Any]:
    from steel_defects.reporting.gallery import Picture

    pictures = []
    for sheet_id, outcome, caption in selection.itertuples(index=False, name=None):
        name = picture_name(outcome, sheet_id)
        jpeg = overlays.path_of(name).read_bytes()
        pictures.append(Picture(name, outcome, classes.get(sheet_id, ()), caption, jpeg))
    return pictures


_GATE_TITLES = {
    "confusion": "Decisions of the gates on test sheets",
    "roc": "ROC curves of the gates",
    "pr": "Precision and recall of the gates",
    "reliability": "Do the gates' probabilities come true?",
    "classifier_learning": "How the gates learned",
}
_SEGMENTER_TITLES = {
    "detection": "Detection by the size of the defect",
    "dice_spread": "Dice from sheet to sheet",
    "class_dice": "Segmentation, class by class",
    "segmentation_pr": "Precision and recall of pixels",
    "segmenter_learning": "How the segmenters learned",
}
_ROBUSTNESS_TITLES = {"robustness": "On worse pictures"}
_TITLES = _GATE_TITLES | _SEGMENTER_TITLES | _ROBUSTNESS_TITLES
GATE_FIGURES = tuple(_GATE_TITLES)
SEGMENTER_FIGURES = tuple(_SEGMENTER_TITLES)
ROBUSTNESS_FIGURES = tuple(_ROBUSTNESS_TITLES)
