"""Random changes of pictures and masks that leave the answer as it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Augmentation:
    """What may happen to an example.

    Attributes:
        flips: Mirror up-down and left-right, each half of the time.
        brightness: Largest shift of the gray values, as a share of 255.
        contrast: Largest stretch around the mean, as a share.
    """

    flips: bool
    brightness: float
    contrast: float

    def apply(
        self, image: NDArray[np.float32], mask: NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Change a picture and its masks together.

        Args:
            image: Gray values 0 to 255, of shape ``(height, width, 1)``.
            mask: Of shape ``(rows, columns, channels)``, over the same area.
            rng: Where the chances come from.

        Returns:
            The changed picture, still 0 to 255, and the masks.
        """
        if self.flips:
            for axis in (0, 1):
                if rng.random() < 0.5:
                    image, mask = np.flip(image, axis), np.flip(mask, axis)
        gain = 1 + rng.uniform(-self.contrast, self.contrast)
        shift = 255 * rng.uniform(-self.brightness, self.brightness)
        mean = float(image.mean())
        changed = np.clip((image - mean) * gain + mean + shift, 0, 255)
        # Black beside the strip stays black: its level says where the strip ends.
        return np.where(image < _BLACK, image, changed).astype(np.float32), mask


_BLACK = 12
