"""How well predicted masks agree with true ones, for each sheet and class on its own.

The score is the competition's: the mean of Dice over all (sheet, class) pairs, where two empty
masks agree fully. Most pairs are empty, so a model that finds nothing already scores high; the
figures on positives, the detection rate and the false positives stand next to it for that reason.
"""

from collections.abc import Mapping

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.labels import rle as run_length
from steel_defects.labels.rle import dice, iou
from steel_defects.tables.declared import EVALUATED_PAIRS

Mask = NDArray[np.uint8]
Curve = tuple[NDArray[np.float64], NDArray[np.float64]]

#: How far outlines may lie apart in the boundary F1 of the comparisons, pixels.
TOLERANCE_PX = 2.0

_WIDTH_SHARE = 0.02  # of the picture's diagonal, as the paper sets it
_EPSILON = 1e-3
_AGREEMENT = ("dice", "iou", "boundary_iou", "boundary_f1")
# Named, so that tables without rows have them, too.
_PAIR_COLUMNS = [name for name in EVALUATED_PAIRS.columns if name != "evaluation"]
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
    areas_px = {"true_px": run_length.area(truth), "predicted_px": run_length.area(predicted)}
    if not truth or not predicted:
        return dict.fromkeys(_AGREEMENT, float(truth == predicted)) | areas_px
    first, second = (run_length.decode(rle, height, width) for rle in (truth, predicted))
    areas = (int((first & second).sum()), int(first.sum()), int(second.sum()))
    return {
        "dice": dice(*areas),
        "iou": iou(*areas),
        "boundary_iou": boundary_iou(first, second, boundary_width(height, width)),
        "boundary_f1": boundary_f1(first, second),
    } | areas_px


