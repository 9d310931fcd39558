"""The eight ways in which a picture can lie: quarter turns, each mirrored or not."""

from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)
Pixel = TypeVar("Pixel", np.uint8, np.float32)

_OBLONG = 2.0  # ratio of the sides from which a picture counts as oblong

#: The elements of the dihedral group D4, by number; see :func:`oriented`.
ORIENTATIONS = range(8)
#: Those that keep height and width.
FLIPS = range(4)
#: As it is, and turned by 180 degrees: together they see each edge of a sheet on either side.
HALF_TURN: Sequence[int] = (0, 3)

_FLIP_CODES = {1: 1, 2: 0, 3: -1}  # OpenCV's, by the two lower bits of an orientation


def oriented(image: NDArray[T], orientation: int) -> NDArray[T]:
    """Turn or mirror a picture; no pixel changes its value.

    Args:
        image: Of shape ``(height, width, …)``.
        orientation: 0 to 7, the sum of 4 for swapping rows and columns (done first), 2 for upside
            down and 1 for left to right.

    Returns:
        A view, of shape ``(width, height, …)`` from orientation 4 on.
    """
    if orientation & 4:
        image = image.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation & 2 else 1)
    return image[rows, :: -1 if orientation & 1 else 1]


def turned(image: NDArray[Pixel], orientation: int) -> NDArray[Pixel]:
    """Return a gray picture as :func:`oriented` does, ten times as fast as to copy that view."""
    if orientation & 4:
        image = np.asarray(cv2.transpose(image), image.dtype)
    return _mirrored(image, orientation)


def turned_back(image: NDArray[Pixel], orientation: int) -> NDArray[Pixel]:
    """Undo :func:`oriented`, for a picture of shape ``(height, width, …)``."""
    image = _mirrored(image, orientation)
    return image.swapaxes(0, 1) if orientation & 4 else image


def _mirrored(image: NDArray[Pixel], orientation: int) -> NDArray[Pixel]:
    if not orientation & 3:
        return image
    mirrored = cv2.flip(image, _FLIP_CODES[orientation & 3])
    return np.asarray(mirrored, image.dtype).reshape(image.shape)


def is_oblong(height: int, width: int) -> bool:
    """Whether the sides differ at least twofold, so that a quarter turn is told by the size."""
    return max(height, width) >= _OBLONG * min(height, width)


def laid_down(image: NDArray[T]) -> NDArray[T]:
    """Swap rows and columns of an oblong picture that stands upright; returns a view."""
    height, width = image.shape[:2]
    return image.swapaxes(0, 1) if height > width and is_oblong(height, width) else image


def brought_over(image: NDArray[T], orientation: int, shape: tuple[int, int]) -> NDArray[T]:
    """Turn a picture of shape ``(height, width)`` as its copy of another shape lies.

    The orientation brings one over the other when both are laid down. Returns a view, of the
    copy's shape, if both have the same size.
    """
    turned = oriented(laid_down(image), orientation)
    stands = shape[0] > shape[1] and is_oblong(*shape)
    return turned.swapaxes(0, 1) if stands else turned
