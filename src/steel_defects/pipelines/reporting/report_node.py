"""The node that writes the report."""

from typing import Any

import pandas as pd

from steel_defects.reporting.config import ReportingConfig
from steel_defects.sheets.config import DataEngineeringConfig
from steel_defects.sheets.folder import SheetFolder

from .detection_nodes import counted_outcomes
from .nodes import ending, picture_name

Json = dict[str, Any]


def write_report(
    classification_comparison: pd.DataFrame,
    segmentation_comparison: pd.DataFrame,
    class_comparison: pd.DataFrame,
    gate_selection: Json,
    segmenter_selection: Json,
    data_quality: Json,
    overlays: SheetFolder,
    overlay_selection: pd.DataFrame,
    leakage: pd.DataFrame,
    lookup_baseline: pd.DataFrame,
    grad_cam_check: pd.DataFrame,
    confident_mistakes: pd.DataFrame,
    run_record: Json,
    evaluated_pairs: pd.DataFrame,
    detection_by_size: Json,
    robustness: pd.DataFrame,
    run_comparison: pd.DataFrame,
    changed_verdicts: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
    reporting: ReportingConfig,
    **tables: Any,
) -> str:
    """Write the report: one HTML file with everything in it."""
    from steel_defects.evaluation.attention import summarise_attention
    from steel_defects.evaluation.detection_by_size import DetectionCurve
    from steel_defects.reporting.detection_figures import detection_sentences
    from steel_defects.reporting.heat import attention_sentence
    from steel_defects.reporting.report import ReportContext, render_report

    totals, classes = counted_outcomes(evaluated_pairs)
    stacking = tables.get(f"{segmenter_selection['name']}_stacking") or {}
    kind = detection_by_size["evaluation"].replace("_", "-")
    curves = {name: DetectionCurve(**curve) for name, curve in detection_by_size["curves"].items()}
    return render_report(
        ReportContext(
            title="Steel defects: model report",
            run=run_record,
            classification_comparison=classification_comparison,
            segmentation_comparison=segmentation_comparison,
            per_class=class_comparison,
            gate_selection=gate_selection,
            segmenter_selection=segmenter_selection,
            operating_points=ending(tables, "_point"),
            together=stacking.get("operating_point") or {},
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
            figures={title: tables[f"{key}_figure"].read_bytes() for key, title in _TITLES.items()},
            detection=detection_sentences(curves, f"{detection_by_size['sheets']:,} {kind} sheets"),
            robustness=robustness,
            attention=attention_sentence(summarise_attention(grad_cam_check)),
            grad_cam=tables["grad_cam_figure"].read_bytes(),
            mistakes=confident_mistakes,
            mistake_sheets=tables["confident_mistakes_figure"].read_bytes(),
            pictures=_gallery(overlays, overlay_selection, classes),
            sheet_totals=totals,
            run_comparison=run_comparison,
            changed_verdicts=changed_verdicts,
            changed_sheets=tables["changed_verdicts_figure"].read_bytes(),
        )
    )


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


_TITLES = {
    "confusion": "Decisions of the gates on test sheets",
    "roc": "ROC curves of the gates",
    "pr": "Precision and recall of the gates",
    "reliability": "Do the gates' probabilities come true?",
    "classifier_learning": "How the gates learned",
    "detection": "Detection by the size of the defect",
    "dice_spread": "Dice from sheet to sheet",
    "class_dice": "Segmentation, class by class",
    "segmentation_pr": "Precision and recall of pixels",
    "segmenter_learning": "How the segmenters learned",
    "robustness": "On worse pictures",
}
FIGURES = tuple(_TITLES)
