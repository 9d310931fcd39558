"""Nodes that draw figures and overlays, and write the report."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.datasets.trained_models import TrainedGate, TrainedModels, TrainedSegmenter
from steel_defects.decision.score_tables import hold_out
from steel_defects.evaluation.detection_by_size import DetectionBySize
from steel_defects.evaluation.segmentation import pair_table, pixel_precision_recall
from steel_defects.images.folder import SheetFolder
from steel_defects.labels import rle as run_length
from steel_defects.models.trained import ModelSelection
from steel_defects.paths import jpeg_name
from steel_defects.reporting import gallery
from steel_defects.reporting.config import ReportingConfig
from steel_defects.reporting.context import (
    DataFindings,
    EarlierVersion,
    GateFindings,
    LearningCurves,
    ReportContext,
    ShownSheets,
)
from steel_defects.tables.declared import OVERLAY_SELECTION

#: Figures of the report by their names in the catalog, which end in ``_figure``.
GATE_FIGURES = {
    "confusion": "Decisions of the gates on test sheets",
    "roc": "ROC curves of the gates",
    "pr": "Precision and recall of the gates",
    "reliability": "Do the gates' probabilities come true?",
    "classifier_learning": "How the gates learned",
}
SEGMENTER_FIGURES = {
    "detection": "Detection by the size of the defect",
    "dice_spread": "Dice from sheet to sheet",
    "class_dice": "Segmentation, class by class",
    "segmentation_pr": "Precision and recall of pixels",
    "segmenter_learning": "How the segmenters learned",
    "class_confusion": "Which class is taken for which",
}
ROBUSTNESS_FIGURES = {"robustness": "On worse pictures"}
_NO_ROWS = pd.DataFrame()
_OPTIONAL = (
    *("classification_comparison", "confident_mistakes", "robustness", "run_comparison"),
    *("changed_verdicts", "learning_curve"),
)
_NO_GATE = ModelSelection(name=None, reason="no backbone was chosen")


def draw_classification_figures(
    gate_selection: ModelSelection, trained_models: TrainedModels
) -> tuple[Any, Any, Any, Any, Any]:
    """Draw confusion matrices, ROC, precision-recall, reliability and learning of the backbones."""
    from steel_defects.reporting import gate_figures
    from steel_defects.reporting.segmenter_figures import learning_figure

    gates = trained_models.compared(TrainedGate, gate_selection)
    scores = {gate.name: gate.scores for gate in gates}
    thresholds = {gate.name: gate.operating_point.thresholds.lower for gate in gates}
    return (
        gate_figures.confusion_figure(scores, thresholds),
        gate_figures.roc_figure(scores),
        gate_figures.pr_figure(scores),
        gate_figures.reliability_figure(scores),
        learning_figure({gate.name: gate.history for gate in gates}),
    )


def draw_segmentation_figures(
    class_comparison: pd.DataFrame,
    annotations: pd.DataFrame,
    sheets: pd.DataFrame,
    segmenter_selection: ModelSelection,
    trained_models: TrainedModels,
    chosen_segmenter: TrainedSegmenter,
    data_engineering: DataEngineeringConfig,
) -> tuple[Any, Any, Any]:
    """Draw Dice of each class, pixel precision-recall and learning curves of the architectures."""
    from steel_defects.reporting import segmenter_figures

    maps = chosen_segmenter.probabilities
    sizes = sheets.set_index("sheet_id")[["height", "width"]]
    masks = annotations.set_index(["sheet_id", "class_id"])["rle"].to_dict()
    curves = {
        name: pixel_precision_recall(maps, sizes, masks, number)
        for number, name in enumerate(data_engineering.class_names, start=1)
    }
    per_class = dict(tuple(class_comparison.groupby("architecture")))
    compared = trained_models.compared(TrainedSegmenter, segmenter_selection)
    return (
        segmenter_figures.class_dice_figure(per_class, data_engineering.class_names),
        segmenter_figures.segmentation_pr_figure(curves),
        segmenter_figures.learning_figure({one.name: one.history for one in compared}),
    )


def choose_overlays(
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    chosen_segmenter: TrainedSegmenter,
    reporting: ReportingConfig,
) -> pd.DataFrame:
    """Choose test sheets of every outcome, with a caption for each."""
    pairs = pair_table(hold_out(chosen_segmenter.predictions, "test"), annotations, sheets)
    dice = gallery.sheet_outcomes(pairs)["dice"]
    rows = [
        (sheet_id, outcome, f"{sheet_id}: {outcome}, Dice {dice[sheet_id]:.2f}")
        for sheet_id, outcome in gallery.choose_sheets(pairs, reporting.overlays, reporting.seed)
    ]
    return OVERLAY_SELECTION.typed(rows)


def draw_overlays(
    overlay_selection: pd.DataFrame,
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    chosen_segmenter: TrainedSegmenter,
    data_engineering: DataEngineeringConfig,
) -> dict[str, Callable[[], np.ndarray]]:
    """Lay truth and prediction over the chosen sheets, each drawn when it is saved."""
    predictions = hold_out(chosen_segmenter.predictions, "test")
    paths = sheets.set_index("sheet_id")["path"]

    def draw(sheet_id: str, caption: str) -> np.ndarray:
        from steel_defects.drawing.overlays import draw_comparison

        image = raw_sheets.read(paths[sheet_id])
        truth, predicted = (
            _masks_of(table, sheet_id, image.shape) for table in (annotations, predictions)
        )
        return draw_comparison(image, truth, predicted, data_engineering.class_names, caption)

    return {
        _picture_name(outcome, sheet_id): partial(draw, sheet_id, caption)
        for sheet_id, outcome, caption in overlay_selection.itertuples(index=False, name=None)
    }


def _masks_of(table: pd.DataFrame, sheet_id: str, shape: tuple[int, int]) -> dict[int, np.ndarray]:
    rows = table[(table["sheet_id"] == sheet_id) & (table["rle"] != "")]
    return {
        int(class_id): run_length.decode(rle, *shape)
        for class_id, rle in rows[["class_id", "rle"]].itertuples(index=False, name=None)
    }


def _picture_name(outcome: str, sheet_id: str) -> str:
    return f"{outcome.replace(' ', '_')}_{jpeg_name(sheet_id)}"


def write_report(
    segmentation_comparison: pd.DataFrame,
    class_comparison: pd.DataFrame,
    segmenter_selection: ModelSelection,
    chosen_segmenter: TrainedSegmenter,
    trained_models: TrainedModels,
    data_quality: dict[str, Any],
    overlays: SheetFolder,
    overlay_selection: pd.DataFrame,
    leakage: pd.DataFrame,
    lookup_baseline: pd.DataFrame,
    run_record: dict[str, Any],
    evaluated_pairs: pd.DataFrame,
    class_confusion: pd.DataFrame,
    detection_by_size: DetectionBySize,
    data_engineering: DataEngineeringConfig,
    reporting: ReportingConfig,
    **optional: Any,
) -> str:
    """Write the report, with figures and with what a run may lack, such as gates or robustness."""
    from steel_defects.reporting.report import render_report
    from steel_defects.reporting.segmenter_figures import detection_sentences

    gate = optional.get("gate_selection", _NO_GATE)
    gates = trained_models.compared(TrainedGate, gate)
    oddest, changed = (_photo(name, optional) for name in ("oddest_sheets", "changed_verdicts"))
    rows = {name: optional.get(name, _NO_ROWS) for name in _OPTIONAL}
    context = ReportContext(
        run=run_record,
        classification_comparison=rows["classification_comparison"],
        segmentation_comparison=segmentation_comparison,
        per_class=class_comparison,
        confusion=class_confusion,
        gate=gate,
        segmenter=segmenter_selection,
        operating_points={one.name: one.operating_point for one in gates},
        cascade_point=chosen_segmenter.stacking.operating_point,
        false_alarm_target=reporting.target_false_alarm_rate,
        class_names=data_engineering.class_names,
        data=DataFindings(data_quality, leakage, lookup_baseline, oddest),
        figures=_charts(optional),
        explained=_gate_findings(rows["confident_mistakes"], optional),
        detection=detection_sentences(detection_by_size),
        robustness=rows["robustness"],
        shown=_shown(overlays, overlay_selection, evaluated_pairs),
        earlier=EarlierVersion(rows["run_comparison"], rows["changed_verdicts"], changed),
        learning_curve=_learning_curve(rows["learning_curve"], optional),
    )
    return render_report(context)


def _charts(figures: Mapping[str, Any]) -> dict[str, bytes]:
    titles = GATE_FIGURES | SEGMENTER_FIGURES | ROBUSTNESS_FIGURES
    files = {title: figures.get(f"{name}_figure") for name, title in titles.items()}
    return {title: file.read_bytes() for title, file in files.items() if file}


def _photo(name: str, optional: Mapping[str, Any]) -> bytes:
    """Read a picture of sheets; nothing where this run has none, or its table no rows."""
    file, table = optional.get(f"{name}_figure"), optional.get(name)
    return gallery.as_jpeg(file.read_bytes()) if file and (table is None or len(table)) else b""


def _gate_findings(mistakes: pd.DataFrame, optional: Mapping[str, Any]) -> GateFindings:
    from steel_defects.reporting.gate_pictures import attention_sentence

    check = optional.get("grad_cam_check")
    attention = "" if check is None else attention_sentence(check)
    heat, mistake_sheets = (_photo(name, optional) for name in ("grad_cam", "confident_mistakes"))
    return GateFindings(attention, heat, mistakes, mistake_sheets)


def _learning_curve(table: pd.DataFrame, optional: Mapping[str, Any]) -> LearningCurves:
    file = optional.get("learning_curve_figure")
    return LearningCurves(table, file.read_bytes()) if file else LearningCurves()


def _shown(overlays: SheetFolder, selection: pd.DataFrame, pairs: pd.DataFrame) -> ShownSheets:
    """Read the overlays, with the classes that each sheet has or was given."""
    test = pairs[pairs["evaluation"] == "test"]
    counts = gallery.sheet_outcomes(test)["outcome"].value_counts()
    concerned = test[np.maximum(test["true_px"], test["predicted_px"]) > 0]
    classes: Mapping[str, list[int]] = concerned.groupby("sheet_id")["class_id"].apply(list)
    pictures = [
        gallery.Picture(
            row.outcome,
            tuple(sorted(classes.get(row.sheet_id, []))),
            row.caption,
            overlays.path_of(_picture_name(row.outcome, row.sheet_id)).read_bytes(),
        )
        for row in selection.itertuples()
    ]
    return ShownSheets(
        pictures, {name: int(counts[name]) for name in gallery.OUTCOMES if name in counts}
    )
