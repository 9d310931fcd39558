"""The reliability diagram: do the gates' probabilities come true?"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from steel_defects.drawing import style
from steel_defects.evaluation.classification import expected_calibration_error, reliability_table

Labels = NDArray[np.bool_]
Floats = NDArray[np.float64]

_COLUMNS = 4  # small multiples side by side
_EDGES = np.linspace(0, 1, 21)


def reliability_figure(scores_by_backbone: Mapping[str, pd.DataFrame]) -> Figure:
    """Show the share of defective sheets against the mean score, before and after calibration.

    Each point is a bin of about as many sheets, with its exact 95 % interval; the bars below count
    the sheets by score. Scores are those of the first repeat out of fold, or else of the test
    sheets: each sheet counts once, or the intervals would be too narrow.

    Args:
        scores_by_backbone: ``split, repeat, has_defect, score`` of each backbone, one row per sheet
            and repeat; and ``output``, the score before calibration, where it is known.
    """
    shown = {name: _rows(frame) for name, frame in scores_by_backbone.items()}
    shown = {name: rows for name, rows in shown.items() if len(rows)}
    if not shown:
        return style.nothing_to_show("No backbone has scores of sheets that it had not seen.")
    columns = min(_COLUMNS, len(shown))
    bands = -(-len(shown) // columns)
    figure = style.new_figure(max(3.6, 2.9 * columns), 4.6 * bands)
    grid = figure.subplots(2 * bands, columns, squeeze=False, height_ratios=[4, 1] * bands)
    for axes in grid.flat:
        axes.set_axis_off()
    for place, (name, rows) in enumerate(shown.items()):
        band, column = divmod(place, columns)
        _draw_curves(grid[2 * band, column], rows, name, first=not column)
        _draw_counts(grid[2 * band + 1, column], rows, first=not column)
    return figure


def _rows(frame: pd.DataFrame) -> pd.DataFrame:
    crossed = frame[frame["repeat"].notna()]
    if len(crossed):
        return crossed[crossed["repeat"] == crossed["repeat"].min()]
    return frame[frame["split"] == "test"]


def _draw_curves(axes: Axes, rows: pd.DataFrame, name: str, first: bool) -> None:
    axes.set_axis_on()
    style.set_up(axes, y="share of sheets with a defect" if first else "")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axes.plot([0, 1], [0, 1], color=style.MUTED, linewidth=0.8, linestyle=":")
    labels, scores = rows["has_defect"].to_numpy(bool), rows["score"].to_numpy(float)
    if "output" in rows and rows["output"].notna().all():
        before = rows["output"].to_numpy(float)
        table = reliability_table(labels, before)
        axes.plot(
            table["mean_score"], table["defective_share"], marker="o", markersize=3, alpha=0.8,
            label=_name("before", labels, before), **style.line(1),
        )  # fmt: skip
    table = reliability_table(labels, scores)
    share = table["defective_share"]
    axes.errorbar(
        table["mean_score"], share, [share - table["low"], table["high"] - share], marker="o",
        markersize=3.5, elinewidth=0.9, label=_name("after", labels, scores), **style.line(0),
    )  # fmt: skip
    # Above the square, all of which the curves may need.
    style.legend(
        axes, loc="lower left", bbox_to_anchor=(-0.04, 0.99), borderpad=0.1, title=name,
        alignment="left", title_fontproperties={"weight": "bold", "size": 10},
    )  # fmt: skip


def _name(kind: str, labels: Labels, scores: Floats) -> str:
    return f"{kind} calibration, ECE {expected_calibration_error(labels, scores):.3f}"


def _draw_counts(axes: Axes, rows: pd.DataFrame, first: bool) -> None:
    axes.set_axis_on()
    kind = "test" if rows["repeat"].isna().all() else "out-of-fold"
    text = f"defect probability\nof {len(rows):,} {kind} sheets"
    style.set_up(axes, x=text, y="sheets" if first else "", grid="y")
    axes.hist(rows["score"], _EDGES, color=style.PALETTE[0], rwidth=0.85)  # type: ignore[arg-type]
    axes.set_xlim(-0.01, 1.01)
