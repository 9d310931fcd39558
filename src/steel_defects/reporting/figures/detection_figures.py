"""Figures of what is found: by the size of defects, by class, and on worse pictures."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from steel_defects.decision.intervals import share_interval
from steel_defects.drawing import style
from steel_defects.evaluation.detection_by_size import DetectionCurve
from steel_defects.evaluation.robustness import LEVELS, UNITS

_BINS = 6
_MEASURES = {"accuracy": "accuracy of the gate", "mean_dice": "mean Dice"}


def detection_figure(targets: pd.DataFrame, curve: DetectionCurve) -> Figure:
    """Show the probability of detection over the area of defects.

    Args:
        targets: ``size_px, found``, one row per defect.
        curve: What was fitted to them.
    """
    if not len(targets):
        return style.nothing_to_show("There is no defect to find.")
    figure = style.new_figure(7.2, 4.2)
    axes = style.set_up(
        figure.subplots(), x="area of the defect, px", y="share of defects that were found"
    )
    axes.set_xscale("log")
    plain = FuncFormatter(lambda value, _: f"{value:,.0f}")
    axes.xaxis.set_major_formatter(plain)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(-0.06, 1.06)
    sizes = targets["size_px"].to_numpy(float)
    found = targets["found"].to_numpy(bool)
    for values, place, name in ((sizes[found], 1.03, "found"), (sizes[~found], -0.03, "missed")):
        axes.plot(
            values, np.full(len(values), place), "|", ms=8, color=style.MUTED,
            label=f"above: found, below: missed ({len(values):,})" if name == "missed" else None,
        )  # fmt: skip
    _draw_bins(axes, sizes, found)
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


def _draw_bins(axes: Axes, sizes: np.ndarray, found: np.ndarray) -> None:
    """Draw the share found among defects of like size, with its 95 % interval."""
    order = np.argsort(sizes)
    for number, part in enumerate(np.array_split(order, min(_BINS, len(order)))):
        hits, share = int(found[part].sum()), float(found[part].mean())
        low, high = share_interval(hits, len(part))
        axes.errorbar(
            float(np.exp(np.log(sizes[part]).mean())), share,
            yerr=[[max(0.0, share - low)], [max(0.0, high - share)]],
            fmt="o", ms=5, color=style.PALETTE[1], linewidth=1.1, capsize=2,
            label="defects of like size, 95 % interval" if number == 0 else None,
        )  # fmt: skip


def dice_spread_figure(pairs: pd.DataFrame, class_names: Sequence[str]) -> Figure:
    """Show how Dice spreads over the sheets that have a class: every sheet, and quartiles.

    Args:
        pairs: ``class_id, dice, true_px``, one row per sheet and class.
        class_names: Names of classes 1, 2, ….
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
        number = int(str(class_id))
        known = class_names[number - 1] if number <= len(class_names) else ""
        plural = "" if len(values) == 1 else "s"
        names.append(f"{number} {known}\n{len(values):,} sheet{plural}")
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.5, len(names) - 0.2)
    axes.set_ylim(-0.04, 1.04)
    style.note(figure, ["Points: sheets. Bars: from quartile to quartile, with the median."])
    return figure


def robustness_figure(table: pd.DataFrame) -> Figure:
    """Show accuracy and Dice at each level of each corruption.

    Args:
        table: ``corruption, level, accuracy, mean_dice, dice_on_positives``; level 0 is the picture
            as it is.
    """
    if not len(table):
        return style.nothing_to_show("Robustness was not measured.")
    figure = style.new_figure(11.0, 2.9)
    grid = figure.subplots(1, len(LEVELS), sharey=True)
    measures = _MEASURES | {"dice_on_positives": "Dice on positives"}
    for axes, (name, strengths) in zip(grid, LEVELS.items(), strict=True):
        style.set_up(axes, name, UNITS[name].replace(", ", ",\n"))
        rows = table[table["corruption"] == name].sort_values("level")
        for number, (column, label) in enumerate(measures.items()):
            axes.plot(
                rows["level"], rows[column], label=label, marker="o", ms=3, **style.line(number)
            )
        axes.set_xticks(range(6), ["as is", *(f"{value:g}" for value in strengths)])
        axes.tick_params(axis="x", labelsize=7)
        axes.set_ylim(-0.03, 1.05)
    handles, names = grid[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=3, frameon=False, fontsize=8.5)
    return figure


def detection_sentences(curves: Mapping[str, DetectionCurve], source: str) -> list[str]:
    """Say from which size defects are found, all together and class by class.

    Args:
        curves: By the name of the class; the first is of all classes.
        source: The sheets they stand on, such as ``20 test sheets``.
    """
    return [
        f"{_subject(name)}: {curve.found:,} of {curve.targets:,} defects on {source} were found. "
        + " ".join(part for part in (_points(curve), curve.remark) if part)
        if curve.targets
        else f"{_subject(name)}: no defect on {source}."
        for name, curve in curves.items()
    ]


def _subject(name: str) -> str:
    return f"Class {name}" if name[:1].isdigit() else name


def _points(curve: DetectionCurve) -> str:
    if curve.a90_px is None:
        return ""
    text = f"Nine in ten are found from an area of {curve.a90_px:,.0f} px"
    if curve.largest_px is not None and curve.a90_px > curve.largest_px:
        text += f", beyond the largest defect of {curve.largest_px:,} px"
    if curve.a90_95_px is None:
        return f"{text}."
    return f"{text}; with 95 % confidence from {curve.a90_95_px:,.0f} px (a90/95)."
