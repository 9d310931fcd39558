"""Small descriptions of pictures by which copies and look-alikes are searched for.

A fingerprint holds the low frequencies (discrete cosine transform) of a thumbnail whose brightness
and contrast were evened out locally: uneven light and black borders, which many sheets share, weigh
nothing in it. Mirroring a picture changes only signs of the coefficients, so that the correlation
of two pictures in all of their orientations costs one matrix product.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.signal.windows import tukey

from steel_defects.images.orientations import is_oblong, laid_down

Vectors = NDArray[np.float32]

THUMBNAIL = (64, 16)  # width and height of the thumbnail that look-alikes are found by
_EDGE = 5  # pixels, one more than a copy may be moved by
_TRIMMED_FROM = 64  # pixels of the shorter side; smaller pictures have no edge to spare


@dataclass(frozen=True)
class Shape:
    """How pictures of one shape are described.

    Attributes:
        grid: Width and height of the thumbnail.
        size: Rows and columns of coefficients. Few enough that a shift by 4 pixels of a
            picture 200 pixels high moves the phase of none by more than half a radian.
        sigma: Of the Gaussian window, pixels of the thumbnail, of :func:`even_out`.
        floor: Contrast, gray values, that is not amplified.
        bands: Columns of coefficients between which bands of frequency begin and end.
        taper: Share of height and width over which the window rises and falls.
    """

    grid: tuple[int, int]
    size: tuple[int, int]
    sigma: float
    floor: float
    bands: tuple[int, ...]
    taper: tuple[float, float]

    @cached_property
    def window(self) -> Vectors:
        """Weight of each pixel of the thumbnail: less near the edge, where a move changes most."""
        sides = zip(self.grid[::-1], self.taper, strict=True)
        rows, columns = (tukey(side + 2, taper)[1:-1] for side, taper in sides)
        return np.outer(rows, columns).astype(np.float32)

    @property
    def length(self) -> int:
        """Number of values of a fingerprint."""
        return self.size[0] * self.size[1]


SQUARE = Shape(grid=(64, 64), size=(12, 12), sigma=6, floor=2, bands=(0, 6, 12), taper=(0.2, 0.2))
OBLONG = Shape(
    grid=(200, 32), size=(12, 32), sigma=4, floor=1, bands=(0, 10, 20, 32), taper=(0.3, 0.0)
)


def shape_of(height: int, width: int) -> Shape:
    """Return how pictures of a size are described."""
    return OBLONG if is_oblong(height, width) else SQUARE


def fingerprint(image: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Describe a picture by the low frequencies of its structure.

    Oblong pictures are laid down first, so that a quarter turn changes nothing.

    Returns:
        Vector of length 1 (0 for a picture without structure), of shape ``(384,)`` for oblong
        pictures, whose sides differ at least twofold, and ``(144,)`` for others.
    """
    shape = shape_of(*image.shape)
    lying = laid_down(image)
    if min(image.shape) >= _TRIMMED_FROM:
        # At the edge, a picture that was moved shows something else, or nothing.
        lying = lying[_EDGE:-_EDGE, _EDGE:-_EDGE]
    lying = np.ascontiguousarray(lying)
    thumbnail = cv2.resize(lying, shape.grid, interpolation=cv2.INTER_AREA).astype(np.float32)
    even = even_out(thumbnail, np.ones_like(thumbnail), shape.sigma, shape.floor)
    coefficients = cv2.dct(even * shape.window)[: shape.size[0], : shape.size[1]].copy()
    coefficients[0, 0] = 0
    length = float(np.linalg.norm(coefficients))
    if length < 1e-3:
        return np.zeros(shape.length, np.float16)
    return (coefficients / length).reshape(-1).astype(np.float16)


def even_out(image: Vectors, steel: Vectors, sigma: float, floor: float) -> Vectors:
    """Bring a picture to mean 0 and deviation 1 around each of its pixels.

    Args:
        image: Gray values of shape ``(height, width)``, float32.
        steel: 1 where there is steel, 0 next to the strip; there the result is 0.
        sigma: Of the Gaussian window, pixels.
        floor: Deviation, gray values, added so that noise of smooth steel is not amplified.
    """

    def average(values: Vectors) -> Vectors:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)

    weight = np.maximum(average(steel), np.float32(1e-3))
    detail = np.asarray((image - average(image * steel) / weight) * steel, np.float32)
    deviation = np.sqrt(average(detail * detail) / weight)
    return np.asarray(detail / (deviation + floor), np.float32)


def thumbnail_of(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink a picture to ``(16, 64)``, uint8, by averaging."""
    return np.asarray(cv2.resize(image, THUMBNAIL, interpolation=cv2.INTER_AREA), np.uint8)
