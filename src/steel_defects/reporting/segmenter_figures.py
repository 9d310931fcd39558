"""Figures of training, and of what the segmenters find: pixels, classes, sizes, worse pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from steel_defects.decision.intervals import share_interval
from steel_defects.drawing import style
from steel_defects.evaluation.detection_by_size import DetectionBySize, DetectionCurve
from steel_defects.evaluation.robustness import LEVELS, UNITS
from steel_defects.evaluation.segmentation import Curve
from steel_defects.reporting.tables import basis
from steel_defects.tables.columns import title_of

_BINS = 6
_MEASURES = {
    "accuracy": "accuracy of the gate",
    "mean_dice": "mean Dice",
    "dice_on_positives": "Dice on positives",
}


def learning_figure(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Show how each model learned: loss above, the other validation metric below.

    A history has ``epoch``, ``loss`` and ``validation_…`` columns, one row per epoch.
    """
    shown = {name: frame for name, frame in histories.items() if len(frame)}
    if not shown:
        return style.nothing_to_show("No model has a training history.")
    figure = style.new_figure(max(4.2, 2.6 * len(shown)), 4.4)
    grid = figure.subplots(2, len(shown), squeeze=False, sharex="col")
    for column, (name, frame) in enumerate(shown.items()):
        upper = style.set_up(grid[0, column], name, y="" if column else "loss")
        for number, kind in enumerate(("loss", "validation_loss")):
            if kind in frame:
                upper.plot(
                    frame["epoch"], frame[kind], label=("training", "validation")[number],
                    marker="o" if len(frame) == 1 else "", ms=4, **style.line(number),
                )  # fmt: skip
        upper.set_ylim(bottom=min(0.0, upper.get_ylim()[0]))
        _draw_metric(grid[1, column], frame)
    style.legend(grid[0, 0], loc="upper right")
    return figure


def _draw_metric(axes: Axes, frame: pd.DataFrame) -> None:
    """Draw the first validation metric that is not the loss, and mark its highest value."""
    metrics = frame.filter(like="validation_").drop(columns="validation_loss", errors="ignore")
    known = list(metrics.dropna(axis="columns", how="all"))
    title = title_of(known[0].removeprefix("validation_")) if known else ""
    style.set_up(axes, x="epoch", y=title)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if not known:
        axes.set_title("no other metric", fontsize=8, color=style.MUTED)
        return
    best = frame.loc[frame[known[0]].idxmax()]
    axes.plot(frame["epoch"], frame[known[0]], **style.line(1))
    axes.plot(best["epoch"], best[known[0]], "o", color=style.PALETTE[1], markersize=5)
    axes.set_xlabel(f"epoch (best {best[known[0]]:.3f} at {best['epoch']:.0f})")


def segmentation_pr_figure(curves: Mapping[str, Curve]) -> Figure:
    """Show precision against recall of pixels, one line per class."""
    known = {name: curve for name, curve in curves.items() if np.isfinite(curve[1]).any()}
    if not known:
        return style.nothing_to_show("No class has defective pixels to draw a curve from.")
    figure = style.new_figure(5.2, 5.0)
    axes = style.set_up(figure.subplots(), x="recall of pixels", y="precision of pixels")
    style.unit_square(axes)
    for number, (name, (precision, recall)) in enumerate(known.items()):
        axes.plot(recall, precision, label=name, **style.line(number))
    style.legend(axes, loc="best")
    style.note(figure, [f"{name}: no defective pixels." for name in curves if name not in known])
    return figure


