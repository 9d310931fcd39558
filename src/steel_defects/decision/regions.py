"""Connected regions: of a probability map above a threshold, and defects on a sheet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
    has_seed = np.zeros(count, np.bool_)
    has_seed[labels[probability >= level_of(seed_threshold)]] = True
    return has_seed


def window_above(probability: Probability, level: int) -> tuple[slice, slice]:
    """Return the smallest window that has all pixels from a level on; most of a sheet is below."""
    x, y, width, height = cv2.boundingRect((probability >= level).astype(np.uint8))
    return slice(y, y + height), slice(x, x + width)


@dataclass(frozen=True)
class Region:
    """A connected defect on a sheet.

    Attributes:
        class_id: Defect class, from 1.
        x: Left edge of the bounding box, pixels.
        y: Upper edge of the bounding box, pixels.
        width: Width of the bounding box, pixels.
        height: Height of the bounding box, pixels.
        area_px: Area, pixels.
        length_px: Long side of the smallest rectangle around it, pixels.
        orientation_deg: Direction of that side, degrees from the strip's direction, above -90 up to
            90, counted clockwise as the picture is seen.
        score: Mean probability inside, 0 to 1.
    """

    class_id: int
    x: int
    y: int
    width: int
    height: int
    area_px: int
    length_px: float
    orientation_deg: float
    score: float


def find_regions(
    masks: Sequence[NDArray[np.uint8]], probabilities: NDArray[np.uint8]
) -> list[Region]:
    """Measure the 8-connected regions of each class.

    Args:
        masks: Mask of each class, of shape ``(height, width)``, 0 or 1.
        probabilities: Of shape ``(height, width, classes)``, uint8, 255 for certain.
    """
    regions: list[Region] = []
    for index, mask in enumerate(masks):
        left, top, width, height = cv2.boundingRect(mask)  # most of a sheet has no defect
        window = np.s_[top : top + height, left : left + width]
        regions += _in_window(mask[window], probabilities[..., index][window], index + 1, left, top)
    return regions


def _in_window(
    mask: NDArray[np.uint8], probability: NDArray[np.uint8], class_id: int, left: int, top: int
) -> Iterator[Region]:
    if not mask.size:
        return
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    for number in range(1, count):
        x, y, width, height, area = (int(value) for value in stats[number])
        box = np.s_[y : y + height, x : x + width]
        inside = labels[box] == number
        length, orientation = _long_side(inside)
        score = float(probability[box][inside].mean()) / 255
        yield Region(class_id, left + x, top + y, width, height, area, length, orientation, score)


def _long_side(inside: NDArray[np.bool_]) -> tuple[float, float]:
    """Return length and direction of the long side of the smallest rectangle around pixels."""
    rows = np.flatnonzero(inside.any(axis=1))
    # Of each row its ends: what lies between them is no corner of the hull.
    first = inside[rows].argmax(axis=1)
    last = inside.shape[1] - 1 - inside[rows, ::-1].argmax(axis=1)
    corners = [
        np.stack([columns, rows + dy], axis=1) for columns in (first, last + 1) for dy in (0, 1)
    ]  # a pixel is a square, not its centre
    rectangle = cv2.minAreaRect(cv2.convexHull(np.concatenate(corners).astype(np.float32)))
    points = cv2.boxPoints(rectangle)
    sides = [points[1] - points[0], points[2] - points[1]]
    side = max(sides, key=lambda vector: float(np.hypot(*vector)))
    angle = float(np.degrees(np.arctan2(side[1], side[0])))
    folded = (angle + 90) % 180 - 90
    return float(np.hypot(*side)), 90.0 if np.isclose(folded, -90) else folded
