"""Covering defects with the steel around them, so that a network sees the same sheet without."""

from collections.abc import Sequence

import cv2
import numpy as np

from steel_defects.sheets.inventory import BLACK_LEVEL
from steel_defects.training.regions import Flags, Gray, Regions, grown, label_regions, union

Box = tuple[slice, slice]

_MARGIN = 4  # pixels around a defect that are covered with it: outlines are seldom exact
_LEAST_RING = 16  # pixels of steel around a defect from which its gray can be told


def black_out(
    image: Gray, masks: Sequence[Gray], rng: np.random.Generator
) -> tuple[Gray, list[Gray]]:
    """Cover some of a picture's defects and take them out of its masks.

    Each connected region is drawn half of the time, and at least one of them. A piece of steel from
    the same rows, or else the same columns, covers it, made as bright as what is around it. Where
    there is no such piece the region stays: a patch of one gray would be no steel.

    Args:
        image: Of shape ``(height, width)``, uint8.
        masks: Of the same shape, one a class, uint8, 1 inside a defect and 0 elsewhere.
        rng: Where the chances come from.

    Returns:
        A new picture and new masks.
    """
    count, regions = label_regions(union(image.shape, masks))
    chosen = rng.random(count) < 0.5
    if count:
        chosen[rng.integers(count)] = True
    image, masks = image.copy(), [mask.copy() for mask in masks]
    for number in (np.flatnonzero(chosen) + 1).tolist():
        left, top, width, height = cv2.boundingRect((regions == number).view(np.uint8))
        box = np.s_[top : top + height, left : left + width]
        if _cover(image, regions, number, box, rng):
            for mask in masks:
                mask[box][regions[box] == number] = 0
    return image, masks


def _cover(image: Gray, regions: Regions, number: int, box: Box, rng: np.random.Generator) -> bool:
    """Cover one region in place; return whether there was steel to do it with."""
    at, around = _grown_box(box, _MARGIN), _grown_box(box, 2 * _MARGIN)
    beside = _steel(image, regions, around) & ~grown(regions[around] == number, _MARGIN)
    ring = image[around][beside]
    source = _clean_part(image, regions, at, rng)
    if source is None or len(ring) < _LEAST_RING:
        return False
    inside = regions[at] == number
    hidden = inside | (grown(inside, _MARGIN) & _steel(image, regions, at))
    shift = float(np.median(ring)) - float(np.median(source))
    cover = np.clip(source[hidden] + shift, BLACK_LEVEL, 255).round()
    image[at][hidden] = cover.astype(np.uint8)
    return True


def _grown_box(box: Box, by: int) -> Box:
    rows, columns = (slice(max(0, side.start - by), side.stop + by) for side in box)
    return rows, columns


def _steel(image: Gray, regions: Regions, at: Box) -> Flags:
    return np.asarray((regions[at] == 0) & (image[at] >= BLACK_LEVEL))


def _clean_part(image: Gray, regions: Regions, at: Box, rng: np.random.Generator) -> Gray | None:
    """Return a part of the same size that shows steel alone, in the same rows or columns."""
    rows, columns = at
    for axis, band, length in (
        (0, (rows, slice(None)), image[at].shape[1]),
        (1, (slice(None), columns), image[at].shape[0]),
    ):
        bad = ((regions[band] > 0) | (image[band] < BLACK_LEVEL)).any(axis=axis)
        sums = np.concatenate([[0], np.cumsum(bad)])
        starts = np.flatnonzero(sums[length:] == sums[: len(sums) - length])
        if len(starts):
            start = int(rng.choice(starts))
            piece = slice(start, start + length)
            return image[rows, piece] if axis == 0 else image[piece, columns]
    return None
