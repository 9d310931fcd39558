"""The report's figures; each function returns one and draws nothing on a screen."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn import metrics

from steel_defects.drawing import style
from steel_defects.evaluation.classification import confusion
from steel_defects.reporting import tables
from steel_defects.reporting.figures.scores import hits_and_alarms, hold_out_rows, with_both_kinds

Floats = NDArray[np.float64]
Array = NDArray[Any]

_KINDS = ("clean", "defective")
_DECISIONS = ("cleared", "flagged")
_COLUMNS = 4  # small multiples side by side


# --- the gate -------------------------------------------------------------------------------


def confusion_figure(
    scores_by_backbone: Mapping[str, pd.DataFrame], thresholds: Mapping[str, float]
) -> Figure:
    """Show what each backbone decides on the test sheets at its operating point.

    Args:
        scores_by_backbone: ``sheet_id, split, repeat, fold, has_defect, score`` of each backbone.
        thresholds: Calibrated score, 0 to 1, from which a backbone flags a sheet; a backbone
            without one is left out and named.
    """
    shown = {name: frame for name, frame in scores_by_backbone.items() if name in thresholds}
    if not shown:
        return style.nothing_to_show("No backbone has an operating point.")
    columns = min(_COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure = style.new_figure(max(4.0, 2.7 * columns), 2.8 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    for axes, (name, frame) in zip(grid.flat, shown.items(), strict=False):
        counts = confusion(*hold_out_rows(frame), thresholds[name])
        style.set_up(
            axes, name, f"decision (flagged from {thresholds[name]:.3f})", "truth", grid=None
        )
        _draw_counts(axes, counts)
    left_out = [f"{name}: no operating point." for name in scores_by_backbone if name not in shown]
    style.note(figure, left_out)
    return figure


def _draw_counts(axes: Axes, counts: NDArray[np.int64]) -> None:
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    axes.imshow(shares, cmap="Greens", vmin=0, vmax=1.25)
    for (row, column), count in np.ndenumerate(counts):
        percent = f"{100 * shares[row, column]:.1f} %" if totals[row, 0] else "no sheets"
        ink = "white" if shares[row, column] > 0.72 else style.INK
        axes.text(column, row - 0.1, f"{count:,}", ha="center", va="center", size=13, color=ink)
        axes.text(column, row + 0.2, percent, ha="center", va="center", size=8.5, color=ink)
    axes.set_xticks([0, 1], _DECISIONS)
    axes.set_yticks([0, 1], _KINDS, rotation=90, va="center")
    axes.spines[:].set_visible(False)


def roc_figure(scores_by_backbone: Mapping[str, pd.DataFrame]) -> Figure:
    """Show recall against false alarms for every threshold, on the test sheets.

    Args:
        scores_by_backbone: ``sheet_id, split, repeat, fold, has_defect, score`` of each backbone;
            one without both kinds of sheet is left out and named.
    """

    def draw(axes: Axes, labels: NDArray[np.bool_], scores: Floats, **line: Any) -> None:
        hits, alarms = hits_and_alarms(labels, scores)
        axes.plot([0, *(alarms / (~labels).sum())], [0, *(hits / labels.sum())], **line)

    figure, axes = _curve_figure(scores_by_backbone, draw, "AUC", metrics.roc_auc_score)
    if axes:
        axes.plot([0, 1], [0, 1], color=style.MUTED, linewidth=0.8, linestyle=":")
        axes.annotate("chance", (0.62, 0.585), fontsize=8, color=style.MUTED, rotation=45)
        axes.set_xlabel("share of clean sheets flagged")
        axes.set_ylabel("share of defective sheets flagged")
    return figure


def pr_figure(scores_by_backbone: Mapping[str, pd.DataFrame]) -> Figure:
    """Show precision against recall for every threshold, on the test sheets.

    Args:
        scores_by_backbone: As for :func:`roc_figure`.
    """

    def draw(axes: Axes, labels: NDArray[np.bool_], scores: Floats, **line: Any) -> None:
        hits, alarms = hits_and_alarms(labels, scores)
        precision, recall = hits / np.maximum(hits + alarms, 1), hits / labels.sum()
        # A step: average precision is the area under it.
        axes.plot([0, *recall], [precision[0], *precision], drawstyle="steps-pre", **line)

    figure, axes = _curve_figure(scores_by_backbone, draw, "AP", metrics.average_precision_score)
    if axes:
        labels = next(with_both_kinds(scores_by_backbone))[1][0]
        axes.axhline(labels.mean(), color=style.MUTED, linewidth=0.8, linestyle=":")
        axes.annotate("chance", (0.02, labels.mean() + 0.015), fontsize=8, color=style.MUTED)
        axes.set_xlabel("recall: share of defective sheets flagged")
        axes.set_ylabel("precision: share of flagged that are defective")
    return figure


def _curve_figure(
    scores_by_backbone: Mapping[str, pd.DataFrame],
    draw: Callable[..., None],
    metric: str,
    measure: Callable[..., float],
) -> tuple[Figure, Axes | None]:
    """Draw one curve a backbone, with its summary in the legend."""
    usable = dict(with_both_kinds(scores_by_backbone))
    skipped = [name for name in scores_by_backbone if name not in usable]
    notes = [f"{name}: left out, its test sheets are all of one kind." for name in skipped]
    if not usable:
        reason = "No backbone has both clean and defective test sheets."
        return style.nothing_to_show("\n".join([reason, *notes])), None
    figure = style.new_figure(5.2, 5.0)
    axes = style.set_up(figure.subplots())
    style.unit_square(axes)
    for number, (name, (labels, scores)) in enumerate(usable.items()):
        value = measure(labels, scores)
        draw(axes, labels, scores, label=f"{name}  {metric} {value:.3f}", **style.line(number))
    style.legend(axes, loc="lower right" if metric == "AUC" else "lower left")
    style.note(figure, notes)
    return figure, axes


# --- training -------------------------------------------------------------------------------


def learning_figure(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Show how each model learned: loss above, the other validation metric below.

    Args:
        histories: ``epoch``, ``loss`` and ``validation_…`` columns of each model, a row an epoch.
    """
    shown = {name: frame for name, frame in histories.items() if len(frame)}
    if not shown:
        return style.nothing_to_show("No model has a training history.")
    figure = style.new_figure(max(4.2, 2.6 * len(shown)), 4.4)
    grid = figure.subplots(2, len(shown), squeeze=False, sharex="col")
    for column, (name, frame) in enumerate(shown.items()):
        upper = style.set_up(grid[0, column], name, y="" if column else "loss")
        _draw_losses(upper, frame)
        _draw_metric(grid[1, column], frame)
    style.legend(grid[0, 0], loc="upper right")
    return figure


