"""From probability maps to masks: a threshold and a smallest area for each class."""

from collections.abc import Iterable, Sequence
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt

from steel_defects.config import Config
from steel_defects.evaluation.segmentation import dice

Probability = NDArray[np.uint8]
Mask = NDArray[np.uint8]


class PostprocessingGrid(Config):
    """Values that tuning tries for each class.

    Attributes:
        thresholds: Probabilities from which a pixel counts as defective.
        min_areas_px: Smallest areas of a region, pixels of the sheet.
    """

    thresholds: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(min_length=1)
    min_areas_px: tuple[NonNegativeInt, ...] = Field(min_length=1)


class ClassPostprocessing(Config):
    """What tuning chose for a class, and the mean Dice it had on the validation sheets."""

    threshold: float = Field(gt=0, lt=1)
    min_area_px: int = Field(ge=0)
    validation_dice: float | None = None


def to_mask(probability: Probability, threshold: float, min_area_px: int) -> Mask:
    """Keep the regions of a probability map that are certain and large enough.

    Args:
        probability: Map of shape ``(height, width)``, uint8, 255 for certain.
        threshold: Probability, 0 to 1, from which a pixel belongs to a region.
        min_area_px: Area, pixels of the map, from which a region is kept.

    Returns:
        Mask of the same shape, 0 or 1.
    """
    labels, areas = _regions(probability, threshold)
    keep = areas >= max(1, min_area_px)
    keep[0] = False
    return keep[labels].astype(np.uint8)


def _regions(
    probability: Probability, threshold: float
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Label the 8-connected regions above a threshold; number 0 is the rest."""
    above = (probability >= max(1, round(threshold * 255))).astype(np.uint8)
    if not above.any():
        return np.zeros(above.shape, np.int32), np.zeros(1, np.int64)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(above)
    return np.asarray(labels, np.int32), stats[:, cv2.CC_STAT_AREA].astype(np.int64)


def tune_class(
    pairs: Iterable[tuple[Probability, Mask]], grid: PostprocessingGrid, pixel_share: float = 1.0
) -> ClassPostprocessing:
    """Find the threshold and smallest area of one class with the highest mean Dice.

    Args:
        pairs: Probability map and true mask of each validation sheet, of equal shape, each.
        grid: The values to try.
        pixel_share: Pixels of a map for one pixel of its sheet, 0.25 for maps of half the size.

    Returns:
        The best combination; between equals the lower threshold, then the smaller area.
    """
    areas_px = np.array(sorted(grid.min_areas_px))
    totals = np.zeros((len(grid.thresholds), len(areas_px)))
    count = 0
    for probability, truth in pairs:
        count += 1
        for row, threshold in enumerate(sorted(grid.thresholds)):
            totals[row] += _dice_by_min_area(probability, truth, threshold, areas_px * pixel_share)
    best, column = np.unravel_index(int(totals.argmax()), totals.shape)
    return ClassPostprocessing(
        threshold=sorted(grid.thresholds)[best],
        min_area_px=int(areas_px[column]),
        validation_dice=float(totals[best, column] / count) if count else None,
    )


def _dice_by_min_area(
    probability: Probability, truth: Mask, threshold: float, min_areas: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Dice of one sheet for every smallest area, from a single labelling."""
    labels, areas = _regions(probability, threshold)
    hits = np.bincount(labels[truth > 0], minlength=len(areas))
    true_px = int(truth.sum())
    scores = []
    for min_area in min_areas:
        keep = areas >= max(1, min_area)
        keep[0] = False
        scores.append(dice(int(hits[keep].sum()), true_px, int(areas[keep].sum())))
    return np.array(scores)


def class_settings(values: Sequence[ClassPostprocessing]) -> dict[str, dict[str, float | None]]:
    """Turn the settings of classes 1, 2, … into what JSON holds."""
    return {str(number): value.model_dump() for number, value in enumerate(values, start=1)}
