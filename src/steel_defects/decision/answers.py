"""What networks say of a sheet."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SheetPrediction:
    """What a segmenter says of a sheet.

    Attributes:
        maps: Probability of each class at each pixel, ``(height, width, classes)``, uint8, 255 for
            certain.
        presence: Probability that each class occurs on the sheet, ``(classes,)``, float32, 0 to 1.
    """

    maps: NDArray[np.uint8]
    presence: NDArray[np.float32]
