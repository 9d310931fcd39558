"""Copies of one picture that are labelled differently: at least one of the labels is wrong."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.data.similarity.similar import COPY, SAME_FILE
from steel_defects.images.orientations import brought_over
from steel_defects.labels import rle as run_length

Masks = Mapping[str, Mapping[int, str]]

#: Intersection over union below which two masks of one picture contradict each other. Copies may be
#: moved by a few pixels, which costs narrow masks a good part of their overlap.
_AGREEING_IOU = 0.5
# Pixel score from which the whole picture is the same, not only a good part of it.
_WHOLE = 0.8


def masks_by_sheet(annotations: pd.DataFrame) -> dict[str, dict[int, str]]:
    """Sort encoded masks by sheet and class."""
    masks: dict[str, dict[int, str]] = {}
    columns = annotations[["sheet_id", "class_id", "rle"]]
    for sheet_id, class_id, rle in columns.itertuples(index=False, name=None):
        masks.setdefault(sheet_id, {})[int(class_id)] = rle
    return masks


def conflicting_masks(
    similar: pd.DataFrame, masks: Masks, sizes: Mapping[str, tuple[int, int]]
) -> list[dict[str, Any]]:
    """List copies whose masks contradict each other.

    Args:
        similar: The table of similar sheets.
        masks: Encoded masks by sheet and class.
        sizes: Height and width of the sheets, pixels.

    Returns:
        ``sheet_id, other_id, score, class_id, iou`` for each pair and class in conflict, the surest
        copies first; ``iou`` is 0 where only one of the two has the class.
    """
    copies = similar[similar["relation"].isin([SAME_FILE, COPY]) & (similar["score"] >= _WHOLE)]
    copies = copies.sort_values("score", ascending=False)
    columns = copies[["sheet_id", "other_id", "orientation", "score"]]
    return [
        {"sheet_id": one, "other_id": other, "score": round(score, 3), "class_id": k, "iou": iou}
        for one, other, turn, score in columns.itertuples(index=False, name=None)
        if one in sizes and other in sizes
        for k, iou in _overlaps(one, other, int(turn), masks, sizes)
        if iou < _AGREEING_IOU
    ]


def _overlaps(
    one: str, other: str, orientation: int, masks: Masks, sizes: Mapping[str, tuple[int, int]]
) -> Iterator[tuple[int, float]]:
    """Yield the intersection over union of each class that either of two copies has."""
    first, second = masks.get(one, {}), masks.get(other, {})
    for class_id in sorted({*first, *second}):
        if class_id not in first or class_id not in second:
            yield class_id, 0.0
        elif first[class_id] == second[class_id] and not orientation:
            yield class_id, 1.0
        else:
            mask = run_length.decode(first[class_id], *sizes[one])
            turned = brought_over(mask, orientation, sizes[other])
            target = run_length.decode(second[class_id], *sizes[other])
            union = int((turned | target).sum())
            yield class_id, round(int(np.sum(turned & target)) / union, 4)
