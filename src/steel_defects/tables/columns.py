"""What columns hold, each declared once: type, range, unit, title and format."""

from dataclasses import replace
from functools import partial

from steel_defects.tables.schema import Column

#: Columns that differ between two runs of the same seed.
TIME_COLUMNS = ("ms_per_sheet", "ms_per_sheet_p50", "ms_per_sheet_p90", "training_seconds")
SPLIT_NAMES = ("train", "validation", "calibration", "test")
VERDICT_NAMES = ("accept", "review", "reject")
EVALUATIONS = ("test", "out_of_fold")

_RELATIONS = ("same file", "copy", "shared part", "look-alike", "different")


_text = partial(Column, "str", 1)
_any_text = partial(Column, "str")
_digest = partial(Column, "str", 64, 64)
_flag = partial(Column, "bool")
_count = partial(Column, "int64", 0)
_some = partial(Column, "int64", 1)
_number = partial(Column, "float64")
_share = partial(Column, "float64", 0, 1)
#: A share that is missing where there are no sheets of the kind that it is a share of.
_rate = partial(Column, "float64", 0, 1, nullable=True)
_percent = partial(_rate, format="percent")

_CORRELATION = _number(-1.01, 1.01, nullable=True)
_SPEED = _number(0, unit="ms", format="tenths")
_MS = _number(0, unit="ms", nullable=True)
_VERDICT = _any_text(values=VERDICT_NAMES)
_CHANGE = _number(-1, 1, nullable=True)