def class_dice_figure(
    per_class: Mapping[str, pd.DataFrame], class_names: Sequence[str] = ()
) -> Figure:
    """Compare architectures class by class: areas (Dice) and outlines (boundary IoU).

    Takes a table of :func:`steel_defects.evaluation.segmentation.class_metrics` for each. A class
    without a name is shown by its number.
    """
    shown = {name: frame.set_index("class_id") for name, frame in per_class.items() if len(frame)}
    if not shown:
        return style.nothing_to_show("No architecture has been evaluated.")
    classes = sorted({int(number) for frame in shown.values() for number in frame.index})
    figure = style.new_figure(max(6.0, 0.62 * len(shown) * len(classes) + 2.2), 5.3)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, column, text in (
        (upper, "dice_on_positives", "Dice"),
        (lower, "boundary_iou_on_positives", "Boundary IoU"),
    ):
        style.set_up(axes, f"{text} on sheets that have the class", grid="y")
        _draw_bars(axes, shown, classes, column)
    sheets = next(iter(shown.values()))["positives"]
    texts = [_class_text(k, class_names, int(sheets.get(k, 0))) for k in classes]
    lower.set_xticks(range(len(classes)), texts)
    _legend_above(figure, columns=4)
    return figure


def _legend_above(figure: Figure, columns: int) -> None:
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=columns,
        frameon=False, fontsize=8.5,
    )  # fmt: skip


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
        for place, value, height in zip(places, values, heights, strict=True):
            text = f"{value:.2f}" if np.isfinite(value) else "n/a"
            axes.text(place, height + 0.02, text, ha="center", size=7.5, color=style.INK)
    axes.set_ylim(0, 1.08)


def _class_text(class_id: int, class_names: Sequence[str], sheets: int) -> str:
    name = class_names[class_id - 1] if class_id <= len(class_names) else f"class {class_id}"
    return f"{name}\n{sheets:,} {'sheet' if sheets == 1 else 'sheets'}"


def detection_figure(targets: pd.DataFrame, curve: DetectionCurve) -> Figure:
    """Show defects (``size_px, found``), and the probability of detection fitted to them."""
    if not len(targets):
        return style.nothing_to_show("There is no defect to find.")
    figure = style.new_figure(7.2, 4.2)
    axes = style.set_up(
        figure.subplots(), x="area of the defect, px", y="share of defects that were found"
    )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(-0.06, 1.06)
    sizes, hits = targets["size_px"].to_numpy(float), targets["found"].to_numpy(bool)
    marks: dict[str, Any] = {"marker": "|", "ls": "", "ms": 8, "color": style.MUTED}
    axes.plot(sizes[hits], np.full(hits.sum(), 1.03), **marks)
    text = f"above: found, below: missed ({len(targets) - hits.sum():,})"
    axes.plot(sizes[~hits], np.full((~hits).sum(), -0.03), label=text, **marks)
    _draw_bins(axes, sizes, hits)
    if curve.slope is not None:
        grid = np.geomspace(sizes.min(), sizes.max() * 1.001, 200)
        axes.plot(grid, curve.probability(grid), label="fitted", **style.line(0))
    # At two heights, since the two sizes may lie side by side.
    points = ((curve.a90_px, "a90", ":", 0.04), (curve.a90_95_px, "a90/95", "--", 0.11))
    for value, name, dash, height in points:
        if value is not None and sizes.min() <= value <= sizes.max():
            axes.axvline(value, color=style.INK, linewidth=0.9, linestyle=dash)
            axes.annotate(f" {name} {value:,.0f} px", (value, height), fontsize=8, color=style.INK)
    # Small defects are seldom found: the curve leaves this corner free.
    style.legend(axes, loc="upper left", bbox_to_anchor=(0.0, 0.92))
    return figure


def _draw_bins(axes: Axes, sizes: np.ndarray, hits: np.ndarray) -> None:
    """Draw the share found among defects of like size, with its 95 % interval."""
    order = np.argsort(sizes)
    for number, part in enumerate(np.array_split(order, min(_BINS, len(order)))):
        share = float(hits[part].mean())
        low, high = share_interval(int(hits[part].sum()), len(part))
        axes.errorbar(
            float(np.exp(np.log(sizes[part]).mean())), share,
            yerr=[[max(0.0, share - low)], [max(0.0, high - share)]],
            fmt="o", ms=5, color=style.PALETTE[1], linewidth=1.1, capsize=2,
            label="defects of like size, 95 % interval" if number == 0 else None,
        )  # fmt: skip


