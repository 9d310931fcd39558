"""The look that all figures share."""

import io
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Okabe and Ito's colours, told apart by every eye; yellow is left out, as it fades on white.
PALETTE = ("#00693e", "#d55e00", "#0072b2", "#cc79a7", "#e69f00", "#56b4e9", "#3b3b3b")
#: A second mark beside the colour, for lines.
DASHES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", (0, (5, 2)), (0, (1, 1)), "-.")
INK = "#1f2a24"
MUTED = "#5c6b63"
GRID = "#e3e8e5"


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
    return {
        "color": colour(index),
        "linestyle": DASHES[index % len(DASHES)],
        "linewidth": 1.7,
    }


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
