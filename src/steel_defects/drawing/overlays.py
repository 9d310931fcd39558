"""Defects laid over the sheet in green, for people to look at."""

from collections.abc import Collection, Mapping, Sequence
from math import isqrt

import cv2
import numpy as np

from steel_defects.drawing.captions import Label, font_size, write_labels
from steel_defects.drawing.outlines import class_shades, paint_regions, region_boxes
from steel_defects.drawing.text import (
    DARK,
    LIGHT,
    Colour,
    Image,
    shortened,
    text_box,
    wrapped,
)

#: Narrower pictures are enlarged, so that a banner and labels fit.
READABLE_PX = 600
_MOST_PX = 2**23  # of a picture that is enlarged
_OBLONG = 0.5  # height of a picture, as a share of its width
_GAP = ((0, 0), (0, 8), (0, 0))
_HEADING: Colour = (66, 84, 38)
#: Sign, ground and ink of a verdict: words and a sign, because not everybody tells red from green.
VERDICTS: dict[str, tuple[str, Colour, Colour]] = {
    "accept": ("\u2714", (56, 104, 26), (255, 255, 255)),
    "review": ("?", (30, 176, 250), (20, 20, 20)),
    "reject": ("\u2718", (34, 30, 170), (255, 255, 255)),
}


def draw_overlay(
    image: Image,
    masks: Mapping[int, Image],
    class_names: Sequence[str],
    labels: Sequence[Label] | None = None,
    drawn_thin: Collection[int] = (),
) -> Image:
    """Lay the masks of each class, numbered from 1, over a gray picture of the same shape.

    Args:
        image: The sheet, gray; narrow ones are enlarged by a whole factor so that text fits.
        masks: By class, 0 for no defect. Outlines are smoothed, which the masks are not.
        class_names: Of class 1, 2, ….
        labels: Of each region; None for its class and size.
        drawn_thin: Classes that do not count: their regions have a thin outline and no filling.

    Returns:
        Picture of shape ``(height, width, 3)``, uint8, BGR: gray, with regions filled and outlined
        in the class's green. Where labels have no room next to their regions, they stand in a list
        below the sheet.
    """
    if labels is None:
        labels = _own_labels(masks, class_names)
    factor = _factor(image)
    canvas = np.asarray(cv2.cvtColor(_enlarged(image, factor), cv2.COLOR_GRAY2BGR), np.uint8)
    enlarged = {class_id: _enlarged(mask, factor) for class_id, mask in masks.items()}
    shades = class_shades(max([len(class_names), *masks]))
    paint_regions(canvas, enlarged, shades, drawn_thin)
    moved = [one.enlarged(factor) for one in labels]
    return write_labels(canvas, moved, enlarged, shades)


def draw_comparison(
    image: Image,
    truth: Mapping[int, Image],
    predicted: Mapping[int, Image],
    class_names: Sequence[str],
    caption: str,
) -> Image:
    """Draw truth and prediction, each as by :func:`draw_overlay` and under a heading.

    The truth stands above the prediction, or to its left where sheets are not oblong. The caption
    (sheet, Dice, outcome) is shortened to the picture's width.
    """
    panels: list[Image] = []
    for heading, masks in (("Truth", truth), ("Prediction", predicted)):
        panel = draw_overlay(image, masks, class_names)
        found = [class_name(k, class_names) for k, mask in sorted(masks.items()) if mask.any()]
        text = f"{heading}: {', '.join(found) or 'no defect'}"
        panels.append(np.vstack([_strip(text, panel.shape[1], DARK), panel]))
    if image.shape[0] > _OBLONG * image.shape[1]:
        height = max(map(len, panels))
        # A list of labels may stand below one of them, and a line between them.
        panels = [_framed(np.pad(panels[0], _GAP), height), _framed(panels[1], height)]
        panels = [np.hstack(panels)]
    return np.vstack([_strip(caption, panels[0].shape[1], _HEADING), *panels])


def with_banner(picture: Image, verdict: str, lines: Sequence[str]) -> Image:
    """Put the verdict above a BGR picture, in its colour, with a sign and in words.

    Args:
        picture: One narrower than text takes gets a border at its right.
        verdict: A key of :data:`VERDICTS`.
        lines: Sentences beside it, the last of which, the sheet's name, is shortened to fit.
    """
    width = max(READABLE_PX, picture.shape[1])
    sign, ground, ink = VERDICTS[verdict]
    size = font_size(width)
    big = round(1.6 * size)
    word = f"{sign} {verdict.upper()}"
    head = text_box([word], big, ink, ground, bold=True)
    room = width - head.shape[1] - 2 * size
    *sentences, name = lines
    below = [line for text in sentences for line in wrapped(text, room, size)]
    body = text_box(
        [*below, shortened(name, room, size)], size, ink, ground, width=width - head.shape[1]
    )
    height = max(len(head), len(body))
    parts = [_framed(part, height, ground, (height - len(part)) // 2) for part in (head, body)]
    border = ((0, 0), (0, width - picture.shape[1]), (0, 0))
    return np.vstack([np.hstack(parts), np.pad(picture, border, constant_values=DARK[0])])


def class_name(class_id: int, class_names: Sequence[str]) -> str:
    """Return the name of a class, or its number where it has none."""
    return class_names[class_id - 1] if class_id <= len(class_names) else f"class {class_id}"


def _own_labels(masks: Mapping[int, Image], class_names: Sequence[str]) -> list[Label]:
    return [
        Label(class_id, box, (class_name(class_id, class_names), f"{area:,} px"))
        for class_id, mask in sorted(masks.items())
        for box, area in region_boxes(mask)
    ]


def _factor(image: Image) -> int:
    wanted = -(-READABLE_PX // image.shape[1])
    return max(1, min(wanted, isqrt(_MOST_PX // image.size)))


def _enlarged(picture: Image, factor: int) -> Image:
    if factor == 1:
        return picture
    height, width = picture.shape
    size = (factor * width, factor * height)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _framed(part: Image, height: int, ground: Colour = DARK, above: int = 0) -> Image:
    """Set a picture on a ground of so many rows."""
    framed = np.full((height, *part.shape[1:]), ground, np.uint8)
    framed[above : above + len(part)] = part
    return framed


def _strip(text: str, width: int, ground: Colour) -> Image:
    """Return a strip of text over the picture's width; too long a text loses its middle."""
    size = font_size(width)
    return text_box([shortened(text, width - size, size)], size, LIGHT, ground, width=width)
