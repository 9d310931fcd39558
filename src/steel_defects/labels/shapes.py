"""Shapes that people draw on pictures, as their tools save them, and the pixels that they cover.

Two rules of filling are in use. Drawn outlines run between pixels: a corner of (0, 0) is that of
the picture, and COCO's rule fills them. Outlines that a program traced around a mask run through
the centres of its outermost pixels, which belong to it: filling includes the outline.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError

Mask = NDArray[np.uint8]
#: Corners, x (to the right) and y (down), float64, of shape ``(corners, 2)``.
Ring = NDArray[np.float64]
Size = tuple[int, int]

_FARTHEST = 4  # times the size of the picture, where no slip of the hand leads
_WHOLE = 0.01  # pixels; coordinates written as shares have six digits


class NoArea(SteelDefectsError):
    """A slip of the hand: a shape that covers nothing, and means nothing."""


class Area(Protocol):
    """What a shape covers."""

    def mask(self, size: Size) -> Mask:
        """Return the pixels of a picture of this height and width that it covers, uint8, 0 or 1.

        Raises:
            NoArea: It covers none.
            SteelDefectsError: What it covers can't be told.
        """

    def leaves(self, size: Size) -> bool:
        """Tell whether a part of it lies outside of such a picture."""


@dataclass(frozen=True)
class Shape:
    """One shape of a picture.

    Attributes:
        class_name: As the file calls it.
        area: What it covers; None where the file tells only roughly where it is.
        where: The place in the file, for people.
        kind: What it is where it has no area, such as ``a box``.
    """

    class_name: str
    area: Area | None
    where: str
    kind: str = ""


@dataclass(frozen=True)
class PictureLabels:
    """What a file says of one picture.

    Attributes:
        names: How the file may mean the picture, the likeliest first, POSIX.
        folder: Where the file lies, below the data folder, POSIX.
        where: The place in the file, for people.
        shapes: What was drawn on the picture.
        size: Height and width, pixels, for which it was drawn; None if the file does not say.
        subset: Part of the data set, such as ``train``; empty if the file does not say.
        unfinished: Why this is no finished answer; empty for one that is.
        changed: When it was last changed, so that text of two answers can be compared.
    """

    names: tuple[str, ...]
    folder: str
    where: str
    shapes: tuple[Shape, ...]
    size: Size | None = None
    subset: str = ""
    unfinished: str = ""
    changed: str = ""


@dataclass(frozen=True)
class Outline:
    """Polygons.

    Attributes:
        rings: Each fills its inside.
        holes: Each empties its inside.
        shares: Coordinates are shares of width and height, instead of pixels.
        inclusive: The outline belongs to the shape; None decides by the coordinates, which are
            whole pixels where a program traced a mask.
    """

    rings: tuple[Ring, ...]
    holes: tuple[Ring, ...] = ()
    shares: bool = False
    inclusive: bool | None = False

    def mask(self, size: Size) -> Mask:
        """Fill the rings and empty the holes."""
        rings, holes = self._scaled(self.rings, size), self._scaled(self.holes, size)
        inclusive = _are_whole([*rings, *holes]) if self.inclusive is None else self.inclusive
        mask = _fill_all(rings, size, inclusive)
        mask[_fill_all(holes, size, inclusive) > 0] = 0
        return _some(mask)

    def leaves(self, size: Size) -> bool:
        """Tell whether a corner lies outside of the picture by more than rounding."""
        height, width = size
        corners = np.concatenate(self._scaled(self.rings, size))
        return bool((corners < -1).any() or (corners > (width + 1, height + 1)).any())

    def _scaled(self, rings: Sequence[Ring], size: Size) -> list[Ring]:
        height, width = size
        scaled = [ring * (width, height) if self.shares else ring for ring in rings]
        for ring in scaled:
            if len(ring) < 3:
                raise NoArea(f"a polygon of {len(ring)} corners has no area")
            if not (np.abs(ring) <= _FARTHEST * max(size)).all():
                raise SteelDefectsError("a polygon has a corner far outside of the picture")
        return scaled


@dataclass(frozen=True)
class Bitmap:
    """Pixels of a part of the picture, whose upper left corner is at ``x``, ``y``."""

    pixels: Mask
    x: int = 0
    y: int = 0

    def mask(self, size: Size) -> Mask:
        """Lay the part into the picture; what lies outside is cut off."""
        mask = np.zeros(size, np.uint8)
        (height, width), (rows, columns) = size, self.pixels.shape
        top, left = max(self.y, 0), max(self.x, 0)
        bottom, right = min(self.y + rows, height), min(self.x + columns, width)
        if top < bottom and left < right:
            part = self.pixels[top - self.y : bottom - self.y, left - self.x : right - self.x]
            mask[top:bottom, left:right] = part > 0
        return _some(mask)

    def leaves(self, size: Size) -> bool:
        """Tell whether a part of it is cut off."""
        rows, columns = self.pixels.shape
        beyond = self.y + rows > size[0] or self.x + columns > size[1]
        return self.x < 0 or self.y < 0 or beyond


@dataclass(frozen=True)
class Ellipse:
    """An ellipse with upright axes: centre and half axes, pixels, or shares of width and height."""

    centre: tuple[float, float]
    radii: tuple[float, float]
    shares: bool = False

    def mask(self, size: Size) -> Mask:
        """Fill it."""
        return self._outline.mask(size)

    def leaves(self, size: Size) -> bool:
        """Tell whether it reaches beyond the picture."""
        return self._outline.leaves(size)

    @property
    def _outline(self) -> Outline:
        angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        ring = np.stack([np.cos(angles), np.sin(angles)], axis=1) * self.radii + self.centre
        return Outline((ring,), shares=self.shares)


def ring_of(numbers: Sequence[float]) -> Ring:
    """Make a ring of ``x, y, x, y, …``; a last number without its pair is left out."""
    pairs = np.asarray(numbers[: len(numbers) // 2 * 2], np.float64)
    return pairs.reshape(-1, 2)


def _fill_all(rings: Sequence[Ring], size: Size, inclusive: bool) -> Mask:
    mask = np.zeros(size, np.uint8)
    for ring in rings:
        mask |= fill(ring, size, inclusive)
    return mask


def fill(ring: Ring, size: Size, inclusive: bool) -> Mask:
    """Fill a polygon by one of the two rules; a loop of it inside another loop is a hole.

    The rule between pixels is that of ``rleFrPoly`` in pycocotools, github.com/cocodataset/cocoapi.
    """
    from pycocotools import mask as coco

    mask = np.zeros(size, np.uint8)
    for loop in loops_of(ring):
        if inclusive:
            mask ^= cv2.fillPoly(np.zeros(size, np.uint8), [_pixels(loop)], 1).astype(np.uint8)
        elif len(loop) > 2:
            mask ^= np.asarray(coco.decode(coco.frPyObjects([loop.ravel().tolist()], *size)[0]))
    if inclusive:
        cv2.polylines(mask, [_pixels(loop) for loop in loops_of(ring)], True, 1)
    return mask


def _pixels(ring: Ring) -> NDArray[np.int32]:
    return np.rint(ring).astype(np.int32)


def loops_of(ring: Ring) -> list[Ring]:
    """Take a ring apart where it comes back to a corner.

    Programs that can save one ring for each shape join its parts by a bridge of no width, which
    is walked there and back. A bridge is left out; a thin end of a shape, walked there and back
    too, is a loop of two corners.
    """
    loops: list[Ring] = []
    joined: set[tuple[float, float]] = set()  # corners at which a loop was taken off
    walked: list[tuple[float, float]] = []
    at: dict[tuple[float, float], int] = {}
    for x, y in (*ring.tolist(), ring[0].tolist()):
        corner = (x, y)
        if corner not in at:
            at[corner] = len(walked)
            walked.append(corner)
            continue
        start = at[corner]
        loop = walked[start:]
        bridge = len(loop) == 2 and loop[1] in joined
        if len(loop) > 1 and not bridge:
            loops.append(np.array(loop))
        if len(loop) > 1:
            joined.add(corner)
        for left in walked[start + 1 :]:
            del at[left]
        del walked[start + 1 :]
    return loops


def _are_whole(rings: Sequence[Ring]) -> bool:
    corners = np.concatenate(rings)
    return bool((np.abs(corners - np.rint(corners)) <= _WHOLE).all())


def _some(mask: Mask) -> Mask:
    if not mask.any():
        raise NoArea("a shape covers no pixel of the picture")
    return mask
