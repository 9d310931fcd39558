"""Labels of regions: next to them where there is room, else numbers, and a list below."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from steel_defects.drawing.outlines import Box, line_width
from steel_defects.drawing.text import DARK, LIGHT, Colour, Image, text_box, text_width

_SMALLEST_PX = 13  # font
_MOST_LABELS = 12  # more would take the eye off the sheet: they are listed below it
_MOST_ROWS = 12  # of the list
_FAR = 6  # sizes of the font: no label is farther from its region than this
_NEAR = 1.2  # up to which no line needs to lead to it
# What a label costs, in pixels of distance from its region: for each pixel off the region's middle,
# near the edge of any region, and of regions and labels that it hides.
_OFF_MIDDLE, _EDGE, _HIDDEN = 0.05, 0.05, 1e4
_POSITIONS = 30_000  # that are tried, about


@dataclass(frozen=True)
class Label:
    """What is written of a region.

    Attributes:
        class_id: Its class, from 1.
        box: Around its pixels, in those of the sheet.
        lines: Such as its class, and its size and score.
    """

    class_id: int
    box: Box
    lines: tuple[str, ...]

    def enlarged(self, factor: int) -> "Label":
        """Return it for a picture that is enlarged by a factor."""
        x, y, width, height = (factor * side for side in self.box)
        return replace(self, box=(x, y, width, height))


@dataclass(frozen=True)
class _Placed:
    picture: Image
    box: Box
    distance: float  # from its region, pixels
    hides: bool  # something of a region or another label


def font_size(width: int) -> int:
    """Return the size of labels on a picture of so many columns, pixels."""
    return max(_SMALLEST_PX, round(width / 100))


def write_labels(
    canvas: Image, labels: Sequence[Label], masks: Mapping[int, Image], shades: Sequence[Colour]
) -> Image:
    """Write labels on a picture, and below it those for which there is no room.

    Args:
        canvas: Picture of shape ``(height, width, 3)``, uint8, BGR.
        labels: Of its regions.
        masks: By class, of all regions, which labels do not hide where there is room elsewhere.
        shades: Of class 1, 2, ….
    """
    if not labels or not masks:
        return canvas
    size = font_size(canvas.shape[1])
    cost = _cost(list(masks.values()), 4 * line_width(canvas.shape[1]) + 1)
    ordered = sorted(labels, key=lambda label: label.box)
    by_area = sorted(labels, key=lambda label: label.box[2] * label.box[3])
    # What was placed before is in the way of others: another order may have room for all.
    for order in (ordered, ordered[::-1], by_area) if len(labels) <= _MOST_LABELS else ():
        placed = _place_all(order, [label.lines for label in order], shades, size, cost)
        if not any(one.hides for one in placed):
            return _pasted(canvas, order, placed, masks, shades)
    capacity = _columns(ordered, canvas.shape[1], size) * _MOST_ROWS
    if len(ordered) > capacity:
        largest = sorted(ordered, key=lambda label: -label.box[2] * label.box[3])[: capacity - 1]
        ordered = [label for label in ordered if label in largest]
    numbers = [(str(number),) for number in range(1, len(ordered) + 1)]
    placed = _place_all(ordered, numbers, shades, size, cost)
    rows = _list_below(ordered, len(labels), canvas.shape[1], size)
    return np.vstack([_pasted(canvas, ordered, placed, masks, shades), rows])


def _cost(masks: Sequence[Image], edge: int) -> NDArray[np.float32]:
    """Return what it costs to cover each pixel; ``edge`` is twice the width of what is around."""
    inside = np.zeros(masks[0].shape, np.uint8)
    for mask in masks:
        inside |= (mask > 0).astype(np.uint8)
    near = np.asarray(cv2.dilate(inside, np.ones((edge, edge), np.uint8)), np.uint8)
    return np.where(inside > 0, _HIDDEN, _EDGE * near).astype(np.float32)


def _place_all(
    labels: Sequence[Label],
    texts: Sequence[Sequence[str]],
    shades: Sequence[Colour],
    size: int,
    cost: NDArray[np.float32],
) -> list[_Placed]:
    """Find a place for each text in turn; what they cover is for no other."""
    placed, cost = [], cost.copy()
    for label, lines in zip(labels, texts, strict=True):
        picture = text_box(lines, size)
        cv2.rectangle(
            picture, (0, 0, picture.shape[1], picture.shape[0]), shades[label.class_id - 1], 1
        )
        one = _place(label.box, picture[: cost.shape[0], : cost.shape[1]], cost, _FAR * size)
        x, y, width, height = one.box
        cost[y : y + height, x : x + width] = _HIDDEN
        placed.append(one)
    return placed


def _place(region: Box, picture: Image, cost: NDArray[np.float32], far: int) -> _Placed:
    """Take the place that costs least, of those not far from a region."""
    height, width = picture.shape[:2]
    left, top = max(0, region[0] - far - width), max(0, region[1] - far - height)
    right, bottom = region[0] + region[2] + far + width, region[1] + region[3] + far + height
    window = cost[top:bottom, left:right]
    step = max(1, isqrt(window.size // _POSITIONS))
    sums = cv2.integral(window)
    bands = sums[height::step] - sums[:-height:step]
    covered = bands[:, width::step] - bands[:, :-width:step]
    rows, row_off = _apart(region[1], region[3], height, top, step, covered.shape[0])
    columns, column_off = _apart(region[0], region[2], width, left, step, covered.shape[1])
    distance = np.hypot(rows[:, None], columns)
    price = covered + distance + _OFF_MIDDLE * (row_off[:, None] + column_off)
    y, x = np.unravel_index(np.argmin(price), price.shape)
    box = (left + int(x) * step, top + int(y) * step, width, height)
    return _Placed(picture, box, float(distance[y, x]), bool(covered[y, x] >= _HIDDEN))


def _apart(
    start: int, length: int, size: int, first: int, step: int, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far labels are from a region on one axis, and off its middle, place by place."""
    places = first + step * np.arange(count)
    between = np.maximum(start - (places + size), places - (start + length))
    return np.maximum(between, 0.0), np.abs(places + size / 2 - (start + length / 2))


