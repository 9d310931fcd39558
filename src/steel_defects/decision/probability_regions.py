"""Regions of a probability map: what is connected above a threshold."""

import cv2
import numpy as np
from numpy.typing import NDArray

Probability = NDArray[np.uint8]


def level_of(threshold: float) -> int:
    """Return the lowest value of a map that reaches a threshold; 0 never does."""
    return max(1, round(threshold * 255))


def regions_above(
    probability: Probability, threshold: float
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Label the 8-connected regions above a threshold; number 0 is the rest."""
    above = (probability >= level_of(threshold)).astype(np.uint8)
    if not above.any():
        return np.zeros(above.shape, np.int32), np.zeros(1, np.int64)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(above)
    return np.asarray(labels, np.int32), stats[:, cv2.CC_STAT_AREA].astype(np.int64)


def seeded(
    labels: NDArray[np.int32], count: int, probability: Probability, seed_threshold: float
) -> NDArray[np.bool_]:
    """Say of each of ``count`` labels whether one of its pixels reaches the seed threshold."""
    found = np.zeros(count, np.bool_)
    found[labels[probability >= level_of(seed_threshold)]] = True
    return found


def window_above(probability: Probability, level: int) -> tuple[slice, slice]:
    """Return the smallest window that has all pixels from a level on; most of a sheet is below."""
    x, y, width, height = cv2.boundingRect((probability >= level).astype(np.uint8))
    return slice(y, y + height), slice(x, x + width)