def _draw_losses(axes: Axes, frame: pd.DataFrame) -> None:
    named = {"loss": "training", "validation_loss": "validation"}
    for number, (column, label) in enumerate(named.items()):
        if column in frame:
            mark = "o" if len(frame) == 1 else ""
            axes.plot(
                frame["epoch"], frame[column], label=label, marker=mark, ms=4, **style.line(number)
            )
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))


def _draw_metric(axes: Axes, frame: pd.DataFrame) -> None:
    """Draw the first validation metric that is not the loss, and mark its highest value."""
    others = [n for n in frame if n.startswith("validation_") and n != "validation_loss"]
    known = [n for n in others if frame[n].notna().any()]
    title = tables.label(known[0].removeprefix("validation_")) if known else ""
    style.set_up(axes, x="epoch", y=title)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if not known:
        axes.set_title("no other metric", fontsize=8, color=style.MUTED)
        return
    best = frame.loc[frame[known[0]].idxmax()]
    axes.plot(frame["epoch"], frame[known[0]], **style.line(1))
    axes.plot(best["epoch"], best[known[0]], "o", color=style.PALETTE[1], markersize=5)
    axes.set_xlabel(f"epoch (best {best[known[0]]:.3f} at {best['epoch']:.0f})")


# --- the segmenters -------------------------------------------------------------------------


