"""Pasting defects of other sheets, so that a network sees each of them on many kinds of steel.

Simple Copy-Paste (Ghiasi et al. 2021, CVPR, arXiv:2012.07177), for gray steel: a defect keeps its
contrast to the steel around it, takes on the brightness of where it is put, and has soft edges.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from steel_defects.data.appearance import BLACK_LEVEL
from steel_defects.images.gray_cache import SheetReader
from steel_defects.training.data.windows import (
    Gray,
    Runs,
    Size,
    cut,
    paint_classes,
    place_on_defect,
    places_by_class,
)

#: The masks of a picture that are not empty, by channel.
Masks = Mapping[int, Gray]

_MARGIN = 6  # pixels of steel that come along with a defect: outlines are seldom exact
_BLUR = 2.0  # sigma of the soft edge, pixels, well within the margin
_LEAST_RING = 16  # pixels of steel from which brightness can be told


def paste_defects(
    image: Gray, masks: Masks, donor: Gray, donor_masks: Masks
) -> tuple[Gray, dict[int, Gray]]:
    """Paste the defects of one picture at the same place of another.

    Only regions that lie wholly on steel and touch no defect of the picture are pasted, so that
    none is cut or hidden. Pictures and masks are of one shape, ``(height, width)``, uint8; masks
    are 1 inside a defect and 0 elsewhere.

    Returns:
        A new picture and new masks; the old ones where nothing could be pasted.
    """
    nothing = np.zeros(image.shape, np.uint8)
    taken = (reduce(np.bitwise_or, masks.values(), nothing) > 0) | (image < BLACK_LEVEL)
    defects = reduce(np.bitwise_or, donor_masks.values(), nothing)
    count, regions = cv2.connectedComponents(defects, connectivity=8)
    source, result = donor.astype(np.float32), image.astype(np.float32)
    pasted = np.zeros(image.shape, np.bool_)
    for number in range(1, count):  # 0 is the steel
        inside = regions == number
        around = _grown(inside, _MARGIN)
        ring = around & (regions == 0) & (donor >= BLACK_LEVEL)
        if (around & taken).any() or ring.sum() < _LEAST_RING:
            continue
        shift = result[around].mean() - source[ring].mean()
        soft = cv2.GaussianBlur(_grown(inside, _MARGIN // 2).astype(np.float32), (0, 0), _BLUR)
        result += soft * (source + shift - result)
        pasted |= inside
    if not pasted.any():
        return image, dict(masks)
    changed = dict(masks)
    for channel, mask in donor_masks.items():
        part = mask * pasted
        changed[channel] = changed[channel] | part if channel in changed else part
    # Where nothing is pasted a pixel stays as it is; steel stays brighter than the black beside it.
    steel = result.round().clip(BLACK_LEVEL, 255).astype(np.uint8)
    return np.where(image < BLACK_LEVEL, image, steel), changed


def _grown(inside: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """Widen what is inside by a margin of pixels, in a square."""
    kernel = np.ones((2 * by + 1, 2 * by + 1), np.uint8)
    return np.asarray(cv2.dilate(inside.view(np.uint8), kernel) > 0)


@dataclass(frozen=True)
class DefectDonors:
    """Sheets whose defects are pasted; the classes are drawn evenly, however rare they are."""

    folder: SheetReader
    sheets: Sequence[Any]  # rows with sheet_id, path, sheet_height and sheet_width
    runs: Mapping[str, Mapping[int, Runs]]  # the masks of each sheet, by class
    size: Size  # of the pictures that they are pasted into

    @cached_property
    def _places(self) -> dict[int, list[int]]:
        return places_by_class([self.runs[row.sheet_id] for row in self.sheets])

    def paste_into(
        self, image: Gray, masks: Masks, rng: np.random.Generator
    ) -> tuple[Gray, dict[int, Gray]]:
        """Paste what a window on another sheet shows; see :func:`paste_defects`."""
        if not self._places:
            return image, dict(masks)
        class_id = list(self._places)[int(rng.integers(len(self._places)))]
        places = self._places[class_id]
        row = self.sheets[places[int(rng.integers(len(places)))]]
        sheet, runs = (row.sheet_height, row.sheet_width), self.runs[row.sheet_id]
        if sheet[0] < self.size[0] or sheet[1] < self.size[1]:
            return image, dict(masks)
        window = place_on_defect(runs[class_id], sheet, self.size, rng)
        donor = cut(self.folder.read(row.path), window)
        return paste_defects(image, masks, donor, paint_classes(runs, window))
