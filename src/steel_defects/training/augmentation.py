"""Random changes of pictures and masks that leave the answer as it is, or change it with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from steel_defects.data.appearance import BLACK_LEVEL
from steel_defects.images.gray_cache import SheetReader
from steel_defects.images.orientations import turned
from steel_defects.training import windows
from steel_defects.training.windows import Gray, Runs, Size

T = TypeVar("T", np.uint8, np.float32)

_LEVELS = np.arange(256, dtype=np.float64)


@dataclass(frozen=True)
class Augmentation:
    """What may happen to an example.

    Attributes:
        flips: Mirror up-down and left-right, each half of the time.
        brightness: Largest shift of the gray values, as a share of 255.
        contrast: Largest stretch around the mean, as a share.
        transposes: Swap rows and columns half of the time, where the picture is square; with flips
            that makes all eight orientations, each as likely.
        zoom: Largest change of size, as a share.
        rotation_degrees: Largest rotation, either way.
        shift: Farthest move down and across, either way, as a share of height and width.
        noise: Largest standard deviation of normal noise, in gray levels.
    """

    flips: bool = True
    brightness: float = 0.0
    contrast: float = 0.0
    transposes: bool = False
    zoom: float = 0.0
    rotation_degrees: float = 0.0
    shift: float = 0.0
    noise: float = 0.0

    def apply(
        self, image: Gray, masks: Sequence[Gray], rng: np.random.Generator
    ) -> tuple[Gray, list[Gray]]:
        """Change a picture and its masks together, all ``(height, width)``, uint8."""
        image, masks = self.turn(*self.warp(image, masks, rng), rng)
        return self.shade(image, rng), masks

    def warp(
        self, image: Gray, masks: Sequence[Gray], rng: np.random.Generator
    ) -> tuple[Gray, list[Gray]]:
        """Rotate a picture about its centre, change its size and move it.

        What comes in is mirrored. Larger and smaller by the same factor are equally likely.
        """
        if not self.zoom and not self.rotation_degrees and not self.shift:
            return image, list(masks)
        height, width = image.shape
        scale = (1 + self.zoom) ** rng.uniform(-1, 1)
        angle = self.rotation_degrees * rng.uniform(-1, 1)
        to = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, scale)
        if self.shift:
            to[:, 2] += self.shift * rng.uniform(-1, 1, 2) * np.array([width, height])

        def moved(plane: Gray, interpolation: int) -> Gray:
            warped = cv2.warpAffine(
                plane, to, (width, height), flags=interpolation, borderMode=cv2.BORDER_REFLECT
            )
            return np.asarray(warped, np.uint8)

        return moved(image, cv2.INTER_LINEAR), [moved(mask, cv2.INTER_NEAREST) for mask in masks]

    def turn(
        self, image: Gray, masks: Sequence[NDArray[T]], rng: np.random.Generator
    ) -> tuple[Gray, list[NDArray[T]]]:
        """Mirror a picture, and turn it if it is square; masks may be coarser than it."""
        orientation = 0
        for allowed, bit in ((self.flips, 2), (self.flips, 1), (self.transposes, 4)):
            if allowed and rng.random() < 0.5:
                orientation += bit
        if image.shape[0] != image.shape[1]:
            orientation %= 4
        return turned(image, orientation), [turned(mask, orientation) for mask in masks]

    def shade(self, image: Gray, rng: np.random.Generator) -> Gray:
        """Change brightness and contrast of the steel.

        Black beside the strip stays black, and steel stays brighter than it: the level says where
        the strip ends.
        """
        gain = 1 + rng.uniform(-self.contrast, self.contrast)
        shift = 255 * rng.uniform(-self.brightness, self.brightness)
        if gain == 1 and shift == 0 and not self.noise:
            return image
        mean = cv2.mean(image)[0]
        table = (_LEVELS * gain + (mean - mean * gain + shift)).clip(BLACK_LEVEL, 255).round()
        table[:BLACK_LEVEL] = _LEVELS[:BLACK_LEVEL]
        shaded = np.asarray(cv2.LUT(image, table.astype(np.uint8)), np.uint8)
        return self._noisy(shaded, rng) if self.noise else shaded

    def _noisy(self, image: Gray, rng: np.random.Generator) -> Gray:
        noise = rng.standard_normal(image.shape, np.float32)
        noise *= self.noise * rng.random()
        # OpenCV adds, rounds and clips in one pass.
        changed = np.maximum(cv2.add(image, noise, dtype=cv2.CV_8U), BLACK_LEVEL)
        return np.where(image < BLACK_LEVEL, image, changed)


# === Pasting defects of other sheets ===

# Simple Copy-Paste (Ghiasi et al. 2021, CVPR, arXiv:2012.07177), for gray steel: a defect keeps its
# contrast to the steel around it, takes on the brightness of where it is put, and has soft edges.
# So a network sees each defect on many kinds of steel.

#: The masks of a picture that are not empty, by channel.
Masks = Mapping[int, Gray]

_MARGIN = 6  # pixels of steel that come along with a defect: outlines are seldom exact
_BLUR = 2.0  # sigma of the soft edge, pixels, well within the margin
_REACH = 16  # pixels around a defect beyond which its soft edge changes nothing
_LEAST_RING = 16  # pixels of steel from which brightness can be told


def paste_defects(
    image: Gray, masks: Masks, donor: Gray, donor_masks: Masks
) -> tuple[Gray, dict[int, Gray]]:
    """Paste the defects of one picture at the same place of another.

    Only regions that lie wholly on steel and touch no defect of the picture are pasted, so that
    none is cut or hidden; without any the old picture and masks come back. All are of one shape,
    ``(height, width)``, uint8; masks are 1 inside a defect and 0 elsewhere.
    """
    nothing = np.zeros(image.shape, np.uint8)
    taken = (reduce(np.bitwise_or, masks.values(), nothing) > 0) | (image < BLACK_LEVEL)
    defects = reduce(np.bitwise_or, donor_masks.values(), nothing)
    count, regions, boxes, _ = cv2.connectedComponentsWithStats(defects, connectivity=8)
    result = image.astype(np.float32)
    pasted = np.zeros(image.shape, np.bool_)
    for number in range(1, count):  # 0 is the steel
        left, top, width, height = boxes[number][:4]
        near = (
            slice(max(0, top - _REACH), top + height + _REACH),
            slice(max(0, left - _REACH), left + width + _REACH),
        )
        inside, source = regions[near] == number, donor[near].astype(np.float32)
        around = _grown(inside, _MARGIN)
        ring = around & (regions[near] == 0) & (donor[near] >= BLACK_LEVEL)
        if (around & taken[near]).any() or ring.sum() < _LEAST_RING:
            continue
        shift = result[near][around].mean() - source[ring].mean()
        soft = cv2.GaussianBlur(_grown(inside, _MARGIN // 2).astype(np.float32), (0, 0), _BLUR)
        result[near] += soft * (source + shift - result[near])
        pasted[near] |= inside
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
        return windows.places_by_class([self.runs[row.sheet_id] for row in self.sheets])

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
        window = windows.place_on_defect(runs[class_id], sheet, self.size, rng)
        donor = windows.cut(self.folder.read(row.path), window)
        return paste_defects(image, masks, donor, windows.paint_classes(runs, window))