def dice_spread_figure(pairs: pd.DataFrame, class_names: Sequence[str]) -> Figure:
    """Show how Dice spreads over the sheets that have a class: every sheet, and quartiles.

    Pairs have ``class_id, dice, true_px``, one row per sheet and class.
    """
    positive = pairs[pairs["true_px"] > 0]
    if not len(positive):
        return style.nothing_to_show("No evaluated sheet has a defect.")
    figure = style.new_figure(7.2, 3.6)
    axes = style.set_up(figure.subplots(), y="Dice of a sheet that has the class", grid="y")
    names = []
    for place, (class_id, rows) in enumerate(positive.groupby("class_id")):
        values = rows["dice"].to_numpy(float)
        jitter = np.random.default_rng(0).uniform(-0.16, 0.16, len(values))
        axes.plot(place + jitter, values, "o", ms=3, alpha=0.45, color=style.colour(0), mew=0)
        low, middle, high = np.percentile(values, [25, 50, 75])
        axes.vlines(place + 0.28, low, high, color=style.INK, linewidth=5)
        axes.plot(place + 0.28, middle, "o", color="white", mec=style.INK, ms=7)
        axes.annotate(f"{middle:.2f}", (place + 0.34, middle), fontsize=8, va="center")
        names.append(_class_text(int(class_id), class_names, len(values)))
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.5, len(names) - 0.2)
    axes.set_ylim(-0.04, 1.04)
    style.note(figure, ["Points: sheets. Bars: from quartile to quartile, with the median."])
    return figure


def robustness_figure(table: pd.DataFrame) -> Figure:
    """Show accuracy and Dice at each level of each corruption; level 0 is the picture as it is."""
    if not len(table):
        return style.nothing_to_show("Robustness was not measured.")
    figure = style.new_figure(11.0, 2.9)
    grid = figure.subplots(1, len(LEVELS), sharey=True)
    for axes, (name, strengths) in zip(grid, LEVELS.items(), strict=True):
        style.set_up(axes, name, UNITS[name].replace(", ", ",\n"))
        rows = table[table["corruption"] == name].sort_values("level")
        for number, (column, label) in enumerate(_MEASURES.items()):
            if table[column].notna().any():  # without a gate it has no accuracy
                axes.plot(
                    rows["level"], rows[column], label=label, marker="o", ms=3, **style.line(number)
                )
        axes.set_xticks(range(6), ["as is", *(f"{value:g}" for value in strengths)])
        axes.tick_params(axis="x", labelsize=7)
        axes.set_ylim(-0.03, 1.05)
    _legend_above(figure, columns=3)
    return figure


def detection_sentences(detection: DetectionBySize) -> list[str]:
    """Say from which size defects are found, all together and class by class."""
    source = basis(detection.model_dump(include={"evaluation", "sheets"}))
    sentences = []
    for name, curve in detection.curves.items():
        subject = f"Class {name}" if name[:1].isdigit() else name
        text = f"{curve.found:,} of {curve.targets:,} defects on {source} were found."
        parts = (
            [text, _points(curve), curve.remark] if curve.targets else [f"no defect on {source}."]
        )
        sentences.append(f"{subject}: " + " ".join(part for part in parts if part))
    return sentences


def _points(curve: DetectionCurve) -> str:
    if curve.a90_px is None:
        return ""
    text = f"Nine in ten are found from an area of {curve.a90_px:,.0f} px"
    if curve.largest_px is not None and curve.a90_px > curve.largest_px:
        text += f", beyond the largest defect of {curve.largest_px:,} px"
    if curve.a90_95_px is None:
        return f"{text}."
    return f"{text}; with 95 % confidence from {curve.a90_95_px:,.0f} px (a90/95)."
