"""Shapes that people draw on pictures, as their tools save them, and the pixels that they cover.

Two rules of filling are in use. Drawn outlines run between pixels: a corner of (0, 0) is that of
the picture, and COCO's rule fills them. Outlines that a program traced around a mask run through
the centres of its outermost pixels, which belong to it: filling includes the outline.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError
from steel_defects.labels.coco_runs import unpack

Mask = NDArray[np.uint8]
#: Corners, x (to the right) and y (down), float64, of shape ``(corners, 2)``.
Ring = NDArray[np.float64]
Size = tuple[int, int]

_FARTHEST = 4  # times the size of the picture, where no slip of the hand leads
_WHOLE = 0.01  # pixels; coordinates written as shares have six digits
_CUT = "reaches out of the picture and is cut"


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

    def remark(self, size: Size) -> str:
        """Say what of it is not in such a mask; empty for nothing."""


@dataclass(frozen=True)
class Shape:
    """One shape of a picture.

    Attributes:
        class_name: As the file calls it, or the number of the class, from 1.
        area: What it covers; None where the file tells only roughly where it is.
        where: The place in the file, for people.
        kind: What it is where it has no area, such as ``a box``.
    """

    class_name: str | int
    area: Area | None
    where: str
    kind: str = ""


@dataclass(frozen=True)
class PictureLabels:
    """What a file says of one picture.

    Attributes:
        names: How the file may mean the picture, the likeliest first, POSIX.
        folder: Where the names begin, below the data folder, POSIX.
        where: The place in the file, for people.
        shapes: What was drawn on the picture.
        size: Height and width, pixels, for which it was drawn; None if the file does not say.
        subset: Part of the data set, such as ``train``; empty if the file does not say.
        any_ending: The names have no ending: that of the picture is not known.
        bound: The picture is in the folder, or nowhere.
        tags: Classes that the file gives to the picture as a whole.
        fault: Why nothing that the file says of the picture can be trusted; mostly empty.
        unfinished: Why this is no finished answer; empty for one that is.
        void: Pixels of which nobody can tell what they show; None for none.
        changed: When it was last changed, in seconds; None if the file does not say.
    """

    names: tuple[str, ...]
    folder: str
    where: str
    shapes: tuple[Shape, ...] = ()
    size: Size | None = None
    subset: str = ""
    any_ending: bool = False
    bound: bool = False
    tags: tuple[str, ...] = ()
    fault: str = ""
    unfinished: str = ""
    void: Area | None = None
    changed: float | None = None


@dataclass(frozen=True)
class Outline:
    """Polygons.

    Attributes:
        rings: Each fills its inside; one of fewer than three corners is left out.
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
        if not rings:
            corners = max((len(ring) for ring in self.rings), default=0)
            raise NoArea(f"a polygon of {corners} corners has no area")
        inclusive = _are_whole([*rings, *holes]) if self.inclusive is None else self.inclusive
        mask = _fill_all(rings, size, inclusive)
        mask[_fill_all(holes, size, inclusive) > 0] = 0
        return some(mask)

    def remark(self, size: Size) -> str:
        """Tell of corners that lie outside of the picture by more than rounding, and of lines."""
        height, width = size
        rings = self._scaled(self.rings, size)
        corners = np.concatenate(rings)
        out = bool((corners < -1).any() or (corners > (width + 1, height + 1)).any())
        lines = len(self.rings) + len(self.holes) - len(rings)
        lines -= len(self._scaled(self.holes, size))
        left_out = f"{lines} of its rings have no area and are left out" if lines else ""
        return ", and ".join(filter(None, [_CUT if out else "", left_out]))

    def _scaled(self, rings: Sequence[Ring], size: Size) -> list[Ring]:
        height, width = size
        scaled = [
            ring * (width, height) if self.shares else ring for ring in rings if len(ring) > 2
        ]
        for ring in scaled:
            if not (np.abs(ring) <= _FARTHEST * max(size)).all():
                what = ": are they pixels, not shares?" if self.shares else ""
                raise SteelDefectsError(f"a polygon has a corner far outside of the picture{what}")
        return scaled


