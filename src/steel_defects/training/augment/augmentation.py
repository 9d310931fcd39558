"""Random changes of pictures and masks that leave the answer as it is, or change it with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from steel_defects.data.appearance import BLACK_LEVEL
from steel_defects.images.orientations import turned

Gray = NDArray[np.uint8]
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
    """

    flips: bool = True
    brightness: float = 0.0
    contrast: float = 0.0
    transposes: bool = False
    zoom: float = 0.0
    rotation_degrees: float = 0.0

    def apply(
        self, image: Gray, masks: Sequence[Gray], rng: np.random.Generator
    ) -> tuple[Gray, list[Gray]]:
        """Change a picture and its masks together.

        All are of shape ``(height, width)``, uint8; masks are 1 inside a defect and 0 elsewhere.
        """
        image, masks = self.warp(image, masks, rng)
        image, masks = self.turn(image, masks, rng)
        return self.shade(image, rng), masks

    def warp(
        self, image: Gray, masks: Sequence[Gray], rng: np.random.Generator
    ) -> tuple[Gray, list[Gray]]:
        """Rotate a picture about its centre and change its size; what comes in is mirrored.

        Larger and smaller by the same factor are equally likely.
        """
        if not self.zoom and not self.rotation_degrees:
            return image, list(masks)
        height, width = image.shape
        scale = (1 + self.zoom) ** rng.uniform(-1, 1)
        angle = self.rotation_degrees * rng.uniform(-1, 1)
        to = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, scale)

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
        if gain == 1 and shift == 0:
            return image
        mean = cv2.mean(image)[0]
        table = (_LEVELS * gain + (mean - mean * gain + shift)).clip(BLACK_LEVEL, 255).round()
        table[:BLACK_LEVEL] = _LEVELS[:BLACK_LEVEL]
        return np.asarray(cv2.LUT(image, table.astype(np.uint8)), np.uint8)
