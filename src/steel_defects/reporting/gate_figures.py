"""Figures of the gates: what they decide, and whether their probabilities come true.

Each takes ``sheet_scores`` by backbone: ``sheet_id, split, repeat, fold, has_defect, score`` and
more, one row per sheet and repeat.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn import metrics

from steel_defects.decision.score_tables import Flags, Floats, hold_out, out_of_fold
from steel_defects.drawing import style
from steel_defects.evaluation.gate import expected_calibration_error, reliability_table

_COLUMNS = 4  # small multiples side by side
_EDGES = np.linspace(0, 1, 21)


def confusion_figure(
    scores_by_backbone: Mapping[str, pd.DataFrame], thresholds: Mapping[str, float]
) -> Figure:
    """Show what each backbone decides on test sheets, flagging from its threshold on, 0 to 1."""
    if not scores_by_backbone:
        return style.nothing_to_show("No backbone has an operating point.")
    rows, columns = _grid(scores_by_backbone)
    figure = style.new_figure(max(4.0, 2.7 * columns), 2.8 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(scores_by_backbone) :]:
        axes.set_axis_off()
    for axes, (name, frame) in zip(panels, scores_by_backbone.items(), strict=False):
        labels, scores = _test_sheets(frame)
        decision = f"decision (flagged from {thresholds[name]:.3f})"
        style.set_up(axes, name, decision, "truth", grid=None)
        flagged = scores >= thresholds[name]
        _draw_counts(axes, np.bincount(2 * labels + flagged, minlength=4).reshape(2, 2))
    return figure


def _grid(panels: Mapping[str, Any]) -> tuple[int, int]:
    columns = min(_COLUMNS, len(panels))
    return -(-len(panels) // columns), columns


def _test_sheets(frame: pd.DataFrame) -> tuple[Flags, Floats]:
    rows = hold_out(frame, "test")
    return rows["has_defect"].to_numpy(bool), rows["score"].to_numpy(float)


def _draw_counts(axes: Axes, counts: NDArray[np.int64]) -> None:
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    axes.imshow(shares, cmap="Greens", vmin=0, vmax=1.25)
    for (row, column), count in np.ndenumerate(counts):
        percent = f"{100 * shares[row, column]:.1f} %" if totals[row, 0] else "no sheets"
        ink = "white" if shares[row, column] > 0.72 else style.INK
        axes.text(column, row - 0.1, f"{count:,}", ha="center", va="center", size=13, color=ink)
        axes.text(column, row + 0.2, percent, ha="center", va="center", size=8.5, color=ink)
    axes.set_xticks([0, 1], ["cleared", "flagged"])
    axes.set_yticks([0, 1], ["clean", "defective"], rotation=90, va="center")
    axes.spines[:].set_visible(False)


def roc_figure(scores_by_backbone: Mapping[str, pd.DataFrame]) -> Figure:
    """Show recall against false alarms for every threshold, on the test sheets.

    A backbone without both kinds of sheet is left out and named.
    """

    def curve(labels: Flags, scores: Floats) -> tuple[Floats, Floats]:
        alarms, recall, _ = metrics.roc_curve(labels, scores, drop_intermediate=False)
        return alarms, recall

    texts = "share of clean sheets flagged", "share of defective sheets flagged"
    figure, usable = _curve_figure(
        scores_by_backbone, curve, "default", *texts, "AUC", metrics.roc_auc_score
    )
    if usable:
        axes = figure.axes[0]
        axes.plot([0, 1], [0, 1], color=style.MUTED, linewidth=0.8, linestyle=":")
        axes.annotate("chance", (0.62, 0.585), fontsize=8, color=style.MUTED, rotation=45)
    return figure


def pr_figure(scores_by_backbone: Mapping[str, pd.DataFrame]) -> Figure:
    """Show precision against recall for every threshold, on the test sheets.

    A backbone without both kinds of sheet is left out and named.
    """

    def curve(labels: Flags, scores: Floats) -> tuple[Floats, Floats]:
        precision, recall, _ = metrics.precision_recall_curve(labels, scores)
        precision[-1] = precision[-2]  # at a recall of 0, where scikit-learn says 1
        return recall[::-1], precision[::-1]

    texts = (
        "recall: share of defective sheets flagged",
        "precision: share of flagged that are defective",
    )
    # Steps: average precision is the area under them.
    figure, usable = _curve_figure(
        scores_by_backbone, curve, "steps-pre", *texts, "AP", metrics.average_precision_score
    )
    if usable:
        share = next(iter(usable.values()))[0].mean()
        figure.axes[0].axhline(share, color=style.MUTED, linewidth=0.8, linestyle=":")
        figure.axes[0].annotate("chance", (0.02, share + 0.015), fontsize=8, color=style.MUTED)
    return figure


def _curve_figure(
    scores_by_backbone: Mapping[str, pd.DataFrame],
    curve: Callable[[Flags, Floats], tuple[Floats, Floats]],
    drawstyle: str,
    x: str,
    y: str,
    metric: str,
    measure: Callable[[Flags, Floats], float],
) -> tuple[Figure, dict[str, tuple[Flags, Floats]]]:
    """Draw a curve for each backbone that has both kinds of sheet; return those sheets, too."""
    sheets = {name: _test_sheets(frame) for name, frame in scores_by_backbone.items()}
    usable = {name: both for name, both in sheets.items() if len(np.unique(both[0])) == 2}
    notes = [
        f"{name}: left out, its test sheets are all of one kind."
        for name in sheets
        if name not in usable
    ]
    if not usable:
        reason = "No backbone has both clean and defective test sheets."
        return style.nothing_to_show("\n".join([reason, *notes])), usable
    figure = style.new_figure(5.2, 5.0)
    axes = style.set_up(figure.subplots(), x=x, y=y)
    style.unit_square(axes)
    for number, (name, both) in enumerate(usable.items()):
        label = f"{name}  {metric} {measure(*both):.3f}"
        axes.plot(*curve(*both), label=label, drawstyle=drawstyle, **style.line(number))
    style.legend(axes, loc="lower right" if metric == "AUC" else "lower left")
    style.note(figure, notes)
    return figure, usable


def reliability_figure(scores_by_backbone: Mapping[str, pd.DataFrame]) -> Figure:
    """Show the share of defective sheets against the mean score, before and after calibration.

    Each point is a bin of about as many sheets, with its exact 95 % interval; the bars below count
    the sheets by score. Scores are those of the first repeat out of fold, or else of the test
    sheets: each sheet counts once, or the intervals would be too narrow. The score before
    calibration is ``output``, where it is known.
    """
    shown = {name: _one_row_per_sheet(frame) for name, frame in scores_by_backbone.items()}
    shown = {name: rows for name, rows in shown.items() if len(rows)}
    if not shown:
        return style.nothing_to_show("No backbone has scores of sheets that it had not seen.")
    bands, columns = _grid(shown)
    figure = style.new_figure(max(3.6, 2.9 * columns), 4.6 * bands)
    panels = figure.subplots(2 * bands, columns, squeeze=False, height_ratios=[4, 1] * bands)
    for axes in panels.flat:
        axes.set_axis_off()
    for place, (name, rows) in enumerate(shown.items()):
        band, column = divmod(place, columns)
        _draw_reliability(panels[2 * band, column], rows, name, first=not column)
        _draw_histogram(panels[2 * band + 1, column], rows, first=not column)
    return figure


def _one_row_per_sheet(frame: pd.DataFrame) -> pd.DataFrame:
    crossed = out_of_fold(frame)
    if len(crossed):
        return crossed[crossed["repeat"] == crossed["repeat"].min()]
    return hold_out(frame, "test")


def _draw_reliability(axes: Axes, rows: pd.DataFrame, name: str, first: bool) -> None:
    axes.set_axis_on()
    style.set_up(axes, y="share of sheets with a defect" if first else "")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axes.plot([0, 1], [0, 1], color=style.MUTED, linewidth=0.8, linestyle=":")
    labels, scores = rows["has_defect"].to_numpy(bool), rows["score"].to_numpy(float)
    text = "{} calibration, ECE {:.3f}"
    if "output" in rows and rows["output"].notna().all():
        outputs = rows["output"].to_numpy(float)
        table = reliability_table(labels, outputs)
        axes.plot(
            table["mean_score"], table["defective_share"], marker="o", markersize=3, alpha=0.8,
            label=text.format("before", expected_calibration_error(labels, outputs)),
            **style.line(1),
        )  # fmt: skip
    table = reliability_table(labels, scores)
    share = table["defective_share"]
    axes.errorbar(
        table["mean_score"], share, [share - table["low"], table["high"] - share], marker="o",
        markersize=3.5, elinewidth=0.9,
        label=text.format("after", expected_calibration_error(labels, scores)), **style.line(0),
    )  # fmt: skip
    # Above the square, all of which the curves may need.
    style.legend(
        axes, loc="lower left", bbox_to_anchor=(-0.04, 0.99), borderpad=0.1, title=name,
        alignment="left", title_fontproperties={"weight": "bold", "size": 10},
    )  # fmt: skip


def _draw_histogram(axes: Axes, rows: pd.DataFrame, first: bool) -> None:
    axes.set_axis_on()
    kind = "test" if rows["repeat"].isna().all() else "out-of-fold"
    text = f"defect probability\nof {len(rows):,} {kind} sheets"
    style.set_up(axes, x=text, y="sheets" if first else "", grid="y")
    axes.hist(rows["score"], _EDGES, color=style.PALETTE[0], rwidth=0.85)  # type: ignore[arg-type]
    axes.set_xlim(-0.01, 1.01)