@dataclass(frozen=True)
class Bitmap:
    """Pixels of a part of the picture, whose upper left corner is at ``x``, ``y``.

    They are packed: a file may hold thousands of whole pictures.
    """

    packed: bytes
    size: Size
    x: int = 0
    y: int = 0

    @classmethod
    def of(cls, pixels: NDArray[np.generic], x: int = 0, y: int = 0) -> "Bitmap":
        """Pack pixels of shape ``(height, width)``; other values than 0 belong to the shape."""
        height, width = pixels.shape
        return cls(zlib.compress(np.packbits(pixels != 0).tobytes(), 1), (height, width), x, y)

    @property
    def _pixels(self) -> Mask:
        bits = np.frombuffer(zlib.decompress(self.packed), np.uint8)
        return np.unpackbits(bits, count=prod(self.size)).reshape(self.size)

    def mask(self, size: Size) -> Mask:
        """Lay the part into the picture; what lies outside is cut off."""
        mask = np.zeros(size, np.uint8)
        (height, width), (rows, columns) = size, self.size
        top, left = max(self.y, 0), max(self.x, 0)
        bottom, right = min(self.y + rows, height), min(self.x + columns, width)
        if top < bottom and left < right:
            part = (slice(top - self.y, bottom - self.y), slice(left - self.x, right - self.x))
            mask[top:bottom, left:right] = self._pixels[part]
        return some(mask)

    def remark(self, size: Size) -> str:
        """Tell of a part that is cut off."""
        rows, columns = self.size
        beyond = self.y + rows > size[0] or self.x + columns > size[1]
        return _CUT if self.x < 0 or self.y < 0 or beyond else ""


def ellipse(
    centre: tuple[float, float],
    radii: tuple[float, float],
    shares: bool = False,
    degrees: float = 0,
) -> Outline:
    """Return the outline of an ellipse.

    Args:
        centre: x and y, pixels, or shares of width and height.
        radii: Half axes, the same.
        shares: Whether these are shares.
        degrees: By which it is turned clockwise; not for shares, whose axes differ in unit.
    """
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    x, y = (np.stack([np.cos(angles), np.sin(angles)]) * np.reshape(radii, (2, 1))).tolist()
    turn = np.deg2rad(degrees)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ (x, y)
    return Outline((turned.T + centre,), shares=shares)


def ring_of(numbers: Sequence[float], where: str) -> Ring:
    """Make a ring of ``x, y, x, y, …``.

    Raises:
        SteelDefectsError: A number has no pair; ``where`` names the place.
    """
    if len(numbers) % 2:
        raise SteelDefectsError(f"{where} has an odd count of coordinates ({len(numbers)})")
    return np.asarray(numbers, np.float64).reshape(-1, 2)


def _fill_all(rings: Sequence[Ring], size: Size, inclusive: bool) -> Mask:
    mask = np.zeros(size, np.uint8)
    for ring in rings:
        mask |= fill_inclusive(ring, size) if inclusive else fill_between(ring, size)
    return mask


def fill_between(ring: Ring, size: Size) -> Mask:
    """Fill a polygon that runs between pixels; a loop of it inside another loop is a hole.

    The rule is that of ``rleFrPoly`` in pycocotools, github.com/cocodataset/cocoapi.
    """
    from pycocotools import mask as coco

    flat = np.zeros(prod(size), np.uint8)  # down the columns
    for loop in loops_of(ring):
        if len(loop) > 2:
            [runs] = coco.frPyObjects([loop.ravel().tolist()], *size)
            ends = np.cumsum(unpack(runs["counts"].decode()))
            for start, end in zip(ends[0::2].tolist(), ends[1::2].tolist(), strict=False):
                flat[start:end] ^= 1
    return flat.reshape(size[::-1]).T


def fill_inclusive(ring: Ring, size: Size) -> Mask:
    """Fill a polygon through the centres of its outermost pixels; a loop in a loop is a hole."""
    loops = [np.rint(loop).astype(np.int32) for loop in loops_of(ring)]
    corners = np.concatenate(loops)
    # Most shapes are small: only the part of the picture around them is filled.
    low, high = np.maximum(corners.min(axis=0), 0), np.minimum(corners.max(axis=0) + 1, size[::-1])
    mask = np.zeros(size, np.uint8)
    if (low < high).all():
        part = np.zeros((high - low)[::-1], np.uint8)
        for loop in loops:
            part ^= cv2.fillPoly(np.zeros_like(part), [loop - low], 1).astype(np.uint8)
        cv2.polylines(part, [loop - low for loop in loops], True, 1)
        mask[low[1] : high[1], low[0] : high[0]] = part
    return mask


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


def some(mask: Mask) -> Mask:
    """Return a mask that covers something, or raise NoArea."""
    if not mask.any():
        raise NoArea("a shape covers no pixel of the picture")
    return mask
