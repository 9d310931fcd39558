"""Figures that papers use: IoU and Dice from one confusion matrix over the pixels of all sheets.

Such a matrix wants one class per pixel, in truth and in prediction, where masks of several classes
may overlap; :data:`RULE` says which counts. IoU and Dice take no more of the matrix than its
diagonal and its sums of rows and columns. These stay apart for each sheet, a few numbers, so that
groups of sheets can be resampled.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.decision.score_tables import Floats
from steel_defects.evaluation.resampling import drawn_interval, group_weights
from steel_defects.labels import rle as run_length
from steel_defects.labels.masks import masks_by_sheet, sizes_by_sheet, void_of

#: The figures, each of which has ``…_low`` and ``…_high``, the ends of its 95 % interval.
POOLED = (
    *("pooled_mean_iou", "pooled_mean_iou_with_background"),
    *("pooled_mean_dice", "pooled_mean_dice_with_background"),
)
#: How the figures are counted, for people who read them.
RULE = (
    "Each figure is the mean over the classes, with background as one of them where it says so, of "
    "IoU or Dice from one confusion matrix over the pixels of all sheets. A class that occurs "
    "neither in truth nor in prediction is left out. A pixel of several predicted classes counts "
    "for the most probable, the one with the highest presence score on its sheet; a pixel of "
    "several true classes counts for the one with the smallest mask on its sheet; among equals the "
    "lower class counts. Void pixels are left out. Out of fold, each repeat is pooled by itself, "
    "and the repeats are averaged."
)

_Masks = Mapping[int, str]
_Areas = NDArray[np.int64]
_Figures = dict[str, Floats]


def pooled_figures(
    predictions: pd.DataFrame, annotations: pd.DataFrame, sheets: pd.DataFrame
) -> dict[str, float]:
    """Pool the pixels of all sheets; repeats are averaged.

    Args:
        predictions: ``sheet_id, repeat, class_id, rle, score`` (presence of the class), one row per
            sheet, repeat and class.
        annotations: ``sheet_id, class_id, rle, area_px``.
        sheets: ``sheet_id, height, width, group_id`` and, if there are some, ``void``.

    Returns:
        :data:`POOLED`, 0 to 1, and the ends of their intervals from resampled groups of sheets. NaN
        without sheets, without background also where no class occurs; ends are NaN where all draws
        agree, too. Draws that lack one of the classes that occur do not count.
    """
    if predictions.empty:
        return {f"{name}{end}": np.nan for name in POOLED for end in ("", "_low", "_high")}
    whole, drawn = [], []
    for _, part in predictions.groupby("repeat", dropna=False):
        areas = class_areas(part, annotations, sheets)
        groups = sheets.set_index("sheet_id")["group_id"].loc[list(areas)]
        table = np.stack(list(areas.values()))
        occurring = [k for k in range(1, table.shape[2]) if table[..., k].any()]
        whole.append(pooled_metrics(table.sum(axis=0, keepdims=True), occurring))
        drawn.append(_resampled(table, pd.factorize(groups)[0].astype(np.int64), occurring))
    figures: dict[str, float] = {}
    for name in POOLED:
        low, high = drawn_interval(np.mean([draws[name] for draws in drawn], axis=0))
        value = float(np.mean([figure[name][0] for figure in whole]))
        figures |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return figures


def _resampled(areas: _Areas, groups: NDArray[np.int64], classes: Sequence[int]) -> _Figures:
    """Measure resampled groups of sheets, each figure of shape ``(draws,)``."""
    flat = areas.reshape(len(areas), -1)
    sums = np.concatenate([weights @ flat for weights in group_weights(groups)])
    return pooled_metrics(sums.reshape(-1, *areas.shape[1:]), classes)


def pooled_metrics(areas: NDArray[np.generic], classes: Sequence[int]) -> _Figures:
    """Return :data:`POOLED` of sums over sheets.

    Args:
        areas: Shape ``(draws, 3, classes + 1)``, pixels: diagonal of the confusion matrix, its sums
            of rows (truth) and of columns (prediction), background first.
        classes: Those to average over, from 1.

    Returns:
        Arrays of shape ``(draws,)``; NaN in draws where one of the classes does not occur.
    """
    shared, true, given = np.moveaxis(areas.astype(float), 1, 0)
    fractions = {"iou": (shared, true + given - shared), "dice": (2 * shared, true + given)}
    figures = {}
    for name, (above, below) in fractions.items():
        each = np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)
        for end, averaged in (("", classes), ("_with_background", [0, *classes])):
            nothing = np.full(len(each), np.nan)
            mean = each[:, averaged].mean(axis=1) if len(averaged) else nothing
            figures[f"pooled_mean_{name}{end}"] = mean
    return figures


def class_areas(
    predictions: pd.DataFrame, annotations: pd.DataFrame, sheets: pd.DataFrame
) -> dict[str, _Areas]:
    """Count the pixels of each class, sheet by sheet.

    Args:
        predictions: ``sheet_id, class_id, rle, score``, one row per sheet and class.
        annotations: ``sheet_id, class_id, rle, area_px``.
        sheets: ``sheet_id, height, width`` and, if there are some, ``void``.

    Returns:
        For each sheet of the predictions, in alphabetical order, an array of shape
        ``(3, classes + 1)``, int64, background first: pixels on which truth and prediction agree,
        those of the truth, and those predicted.
    """
    classes = int(pd.concat([predictions["class_id"], annotations["class_id"]]).max())
    # What comes last counts: the smallest true mask, the most probable class, the lower of equals.
    truth = masks_by_sheet(annotations.sort_values(["area_px", "class_id"], ascending=False))
    ranked = predictions.sort_values(["score", "class_id"], ascending=[True, False])
    given = masks_by_sheet(ranked[ranked["rle"] != ""])
    void, sizes = void_of(sheets), sizes_by_sheet(sheets)
    return {
        sheet_id: _sheet_areas(
            truth.get(sheet_id, {}),
            given.get(sheet_id, {}),
            void.get(sheet_id, ""),
            sizes[sheet_id],
            classes,
        )
        for sheet_id in sorted(predictions["sheet_id"].unique())
    }


def _sheet_areas(
    truth: _Masks, predicted: _Masks, void: str, size: tuple[int, int], classes: int
) -> _Areas:
    true, given = (_labels(masks, size) for masks in (truth, predicted))
    known = run_length.decode(void, *size) == 0
    marked = known & ((true > 0) | (given > 0))
    one, other = true[marked], given[marked]
    kinds = (one[one == other], one, other)
    areas = np.stack([np.bincount(labels, minlength=classes + 1) for labels in kinds])
    # Most pixels are background in both, and are not worth listing. For one sheet of Severstal's
    # scikit-learn's matrix takes 80 ms, this 2.
    areas[:, 0] += np.count_nonzero(known) - len(one)
    return areas.astype(np.int64)


def _labels(masks: _Masks, size: tuple[int, int]) -> NDArray[np.uint16]:
    """Give each pixel the class of the last mask that has it, 0 for none; ``(height, width)``."""
    labels = np.zeros(size, np.uint16)
    for class_id, rle in masks.items():
        labels[run_length.decode(rle, *size) > 0] = class_id
    return labels
