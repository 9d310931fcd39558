"""Many pictures on one page, each with a line about it."""

import textwrap
from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from steel_defects.drawing import style
from steel_defects.drawing.overlays import harmless

_WIDTH = 900  # pixels that a picture is shrunk to
_INCHES = 9.0


def contact_sheet(
    pictures: Sequence[NDArray[np.uint8]],
    captions: Sequence[str],
    nothing: str = "There are no sheets to show.",
) -> Figure:
    """Arrange pictures with their captions: oblong ones in a column, others side by side.

    Args:
        pictures: Gray, of shape ``(height, width)``, or RGB, ``(height, width, 3)``, uint8; sizes
            may differ.
        captions: One line for each.
        nothing: Stands in the place of no pictures.
    """
    if not pictures:
        return style.nothing_to_show(nothing)
    ratios = [picture.shape[0] / picture.shape[1] for picture in pictures]
    columns = 1 if np.median(ratios) < 0.5 else 4
    rows = -(-len(pictures) // columns)
    tallest = min(1.5, max(ratios))
    height = rows * (tallest * _INCHES / columns + (0.35 if columns == 1 else 0.6))
    figure = style.new_figure(_INCHES, height)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    size = 8 if columns == 1 else 6.5
    for axes, picture, caption in zip(grid.flat, pictures, captions, strict=False):
        axes.imshow(_shrunk(picture), cmap="gray", vmin=0, vmax=255)
        lines = [caption] if columns == 1 else textwrap.wrap(caption, 34)
        text = "\n".join(harmless(line) for line in lines)
        # Matplotlib would take dollars for mathematics.
        axes.set_title(text, loc="left", fontsize=size, color=style.INK, parse_math=False)
    return figure


def _shrunk(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if picture.shape[1] <= _WIDTH:
        return picture
    height = max(1, round(picture.shape[0] * _WIDTH / picture.shape[1]))
    return np.asarray(cv2.resize(picture, (_WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)
