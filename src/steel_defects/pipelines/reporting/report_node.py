"""The node that writes the report."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.datasets.trained_models import TrainedGate, TrainedModels, TrainedSegmenter
from steel_defects.images.folder import SheetFolder
from steel_defects.models.trained import ModelSelection
from steel_defects.reporting.config import ReportingConfig

from .detection_nodes import counted_outcomes
from .nodes import picture_name

if TYPE_CHECKING:
    from steel_defects.reporting.context import Choice, GateFindings, ShownSheets

Json = dict[str, Any]

NO_ROWS = pd.DataFrame()


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
    gate_selection: ModelSelection | None = None,
    classification_comparison: pd.DataFrame = NO_ROWS,
    grad_cam_check: pd.DataFrame | None = None,
    confident_mistakes: pd.DataFrame = NO_ROWS,
    robustness: pd.DataFrame = NO_ROWS,
    run_comparison: pd.DataFrame = NO_ROWS,
    changed_verdicts: pd.DataFrame = NO_ROWS,
    **tables: Any,
) -> str:
    """Write the report: one HTML file with everything in it."""
    from steel_defects.reporting.context import DataFindings, EarlierVersion, ReportContext
    from steel_defects.reporting.report import render_report

    gates = trained_models.compared(TrainedGate, gate_selection) if gate_selection else []
    context = ReportContext(
        run=run_record,
        classification_comparison=classification_comparison,
        segmentation_comparison=segmentation_comparison,
        per_class=class_comparison,
        gate=_choice(gate_selection),
        segmenter=_choice(segmenter_selection),
        operating_points={gate.name: gate.operating_point for gate in gates},
        cascade_point=chosen_segmenter.stacking.operating_point,
        false_alarm_target=reporting.target_false_alarm_rate,
        class_names=data_engineering.class_names,
        data=DataFindings(data_quality, leakage, lookup_baseline, _read("oddest_sheets", tables)),
        figures={title: _read(key, tables) for key, title in _TITLES.items() if _has(key, tables)},
        explained=_explained(grad_cam_check, confident_mistakes, tables),
        detection=_detection(detection_by_size),
        robustness=robustness,
        shown=_shown(overlays, overlay_selection, evaluated_pairs),
        earlier=EarlierVersion(run_comparison, changed_verdicts, _read("changed_verdicts", tables)),
    )
    return render_report(context)


def _choice(selection: ModelSelection | None) -> "Choice":
    from steel_defects.reporting.context import Choice

    if selection is None:
        return Choice(reason="no backbone was chosen")
    return Choice(selection.name, selection.reason)


def _has(name: str, tables: dict[str, Any]) -> bool:
    return f"{name}_figure" in tables


def _read(name: str, tables: dict[str, Any]) -> bytes:
    return bytes(tables[f"{name}_figure"].read_bytes()) if _has(name, tables) else b""


def _detection(detection_by_size: Json) -> list[str]:
    from steel_defects.evaluation.detection_by_size import DetectionCurve
    from steel_defects.reporting.figures.detection_figures import detection_sentences

    kind = detection_by_size["evaluation"].replace("_", "-")
    curves = {name: DetectionCurve(**curve) for name, curve in detection_by_size["curves"].items()}
    return detection_sentences(curves, f"{detection_by_size['sheets']:,} {kind} sheets")


def _explained(
    grad_cam_check: pd.DataFrame | None, mistakes: pd.DataFrame, tables: dict[str, Any]
) -> "GateFindings":
    from steel_defects.evaluation.attention import summarise_attention
    from steel_defects.reporting.context import GateFindings
    from steel_defects.reporting.gate_pictures import attention_sentence

    if grad_cam_check is None:
        return GateFindings()
    return GateFindings(
        attention_sentence(summarise_attention(grad_cam_check)),
        _read("grad_cam", tables),
        mistakes,
        _read("confident_mistakes", tables),
    )


def _shown(overlays: SheetFolder, selection: pd.DataFrame, pairs: pd.DataFrame) -> "ShownSheets":
    from steel_defects.reporting.context import ShownSheets
    from steel_defects.reporting.gallery import Picture

    totals, classes = counted_outcomes(pairs)
    pictures = [
        Picture(
            row.outcome,
            classes.get(row.sheet_id, ()),
            row.caption,
            overlays.path_of(picture_name(row.outcome, row.sheet_id)).read_bytes(),
        )
        for row in selection.itertuples()
    ]
    return ShownSheets(pictures, totals)


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