def segmentation_pr_figure(curves: Mapping[str, tuple[Array, Array]]) -> Figure:
    """Show precision against recall of pixels, a line a class.

    Args:
        curves: Precision and recall, each of shape ``(thresholds,)``, 0 to 1, by class name.
    """
    known = {name: curve for name, curve in curves.items() if np.isfinite(curve[1]).any()}
    if not known:
        return style.nothing_to_show("No class has defective pixels to draw a curve from.")
    figure = style.new_figure(5.2, 5.0)
    axes = style.set_up(figure.subplots(), x="recall of pixels", y="precision of pixels")
    style.unit_square(axes)
    for number, (name, (precision, recall)) in enumerate(known.items()):
        axes.plot(recall, precision, label=name, **style.line(number))
    style.legend(axes, loc="best")
    missing = [f"{name}: no defective pixels." for name in curves if name not in known]
    style.note(figure, missing)
    return figure


def class_dice_figure(
    per_class: Mapping[str, pd.DataFrame], class_names: Sequence[str] = ()
) -> Figure:
    """Compare architectures class by class: areas (Dice) and outlines (boundary IoU).

    Args:
        per_class: A table of :func:`steel_defects.evaluation.segmentation.class_metrics` for each
            architecture.
        class_names: Names of classes 1, 2, …; a class without one is shown by its number.
    """
    shown = {name: frame.set_index("class_id") for name, frame in per_class.items() if len(frame)}
    if not shown:
        return style.nothing_to_show("No architecture has been evaluated.")
    panels = {"dice_on_positives": "Dice", "boundary_iou_on_positives": "Boundary IoU"}
    panels = {key: text for key, text in panels.items() if all(key in f for f in shown.values())}
    classes = sorted({int(number) for frame in shown.values() for number in frame.index})
    width = max(6.0, 0.62 * len(shown) * len(classes) + 2.2)
    figure = style.new_figure(width, 2.4 * len(panels) + 0.5)
    grid = figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0]
    for axes, (column, text) in zip(grid, panels.items(), strict=True):
        style.set_up(axes, f"{text} on sheets that have the class", grid="y")
        _draw_bars(axes, shown, classes, column)
    first = next(iter(shown.values()))["positives"]
    grid[-1].set_xticks(range(len(classes)), [_class_text(k, class_names, first) for k in classes])
    handles, names = grid[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=4, frameon=False, fontsize=8.5)
    return figure


def _draw_bars(
    axes: Axes, frames: Mapping[str, pd.DataFrame], classes: Sequence[int], column: str
) -> None:
    """Draw a group of bars for each class, with their values."""
    width = 0.8 / len(frames)
    for number, (name, frame) in enumerate(frames.items()):
        values = frame[column].reindex(classes).to_numpy(np.float64)
        places = np.arange(len(classes)) + (number - (len(frames) - 1) / 2) * width
        heights = np.nan_to_num(values)
        axes.bar(places, heights, width * 0.92, label=name, color=style.colour(number))
        for place, value in zip(places, values, strict=True):
            text, top = (f"{value:.2f}", value) if np.isfinite(value) else ("n/a", 0.0)
            axes.text(place, top + 0.02, text, ha="center", size=7.5, color=style.INK)
    axes.set_ylim(0, 1.08)


def _class_text(class_id: int, class_names: Sequence[str], positives: pd.Series) -> str:
    name = f"{class_id} {class_names[class_id - 1]}" if class_id <= len(class_names) else class_id
    sheets = int(positives.get(class_id, 0))
    return f"{name}\n{sheets:,} {'sheet' if sheets == 1 else 'sheets'}"