def sizes_of(sheets: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Return height and width of each sheet, pixels, from ``sheet_id, height, width``."""
    sizes = zip(sheets["height"].tolist(), sheets["width"].tolist(), strict=True)
    return dict(zip(sheets["sheet_id"], sizes, strict=True))


def pair_table(
    predictions: pd.DataFrame, annotations: pd.DataFrame, sheets: pd.DataFrame
) -> pd.DataFrame:
    """Compare every predicted (sheet, class) pair with the truth.

    Args:
        predictions: ``sheet_id, class_id, rle``, one row per sheet and class.
        annotations: ``sheet_id, class_id, rle`` of the defects.
        sheets: ``sheet_id, width, height``.

    Returns:
        ``sheet_id, class_id`` and the columns of :func:`pair_metrics`.
    """
    truth = annotations.set_index(["sheet_id", "class_id"])["rle"].to_dict()
    sizes = sizes_of(sheets)
    columns = predictions[["sheet_id", "class_id", "rle"]]
    rows = [
        {"sheet_id": sheet, "class_id": class_id}
        | pair_metrics(truth.get((sheet, class_id), ""), rle, *sizes[sheet])
        for sheet, class_id, rle in columns.itertuples(index=False)
    ]
    return pd.DataFrame(rows, columns=_PAIR_COLUMNS)


def _means(pairs: pd.DataFrame) -> dict[str, float]:
    """Average over pairs, and over those that have a defect; NaN where there are none."""
    positive = pairs[pairs["true_px"] > 0]
    return {
        "mean_dice": pairs["dice"].mean(),
        "mean_iou": pairs["iou"].mean(),
        **{f"{name}_on_positives": positive[name].mean() for name in _AGREEMENT},
        "detection_rate": (positive["dice"] > 0).mean(),
    }


def segmentation_metrics(pairs: pd.DataFrame) -> dict[str, float]:
    """Summarise a pair table.

    Returns:
        ``sheets``; means over pairs ``mean_dice``, ``mean_iou``; over pairs that have a defect
        ``dice_on_positives``, ``iou_on_positives``, ``boundary_iou_on_positives``,
        ``boundary_f1_on_positives`` and ``detection_rate`` (any overlap); and
        ``false_positive_rate``, the share of clean sheets with any predicted pixel. NaN where there
        is nothing to average.
    """
    per_sheet = pairs.groupby("sheet_id")[["true_px", "predicted_px"]].sum()
    false_positives = per_sheet.loc[per_sheet["true_px"] == 0, "predicted_px"] > 0
    return {
        "sheets": len(per_sheet),
        **_means(pairs),
        "false_positive_rate": false_positives.mean(),
    }


def class_metrics(pairs: pd.DataFrame) -> pd.DataFrame:
    """Summarise a pair table class by class.

    Returns:
        One row per class: ``class_id``, ``positives`` (sheets that have it), ``mean_dice``,
        ``mean_iou``, ``dice_on_positives``, ``boundary_iou_on_positives``,
        ``boundary_f1_on_positives``, ``detection_rate`` and ``false_positive_rate`` (share of the
        sheets without the class where it was predicted).
    """
    rows = [
        {
            "class_id": class_id,
            "positives": int((group["true_px"] > 0).sum()),
            **_means(group),
            "false_positive_rate": (group.loc[group["true_px"] == 0, "predicted_px"] > 0).mean(),
        }
        for class_id, group in pairs.groupby("class_id")
    ]
    return pd.DataFrame(rows, columns=_CLASS_COLUMNS)


def pixel_precision_recall(
    maps: Mapping[str, NDArray[np.uint8]],
    sizes: pd.DataFrame,
    masks: Mapping[tuple[str, int], str],
    class_id: int,
) -> Curve:
    """Precision and recall of a class's pixels for each of the 255 thresholds of a uint8 map.

    Args:
        maps: Probability maps by sheet, ``(rows, columns, classes)``, uint8; the truth is resized.
        sizes: ``height, width`` of the sheets, by sheet id.
        masks: Encoded mask of each (sheet, class) that is defective.
        class_id: The class, from 1.

    Returns:
        Precision and recall, each of shape ``(255,)``, from the lowest threshold to the highest;
        precision is 1 where nothing is predicted, recall NaN without a pixel of the class.
    """
    counts = np.zeros((2, 256), np.int64)
    for sheet_id, values in maps.items():
        height, width = (int(value) for value in sizes.loc[sheet_id])
        mask = run_length.decode(masks.get((sheet_id, class_id), ""), height, width)
        truth = cv2.resize(mask * 255, values.shape[1::-1], interpolation=cv2.INTER_AREA) >= 128
        scores = values[..., class_id - 1]
        counts[0] += np.bincount(scores[~truth], minlength=256)
        counts[1] += np.bincount(scores[truth], minlength=256)
    # From "at least this value" downwards, value 0 left out: everything reaches it.
    false, true = counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    precision = np.where(true + false, true / np.maximum(true + false, 1), 1.0)
    pixels = int(counts[1].sum())
    return precision, true / pixels if pixels else np.full(255, np.nan)


# --- outlines, apart from areas ---------------------------------------------------------------


def boundary_width(height: int, width: int) -> int:
    """Return the paper's width of a boundary, pixels: 2 % of the diagonal, at least 1."""
    return max(1, round(_WIDTH_SHARE * float(np.hypot(height, width))))


def inner_boundary(mask: Mask, width: int) -> Mask:
    """Return the pixels of a mask that lie within ``width`` pixels of its outline."""
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    core = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1]
    return np.asarray(mask - core, dtype=np.uint8)


def boundary_iou(truth: Mask, predicted: Mask, width: int) -> float:
    """Intersection over union of two masks' inner boundaries (Cheng et al. 2021, arXiv:2103.16562).

    Masks have the shape ``(height, width)`` and hold 0 or 1; boundaries are ``width`` pixels wide.

    Returns:
        0 to 1; 1 where both masks are empty.
    """
    first, second = inner_boundary(truth, width), inner_boundary(predicted, width)
    union = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / union if union else 1.0


def boundary_f1(truth: Mask, predicted: Mask, tolerance: float = TOLERANCE_PX) -> float:
    """F1 of outlines that may lie a little apart (Csurka et al. 2013, doi:10.5244/C.27.32).

    Precision is the share of the predicted outline that lies near the true one, recall the share of
    the true outline that lies near the predicted one. An outline is one pixel wide and runs along
    the picture's end, too, where a mask reaches it.

    Args:
        truth: True mask of shape ``(height, width)``, 0 or 1.
        predicted: Predicted one.
        tolerance: Largest Euclidean distance that counts as near, pixels.

    Returns:
        0 to 1; 1 where both masks are empty.
    """
    if not truth.any() or not predicted.any():
        return float(not truth.any() and not predicted.any())
    first, second = inner_boundary(truth, 1), inner_boundary(predicted, 1)
    precision, recall = _share_near(second, first, tolerance), _share_near(first, second, tolerance)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _share_near(outline: Mask, other: Mask, tolerance: float) -> float:
    distance = cv2.distanceTransform(1 - other, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # The distance is a float32 root; a tolerance of a whole number of pixels must include it.
    return float((distance[outline > 0] <= tolerance + _EPSILON).mean())
