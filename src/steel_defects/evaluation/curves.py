"""Curves over all thresholds."""

from collections.abc import Mapping

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.labels import rle as run_length

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


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
