"""Defects laid over the sheet in green, for people to look at."""

import re
from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]  # x, y, width, height
Ends = tuple[int, int]  # rows of a region's leftmost and rightmost pixels

_FILL = 0.30  # opacity of the inside of a region
_OUTLINE_PX = 2
_NEIGHBOURHOOD_PX = 25  # parts of a class nearer than this share a label
_LABELLED_SHARE = 0.0003  # of the sheet: the smallest region that gets a label
_READABLE_PX = 600  # narrower sheets are enlarged for a comparison
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_LIGHT: Colour = (245, 245, 245)
_DARK: Colour = (28, 32, 28)
_HEADING: Colour = (66, 84, 38)


def class_shades(classes: int) -> list[Colour]:
    """Return a green in BGR for each class, told apart by lightness and so by every eye."""
    steps = np.linspace(0.0, 1.0, classes) if classes > 1 else np.array([0.3])
    lightness, hue = 93 - 53 * steps, np.deg2rad(130 + 22 * steps)
    chroma = 82 - 30 * steps
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)
    bgr = cv2.cvtColor(lab.astype(np.float32)[None], cv2.COLOR_Lab2BGR)[0]
    return [(int(b), int(g), int(r)) for b, g, r in np.clip(bgr * 255, 0, 255).round()]


def draw_overlay(image: Image, masks: Mapping[int, Image], class_names: Sequence[str]) -> Image:
    """Lay the masks of each class, numbered from 1, over a gray picture of the same shape.

    Returns:
        Picture of shape ``(height, width, 3)``, uint8, BGR: gray, with regions filled and outlined
        in the class's green and labelled with its number and name.
    """
    canvas = np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    shades = class_shades(max([len(class_names), *masks]))
    for class_id, mask in sorted(masks.items()):
        _paint_class(canvas, mask, shades[class_id - 1])
    taken: list[Box] = []
    for class_id, mask in sorted(masks.items()):
        text = harmless(_listing([class_id], class_names))
        for region, ends in _regions(mask):
            taken.append(_write(canvas, text, shades[class_id - 1], region, ends, taken))
    return canvas


