"""The look that all figures share, and many pictures on one page."""

import io
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from steel_defects.drawing.text import harmless
from steel_defects.images.reading import resize

#: Okabe and Ito's colours, told apart by every eye; yellow is left out, as it fades on white.
PALETTE = ("#00693e", "#d55e00", "#0072b2", "#cc79a7", "#e69f00", "#56b4e9", "#3b3b3b")
#: A second mark beside the colour, for lines.
DASHES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", (0, (5, 2)), (0, (1, 1)), "-.")
INK = "#1f2a24"
MUTED = "#5c6b63"
GRID = "#e3e8e5"
_WIDTH, _INCHES = 900, 9.0  # pixels that a picture of many is shrunk to; width of their page


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure; sizes in inches."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def set_up(
    axes: Axes, title: str = "", x: str = "", y: str = "", grid: str | None = "both"
) -> Axes:
    """Give axes the common look: a title at the left, two spines, a faint grid behind the data."""
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=INK)
    axes.set_xlabel(x, fontsize=9, color=MUTED)
    axes.set_ylabel(y, fontsize=9, color=MUTED)
    axes.tick_params(labelsize=8, colors=MUTED, length=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=GRID, linewidth=0.8)  # type: ignore[arg-type]
    return axes


def unit_square(axes: Axes) -> None:
    """Show rates from 0 to 1 on both axes, with room for lines along the edge."""
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.02)
    axes.set_aspect("equal")


def legend(axes: Axes, **place: Any) -> None:
    """Write a legend without a frame, if there is something to name."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, handlelength=2.6, **place)


def colour(index: int) -> str:
    """Return the colour of series number ``index``, from 0."""
    return PALETTE[index % len(PALETTE)]


def line(index: int) -> dict[str, Any]:
    """Return how to draw line number ``index``, from 0: its colour, dashes and width."""
    return {"color": colour(index), "linestyle": DASHES[index % len(DASHES)], "linewidth": 1.7}


def note(figure: Figure, lines: Sequence[str]) -> None:
    """Write remarks under a figure; none for no lines."""
    if lines:
        figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=8, color=MUTED)


def nothing_to_show(reason: str) -> Figure:
    """Return a figure that says why it is empty."""
    figure = new_figure(7, 1.4)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.text(0.5, 0.5, reason, ha="center", va="center", fontsize=10, color=MUTED)
    return figure


def to_png(figure: Figure, dpi: int) -> bytes:
    """Draw a figure; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def contact_sheet(
    pictures: Sequence[NDArray[np.uint8]],
    captions: Sequence[str],
    nothing: str = "There are no sheets to show.",
) -> Figure:
    """Arrange pictures with their captions: oblong ones in a column, others in full rows.

    They are gray, ``(height, width)``, or RGB, ``(height, width, 3)``, uint8, and may differ in
    size; ``nothing`` stands in the place of none.
    """
    if not pictures:
        return nothing_to_show(nothing)
    ratios = [picture.shape[0] / picture.shape[1] for picture in pictures]
    oblong = np.median(ratios) < 0.5
    columns = 1 if oblong else _columns(len(pictures))
    rows = -(-len(pictures) // columns)
    width = _INCHES if oblong or columns > 2 else _INCHES / 2
    tallest = min(1.5, max(ratios))
    inches = rows * (tallest * width / columns + (0.35 if oblong else 0.6))
    figure = new_figure(width, inches)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    size = 8 if oblong else 6.5
    for axes, picture, caption in zip(grid.flat, pictures, captions, strict=False):
        height = max(1, round(picture.shape[0] * _WIDTH / picture.shape[1]))
        small = resize(picture, (height, _WIDTH)) if picture.shape[1] > _WIDTH else picture
        axes.imshow(small, cmap="gray", vmin=0, vmax=255)
        lines = [caption] if oblong else textwrap.wrap(caption, 34)
        text = "\n".join(map(harmless, lines))
        # Matplotlib would take dollars for mathematics.
        axes.set_title(text, loc="left", fontsize=size, color=INK, parse_math=False)
    return figure


def _columns(pictures: int) -> int:
    """Return how many pictures stand side by side: about four, and the last row nearly full."""
    if pictures < 4:
        return pictures
    return min((4, 5, 3), key=lambda columns: -pictures % columns / columns)