def _pasted(
    canvas: Image,
    labels: Sequence[Label],
    placed: Sequence[_Placed],
    masks: Mapping[int, Image],
    shades: Sequence[Colour],
) -> Image:
    near = _NEAR * font_size(canvas.shape[1])
    for label, one in zip(labels, placed, strict=True):
        others = (other.box for other in labels if other is not label)
        crowded = any(_gap(one.box, box) <= near for box in others)
        if one.distance > near or crowded:
            x, y, width, height = label.box
            pixels = masks[label.class_id][y : y + height, x : x + width]
            region = np.argwhere(pixels)[:, ::-1] + (x, y)
            _lead(canvas, region, one.box, shades[label.class_id - 1], crowded)
    for one in placed:
        x, y, width, height = one.box
        canvas[y : y + height, x : x + width] = one.picture
    return canvas


def _gap(one: Box, other: Box) -> float:
    """Return how far two boxes are apart, pixels; 0 where they overlap."""
    across, down = (
        max(0, one[k] - other[k] - other[k + 2], other[k] - one[k] - one[k + 2]) for k in (0, 1)
    )
    return float(np.hypot(across, down))


def _lead(
    canvas: Image, region: NDArray[np.int64], label: Box, shade: Colour, crowded: bool
) -> None:
    """Draw a line from a label to its region, whose pixels are given by column and row.

    It ends at the nearest pixel; where the label is close to other regions, too, at a dot inside.
    """
    first, last = np.array(label[:2]), np.array(label[:2]) + label[2:]
    near = np.clip(region, first, last)
    away = np.square(region - (region.mean(axis=0) if crowded else near)).sum(axis=1)
    start, end = ([int(side) for side in place[int(away.argmin())]] for place in (near, region))
    for colour, width in ((DARK, 3), (shade, 1)):
        cv2.line(canvas, start, end, colour, width, cv2.LINE_AA)
        if crowded:
            cv2.circle(canvas, end, width + 1, colour, cv2.FILLED, cv2.LINE_AA)


def _entry(number: int, label: Label) -> str:
    return f"{number}  {', '.join(label.lines)}"


def _columns(labels: Sequence[Label], width: int, size: int) -> int:
    """Return how many entries of the list stand side by side."""
    widest = max(text_width(_entry(len(labels), label), size) for label in labels)
    return max(1, width // (widest + 2 * size))


def _list_below(labels: Sequence[Label], regions: int, width: int, size: int) -> Image:
    """Draw the list of numbered labels in columns, down and then across."""
    entries = [_entry(number, label) for number, label in enumerate(labels, start=1)]
    if regions > len(labels):
        entries.append(f"and {regions - len(labels):,} smaller regions, outlined only")
    columns = _columns(labels, width, size)
    rows = -(-len(entries) // columns)
    widths = [width // columns + (k < width % columns) for k in range(columns)]
    columns_of = [entries[k * rows : (k + 1) * rows] for k in range(columns)]
    drawn = [
        text_box([*column, *[""] * (rows - len(column))], size, LIGHT, DARK, width=one)
        for column, one in zip(columns_of, widths, strict=True)
    ]
    return np.hstack(drawn)