#: Every column by its name. Where tables differ in what they allow, they say so themselves.
COLUMNS: dict[str, Column] = {
    # Sheets and pictures.
    "sheet_id": _text(title="sheet"),
    "other_id": _text(),
    "path": _text(),
    "problem": _any_text(),
    "note": _any_text(),
    "width": _some(unit="pixels"),
    "height": _some(unit="pixels"),
    "sha256": _digest(),
    "other_sha256": _digest(),
    "bytes": _count(unit="bytes"),
    "modified_ns": Column("int64", unit="ns since 1970"),
    "mean_intensity": _number(0, 255, unit="gray values", title="mean gray value"),
    "contrast": _number(0, 128, unit="gray values", title="contrast, gray values"),
    "black_fraction": _share(unit="share", title="share of black pixels"),
    "saturated_fraction": _share(unit="share", title="share of saturated pixels"),
    "thumbnail": Column("object", nullable=True),
    "fingerprint": Column("object", nullable=True),
    "version": _count(),
    "coil_id": _any_text(nullable=True),
    "position_mm": _number(unit="mm", nullable=True),
    "has_defect": _flag(),
    # How sheets relate, and how they are divided.
    "relation": _any_text(values=_RELATIONS),
    "similarity": _CORRELATION,
    "orientation": Column("int64", 0, 7),
    "group_id": _text(),
    "split": _any_text(values=SPLIT_NAMES),
    "repeat": _count(nullable=True),
    "fold": _count(nullable=True),
    "division": _text(),
    "similarity_p50": _number(-1, 1),
    "similarity_p95": _number(-1, 1),
    "similarity_max": _number(-1, 1),
    "copies": _count(),
    "measure": _text(),
    "value": _number(),
    "percentile": _number(0, 100, unit="percent"),
    # Masks, windows and regions.
    "class_id": _some(title="class", format="whole"),
    "class_name": _text(),
    "rle": _text(),
    "area_px": _some(unit="pixels"),
    "x": _count(unit="pixels"),
    "y": _count(unit="pixels"),
    "size_px": _some(unit="pixels"),
    "true_px": _count(unit="pixels"),
    "predicted_px": _count(unit="pixels"),
    "length_px": _number(0, unit="pixels"),
    "area_mm2": _number(0, unit="mm²", nullable=True),
    "length_mm": _number(0, unit="mm", nullable=True),
    "orientation_deg": _number(-90, 90, unit="degrees"),
    "severity": _text(),
    # What networks say.
    "output": _share(),
    "score": _share(),
    # One that no score reaches lies just above 1.
    "threshold": _number(0, 1 + 1e-9),
    "cleared": _flag(),
    "rows": _some(),
    "columns": _some(),
    "heat": Column("object", 0),
    "outcome": _text(),
    "caption": _text(),
    "epoch": _some(),
    "loss": _number(),
    # Verdicts.
    "gate_score": _rate(),
    "verdict": _VERDICT,
    "verdict_before": _VERDICT,
    "verdict_after": _VERDICT,
    "better": _flag(),
    "defect_count": _count(),
    "defect_area_px": _count(unit="pixels"),
    "reason": _text(),
    "model_id": _text(),
    "thresholds_id": _text(),
    "inspected_at": Column("datetime64[us, UTC]", unit="UTC"),
    "ImageId_ClassId": _text(),
    "EncodedPixels": _any_text(),
    # What figures speak of, and stand on.
    "backbone": _text(),
    "architecture": _text(),
    "weights": _text(),
    "evaluation": _any_text(values=EVALUATIONS),
    "sheets": _count(format="whole"),
    "defective_sheets": _count(format="whole"),
    "repeats": _some(),
    "positives": _count(title="sheets with the class", format="whole"),
    "corruption": _text(),
    "level": _count(),
    "strength": _number(0, nullable=True),
    "compared_with": _text(),
    "part": _any_text(values=("gate", "segmenter", "verdicts")),
    "model": _text(),
    "left_out": _count(),
    "metric": _text(),
    "before": _rate(),
    "after": _rate(),
    "difference": _CHANGE,
    "difference_low": _CHANGE,
    "difference_high": _CHANGE,
    "found": _flag(),
    # Figures of gates.
    "accuracy": _percent(),
    "accuracy_low": _rate(),
    "accuracy_high": _rate(),
    "recall": _percent(),
    "false_positive_rate": _percent(title="false positives"),
    "roc_auc": _rate(title="ROC-AUC"),
    "pr_auc": _rate(title="PR-AUC"),
    "fpr_at_recall_99": _percent(title="at recall 99 %"),
    **{
        f"{share}_share{near}": _share(unit="share")
        for near in ("", "_near")
        for share in ("heat", "gaussian", "uniform")
    },
    # Figures of segmenters.
    "dice": _share(),
    "iou": _share(),
    "boundary_iou": _share(),
    "boundary_f1": _share(),
    "mean_dice": _rate(title="mean Dice"),
    "mean_iou": _rate(title="mean IoU"),
    "all_empty_dice": _rate(title="mean Dice of finding nothing"),
    "dice_on_positives": _rate(title="Dice on positives"),
    "boundary_iou_on_positives": _rate(title="boundary IoU on positives"),
    "boundary_f1_on_positives": _rate(title="boundary F1 on positives, at 2 px"),
    "detection_rate": _percent(),
    # Size and speed of networks.
    "parameters": _some(format="whole"),
    "parameters_with_top": _some(title="parameters with ImageNet's top", format="whole"),
    "ms_per_sheet": replace(_SPEED, title="ms a sheet"),
    "ms_per_sheet_p50": replace(_SPEED, title="ms a sheet, median"),
    "ms_per_sheet_p90": replace(_SPEED, title="ms a sheet, 90 %"),
    "training_seconds": _number(0, unit="s", title="training", format="duration"),
    "network": _text(),
    "runtime": _text(),
    "precision": _text(),
    "max_difference": _number(0, nullable=True),
    "tolerance": _number(0, nullable=True),
    "changed_verdicts": _count(),
    "dice_change": _CHANGE,
    "passed": _flag(),
    "ms_p50": _MS,
    "ms_p90": _MS,
    "ms_p99": _MS,
    "sheets_per_second": _number(0, unit="1/s", nullable=True),
    "streaming_sheets_per_second": _number(0, unit="1/s", nullable=True),
    "file_mb": _number(0, unit="MB", nullable=True),
    "peak_memory_mb": _number(0, unit="MB", nullable=True),
    # Figures that only reports and records hold.
    "balanced_accuracy": _percent(),
    "brier": _rate(title="Brier score"),
    "fpr_at_recall_95": _percent(title="at recall 95 %"),
    "fpr_at_recall_98": _percent(title="at recall 98 %"),
    "target_recall": _percent(),
    "confidence": _percent(),
    "recall_bound": _percent(title="recall at least"),
    "false_positive_bound": _percent(title="false positives at most"),
    "accept_share": _percent(),
    "review_share": _percent(),
    "reject_share": _percent(),
    "evidence_from": _text(title="chosen on"),
    "clean_sheets": _count(format="whole"),
    "more_defective_sheets": _count(format="whole"),
    "iou_on_positives": _rate(title="IoU on positives"),
    "mean_dice_gated": _rate(title="mean Dice behind the gate"),
    "dice_on_positives_gated": _rate(title="Dice on positives behind the gate"),
    "mean_dice_error": _number(title="standard error of mean Dice"),
    "mean_iou_error": _number(title="standard error of mean IoU"),
    "dice_on_positives_error": _number(title="standard error of Dice on positives"),
    "tta": _text(title="averaged over"),
    "epochs": _count(format="whole"),
    "set_aside": _flag(title="consequence"),
    "area_px_median": _number(title="median area, px"),
    "area_px_p5": _number(title="5th percentile of the area, px"),
    "area_px_max": _number(title="largest area, px"),
    "p0": _number(title="least"),
    "p5": _number(title="5th percentile"),
    "p50": _number(title="median"),
    "p95": _number(title="95th percentile"),
    "p100": _number(title="greatest"),
    "width_p50": _share(title="median width, where there is one"),
    "width_p95": _share(title="95th percentile of the width"),
}


def title_of(column: str) -> str:
    """Return a column's heading in words."""
    declared = COLUMNS.get(column)
    return (declared and declared.title) or column.replace("_", " ")


def format_of(column: str) -> str:
    """Return how reports print a column; empty for decimals."""
    if column.startswith("recall_class_"):
        return "percent"
    return COLUMNS[column].format if column in COLUMNS else ""
