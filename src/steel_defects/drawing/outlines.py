"""Regions of defects on a sheet: a green for each class, a faint filling, a smooth outline."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from steel_defects.drawing.text import Colour, Image

Box = tuple[int, int, int, int]  # x, y, width, height

_FILL = 0.10  # opacity of the inside of a region: what was found there is to be seen
_LINE_PX = 2  # of a sheet 1600 pixels wide; wider ones have wider lines
_HALO: Colour = (0, 0, 0)
# Icicles of a mask are not drawn: what is narrower than so many pixels, at 256 rows, or than a part
# of the region's own width, up to so many times as wide.
_ICICLE_PX, _NARROW, _WIDEST = 6.0, 0.6, 2.0
_ENLARGED = 2.0  # the mask of a sheet of more rows has no wider icicles
_MOST_LOST = 0.06  # of a region's pixels: where smoothing would lose more, it is smoothed less
_FINE = 4  # steps of a pixel at which OpenCV draws outlines


def class_shades(classes: int) -> list[Colour]:
    """Return a green in BGR for each class, told apart by lightness and so by every eye.

    All are light enough for a contrast of 3 to the black around an outline: on any steel, one of
    the two can be seen.
    """
    steps = np.linspace(0.0, 1.0, classes) if classes > 1 else np.array([0.3])
    lightness, hue = 93 - 21 * steps, np.deg2rad(126 + 32 * steps)
    chroma = 78 - 24 * steps
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)
    bgr = cv2.cvtColor(lab.astype(np.float32)[None], cv2.COLOR_Lab2BGR)[0]
    return [(int(b), int(g), int(r)) for b, g, r in np.clip(bgr * 255, 0, 255).round()]


def line_width(width: int) -> int:
    """Return the width of outlines on a picture of so many columns, pixels."""
    return max(_LINE_PX, round(_LINE_PX * width / 1600))


def paint_regions(
    canvas: Image,
    masks: Mapping[int, Image],
    shades: Sequence[Colour],
    drawn_thin: Collection[int] = (),
) -> None:
    """Fill and outline the regions of each class, in place.

    Args:
        canvas: Picture of shape ``(height, width, 3)``, uint8, BGR.
        masks: By class, from 1, of shape ``(height, width)``, uint8, 0 for no defect.
        shades: Of class 1, 2, ….
        drawn_thin: Classes that do not count: a thin line, and no filling.
    """
    outlines = []
    for class_id, mask in sorted(masks.items()):
        for x, y, smooth in _smooth_regions(mask):
            width = line_width(canvas.shape[1])
            if class_id in drawn_thin:
                width = max(1, width // 2)
            else:
                _fill(canvas, x, y, smooth, shades[class_id - 1])
            outlines.append((_outline(smooth, x, y, width), shades[class_id - 1], width))
    # First all that is black: it may not cover the outline of another region.
    for lines, _, width in outlines:
        _draw(canvas, lines, _HALO, width + 2 * (width // 2 + 1))
    for lines, shade, width in outlines:
        _draw(canvas, lines, shade, width)


def region_boxes(mask: Image) -> Iterator[tuple[Box, int]]:
    """Yield box and area, pixels, of the 8-connected regions of a mask."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((mask > 0).astype(np.uint8))
    for x, y, width, height, area in stats[1:].tolist():
        yield (x, y, width, height), area


def _smooth_regions(mask: Image) -> Iterator[tuple[int, int, Image]]:
    """Yield each region as people would draw it, 0 or 1, and where its upper left corner lies."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((mask > 0).astype(np.uint8))
    least = _ICICLE_PX * min(min(mask.shape) / 256, _ENLARGED)
    margin = round(2 * _WIDEST * least)
    for number, (x, y, width, height, _) in enumerate(stats[1:].tolist(), start=1):
        region = (labels[y : y + height, x : x + width] == number).astype(np.uint8)
        yield x - margin, y - margin, _smoothed(np.pad(region, margin), least)


def _smoothed(region: Image, least: float) -> Image:
    """Take what is narrow beside the rest of a region from it, and fill its small holes."""
    radius = float(cv2.distanceTransform(region, cv2.DIST_L2, 3).max())
    icicle = float(np.clip(_NARROW * radius, least, _WIDEST * least))
    whole = _without_holes(region, icicle)
    for width in (icicle, icicle / 2, icicle / 4):
        # Half of its height is what a strip of 1.35 deviations keeps.
        blurred = cv2.GaussianBlur(whole.astype(np.float32), (0, 0), max(width / 1.35, 0.5))
        smooth = _largest_part((blurred >= 0.5).astype(np.uint8))
        lost = np.count_nonzero(whole & (1 - smooth))
        if lost <= _MOST_LOST * np.count_nonzero(whole):
            return smooth
    return whole


def _largest_part(region: Image) -> Image:
    """Leave out tips of icicles, which smoothing cuts off."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(region)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()) if len(stats) > 1 else 1
    return (labels == largest).astype(np.uint8)


def _without_holes(region: Image, width: float) -> Image:
    filled = region.copy()
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - region, connectivity=4)
    for number in np.flatnonzero(stats[:, cv2.CC_STAT_AREA] <= (2 * width) ** 2):
        filled[labels == number] = 1
    return filled


def _fill(canvas: Image, x: int, y: int, region: Image, shade: Colour) -> None:
    top, left = max(0, -y), max(0, -x)
    window = canvas[max(0, y) : y + region.shape[0], max(0, x) : x + region.shape[1]]
    inside = region[top : top + window.shape[0], left : left + window.shape[1]] > 0
    blended = window[inside] * (1 - _FILL) + np.array(shade) * _FILL
    window[inside] = blended.round().astype(np.uint8)


def _outline(region: Image, x: int, y: int, width: int) -> list[NDArray[np.int32]]:
    """Return lines around a region, in fine steps, so far outside that its edge is to be seen."""
    grown = cv2.dilate(np.pad(region, width), _disc(width))
    found, _ = cv2.findContours(grown, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    shift = np.array([x - width, y - width])
    return [np.round((points + shift) * 2**_FINE).astype(np.int32) for points in found]


def _disc(radius: int) -> Image:
    size = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def _draw(canvas: Image, lines: list[NDArray[np.int32]], colour: Colour, width: int) -> None:
    cv2.polylines(canvas, lines, True, colour, width, cv2.LINE_AA, _FINE)
