"""Text on pictures, in the font that Matplotlib brings along; OpenCV's has no umlauts."""

import re
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]  # blue, green, red

LIGHT: Colour = (245, 245, 245)
DARK: Colour = (28, 32, 28)

_LINE = 1.4  # height of a line, in sizes of its font
_PADDING = 0.35
# What the font has signs for, and no right-to-left writing, which would turn a line around.
_UNFIT = re.compile("[^ -~\u00a0-\u052f\u2010-\u2026\u00ac\u2713-\u2718]|[\u00ad\u0300-\u036f]")


def harmless(text: str) -> str:
    """Return text that can be drawn: Latin, Greek or Cyrillic, anything else as ``?``."""
    return _UNFIT.sub("?", text)


def text_width(text: str, size: int, bold: bool = False) -> int:
    """Return how wide a line is, pixels; ``size`` is that of the font, pixels."""
    return round(_font(size, bold).getlength(harmless(text)))


def shortened(text: str, width: int, size: int) -> str:
    """Take the middle out of a line until it is no wider than so many pixels."""
    left, right = 0, len(text)  # of the characters so many are kept
    while left < right:
        keep = (left + right + 1) // 2
        fits = text_width(_without_middle(text, keep), size) <= width
        left, right = (keep, right) if fits else (left, keep - 1)
    return _without_middle(text, left)


def wrapped(text: str, width: int, size: int) -> list[str]:
    """Break text at blanks into lines no wider than so many pixels; a longer word is shortened."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(shortened(word, width, size))
    return [line for line in lines if line]


def text_box(
    lines: Sequence[str],
    size: int,
    ink: Colour = LIGHT,
    ground: Colour = DARK,
    *,
    bold: bool = False,
    width: int | None = None,
) -> Image:
    """Draw lines of text on a ground, as wide as they are or as ``width``, pixels.

    Returns:
        Picture of shape ``(height, width, 3)``, uint8, BGR.
    """
    padding, step = round(_PADDING * size), round(_LINE * size)
    needed = max((text_width(line, size, bold) for line in lines), default=0) + 2 * padding
    box = Pillow.new("RGB", (width or needed, step * len(lines) + padding), ground)
    pen = ImageDraw.Draw(box)
    for number, line in enumerate(lines):
        place = padding, number * step + step // 2 + padding // 2
        pen.text(place, harmless(line), ink, _font(size, bold), anchor="lm")
    return np.array(box, np.uint8)


def _without_middle(text: str, keep: int) -> str:
    if keep >= len(text):
        return text
    return f"{text[: keep // 3]}…{text[len(text) - (keep - keep // 3) :]}"


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    # Found without importing Matplotlib, which takes longer than drawing a sheet.
    package = find_spec("matplotlib")
    assert package and package.origin  # noqa: S101 (a dependency)
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / name
    # The basic layout: others depend on what the machine has, and join signs to one.
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
