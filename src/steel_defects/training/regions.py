"""Connected regions of masks, for augmentation."""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Regions = NDArray[np.int32]


def union(shape: tuple[int, ...], masks: Iterable[Gray]) -> Gray:
    """Return where any of the masks, 0 or 1 and of one shape, is 1; uint8."""
    found = np.zeros(shape, np.uint8)
    for mask in masks:
        found |= mask
    return found


def label_regions(mask: Gray) -> tuple[int, Regions]:
    """Number the 8-connected regions of a mask from 1 on; return how many there are, too."""
    count, found = cv2.connectedComponents(mask, connectivity=8)
    return count - 1, np.asarray(found, np.int32)


def grown(inside: Flags, by: int) -> Flags:
    """Widen what is inside by a margin of pixels, in a square."""
    kernel = np.ones((2 * by + 1, 2 * by + 1), np.uint8)
    return np.asarray(cv2.dilate(inside.view(np.uint8), kernel) > 0)
