"""How well predicted masks agree with true ones, for each sheet and class on its own.

The score is the competition's: the mean of Dice over all (sheet, class) pairs, where two empty
masks agree fully. Most pairs are empty, so a model that finds nothing already scores high; the
figures on positives, the detection rate and the false positives stand beside it for that reason.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.evaluation.boundaries import boundary_f1, boundary_iou, boundary_width
from steel_defects.labels import rle as run_length
from steel_defects.labels.overlap import dice, iou

Mask = NDArray[np.uint8]

# Named, so that tables without rows have them too.
_PAIR_COLUMNS = [
    *("sheet_id", "class_id", "dice", "iou", "boundary_iou", "boundary_f1"),
    *("true_px", "predicted_px"),
]
_CLASS_COLUMNS = [
    *("class_id", "positives", "mean_dice", "mean_iou", "dice_on_positives"),
    *("boundary_iou_on_positives", "boundary_f1_on_positives"),
    *("detection_rate", "false_positive_rate"),
]


def pair_metrics(truth: str, predicted: str, height: int, width: int) -> dict[str, float]:
    """Compare two encoded masks of one class on one sheet.

    Returns:
        ``dice``, ``iou``, ``boundary_iou`` and ``boundary_f1``, 0 to 1, and ``true_px`` and
        ``predicted_px``.
    """
    if not truth or not predicted:
        agree = float(not truth and not predicted)
        shared: dict[str, float] = dict.fromkeys(_SHARES, agree)
    else:
        first = run_length.decode(truth, height, width)
        second = run_length.decode(predicted, height, width)
        areas = (int((first & second).sum()), int(first.sum()), int(second.sum()))
        outlines = (
            boundary_iou(first, second, boundary_width(height, width)),
            boundary_f1(first, second),
        )
        shared = dict(zip(_SHARES, (dice(*areas), iou(*areas), *outlines), strict=True))
    areas_px = {"true_px": run_length.area(truth), "predicted_px": run_length.area(predicted)}
    return shared | areas_px


_SHARES = ("dice", "iou", "boundary_iou", "boundary_f1")


def pair_table(
    predictions: pd.DataFrame, annotations: pd.DataFrame, sheets: pd.DataFrame
) -> pd.DataFrame:
    """Compare every predicted (sheet, class) pair with the truth.

    Args:
        predictions: ``sheet_id, class_id, rle``, one row a sheet and class.
        annotations: ``sheet_id, class_id, rle`` of the defects.
        sheets: ``sheet_id, width, height``.

    Returns:
        ``sheet_id, class_id`` and the columns of :func:`pair_metrics`.
    """
    truth = annotations.set_index(["sheet_id", "class_id"])["rle"].to_dict()
    sizes = sheets.set_index("sheet_id")[["height", "width"]].apply(tuple, axis=1).to_dict()
    columns = predictions[["sheet_id", "class_id", "rle"]]
    rows = [
        {"sheet_id": sheet, "class_id": class_id}
        | pair_metrics(truth.get((sheet, class_id), ""), rle, *sizes[sheet])
        for sheet, class_id, rle in columns.itertuples(index=False)
    ]
    return pd.DataFrame(rows, columns=_PAIR_COLUMNS)


def segmentation_metrics(pairs: pd.DataFrame) -> dict[str, float]:
    """Summarise a pair table.

    Returns:
        ``sheets``; means over pairs ``mean_dice``, ``mean_iou``; over pairs that have a defect
        ``dice_on_positives``, ``iou_on_positives``, ``boundary_iou_on_positives``,
        ``boundary_f1_on_positives`` (see :mod:`steel_defects.evaluation.boundaries`) and
        ``detection_rate`` (any overlap); ``false_positive_rate``, the share of clean sheets with
        any predicted pixel. NaN where there is nothing to average.
    """
    positive = pairs[pairs["true_px"] > 0]
    per_sheet = pairs.groupby("sheet_id")[["true_px", "predicted_px"]].sum()
    clean = per_sheet[per_sheet["true_px"] == 0]
    return {
        "sheets": len(per_sheet),
        "mean_dice": pairs["dice"].mean(),
        "mean_iou": pairs["iou"].mean(),
        "dice_on_positives": positive["dice"].mean(),
        "iou_on_positives": positive["iou"].mean(),
        "boundary_iou_on_positives": positive["boundary_iou"].mean(),
        "boundary_f1_on_positives": positive["boundary_f1"].mean(),
        "detection_rate": (positive["dice"] > 0).mean(),
        "false_positive_rate": (clean["predicted_px"] > 0).mean(),
    }


def class_metrics(pairs: pd.DataFrame) -> pd.DataFrame:
    """Summarise a pair table class by class.

    Returns:
        One row a class: ``class_id``, ``positives`` (sheets that have it), ``mean_dice``,
        ``mean_iou``, ``dice_on_positives``, ``boundary_iou_on_positives``,
        ``boundary_f1_on_positives``, ``detection_rate`` and ``false_positive_rate`` (share of the
        sheets without the class where it was predicted).
    """
    rows = []
    for class_id, group in pairs.groupby("class_id"):
        positive, negative = group[group["true_px"] > 0], group[group["true_px"] == 0]
        rows.append(
            {
                "class_id": class_id,
                "positives": len(positive),
                "mean_dice": group["dice"].mean(),
                "mean_iou": group["iou"].mean(),
                "dice_on_positives": positive["dice"].mean(),
                "boundary_iou_on_positives": positive["boundary_iou"].mean(),
                "boundary_f1_on_positives": positive["boundary_f1"].mean(),
                "detection_rate": (positive["dice"] > 0).mean(),
                "false_positive_rate": (negative["predicted_px"] > 0).mean(),
            }
        )
    return pd.DataFrame(rows, columns=_CLASS_COLUMNS)