def draw_comparison(
    image: Image,
    truth: Mapping[int, Image],
    predicted: Mapping[int, Image],
    class_names: Sequence[str],
    caption: str,
) -> Image:
    """Draw the truth above the prediction, each as by :func:`draw_overlay` and under a heading.

    Narrow sheets are enlarged by a whole factor so that text fits; the caption (sheet, Dice,
    outcome) is shortened to the picture's width.
    """
    factor = max(1, -(-_READABLE_PX // image.shape[1]))
    panels: list[Image] = []
    for heading, masks in (("Truth", truth), ("Prediction", predicted)):
        enlarged = {class_id: _enlarge(mask, factor) for class_id, mask in masks.items()}
        panel = draw_overlay(_enlarge(image, factor), enlarged, class_names)
        shown = _listing([k for k, mask in enlarged.items() if mask.any()], class_names)
        shown = shown or "no defect"
        panels += [_strip(f"{heading} - {shown}", panel.shape[1], 0.55, _DARK), panel]
    return np.vstack([_strip(caption, panels[0].shape[1], 0.6, _HEADING), *panels])


def with_heading(picture: Image, text: str) -> Image:
    """Put a line of text above a BGR picture; one too narrow to read it on stays as it is."""
    if picture.shape[1] < _READABLE_PX:
        return picture
    return np.vstack([_strip(text, picture.shape[1], 0.6, _HEADING), picture])


def harmless(text: str) -> str:
    """Return text that OpenCV can write: printable ASCII, anything else as ``?``."""
    return re.sub("[^ -~]", "?", text)


def _paint_class(canvas: Image, mask: Image, shade: Colour) -> None:
    inside = mask > 0
    if not inside.any():
        return
    blended = canvas[inside] * (1 - _FILL) + np.array(shade) * _FILL
    canvas[inside] = blended.round().astype(np.uint8)
    outline, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, outline, -1, shade, _OUTLINE_PX)


def _regions(mask: Image) -> Iterator[tuple[Box, Ends]]:
    """Yield groups of near parts that are large enough, the largest first."""
    inside = (mask > 0).astype(np.uint8)
    near = cv2.dilate(inside, np.ones((_NEIGHBOURHOOD_PX, _NEIGHBOURHOOD_PX), np.uint8))
    count, labels = cv2.connectedComponents(near)
    labels = np.where(inside > 0, labels, 0).astype(np.int32)
    areas = np.bincount(labels.reshape(-1), minlength=count)
    for number in sorted(range(1, count), key=lambda index: -int(areas[index])):
        if areas[number] >= max(4, _LABELLED_SHARE * mask.size):
            region = (labels == number).astype(np.uint8)
            rows, columns = np.nonzero(region)
            x, y, width, height = cv2.boundingRect(region)
            yield (x, y, width, height), (int(rows[columns.argmin()]), int(rows[columns.argmax()]))


def _enlarge(picture: Image, factor: int) -> Image:
    return np.repeat(np.repeat(picture, factor, axis=0), factor, axis=1)


def _write(
    canvas: Image, text: str, shade: Colour, region: Box, ends: Ends, taken: list[Box]
) -> Box:
    """Write a class's name next to a region, in a dark box that is framed in the class's shade."""
    scale = float(np.clip(len(canvas) / 256 * 0.5, 0.3, 0.6))
    (width, height), base = cv2.getTextSize(text, _FONT, scale, 1)
    box = _place(region, ends, (width + 8, height + base + 5), canvas.shape, taken)
    x, y = box[:2]
    cv2.rectangle(canvas, box, _DARK, cv2.FILLED)
    cv2.rectangle(canvas, box, shade, 1)
    cv2.putText(canvas, text, (x + 4, y + height + 3), _FONT, scale, _LIGHT, 1, cv2.LINE_AA)
    return box


def _place(
    region: Box, ends: Ends, size: tuple[int, int], shape: tuple[int, ...], taken: list[Box]
) -> Box:
    """Find room for a label: at the region's right end, left end, above, below, or anywhere."""
    x, y, width, height = region
    gap = 5
    wished = [
        (x + width + gap, ends[1] - size[1] // 2),
        (x - size[0] - gap, ends[0] - size[1] // 2),
        (x, y - size[1] - gap),
        (x, y + height + gap),
        (x + width + gap, y),
        (x + width + gap, y + height - size[1]),
    ]
    right, bottom = max(0, shape[1] - size[0]), max(0, shape[0] - size[1])
    held = [(min(max(0, a), right), min(max(0, b), bottom), *size) for a, b in wished]
    free = [box for box in held if not any(_overlap(box, other) for other in taken)]
    clear = [box for box in free if not _overlap(box, region)]
    return (clear or free or held)[0]


def _overlap(first: Box, second: Box) -> bool:
    return all(
        one < other + size and other < one + length
        for one, length, other, size in zip(first, first[2:], second, second[2:], strict=False)
    )


def _strip(text: str, width: int, scale: float, ground: Colour) -> Image:
    """Return a strip of text over the picture's width; too long a text loses its middle."""
    shown = text = harmless(text)
    keep = len(text)
    while cv2.getTextSize(shown, _FONT, scale, 1)[0][0] > width - 20 and keep > 4:
        keep -= 1
        shown = f"{text[: keep // 3]}...{text[len(text) - (keep - keep // 3) :]}"
    strip = np.full((30, width, 3), ground, np.uint8)
    cv2.putText(strip, shown, (10, 21), _FONT, scale, _LIGHT, 1, cv2.LINE_AA)
    return strip


def _listing(class_ids: Sequence[int], class_names: Sequence[str]) -> str:
    known = dict(enumerate(class_names, start=1))
    return ", ".join(f"{number} {known.get(number, '')}".strip() for number in sorted(class_ids))
