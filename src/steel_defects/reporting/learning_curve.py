"""What more sheets would bring: the learning curves as a figure, and in sentences."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from steel_defects.drawing import style
from steel_defects.evaluation.learning_curve import (
    EXPONENTS,
    PowerLaw,
    Reached,
    fit_power_law,
)
from steel_defects.reporting.tables import decimal
from steel_defects.tables.columns import title_of

#: How many times the sheets that there are extrapolations go to; further is guesswork.
_TIMES = (2, 4)
_PLACES = 15  # at which the curve and its band are drawn, within the trainings and beyond
_APART = 1.02  # of points of different seeds, so that their intervals stay apart


@dataclass(frozen=True)
class Curve:
    """The trainings of one model, measured by one figure, and the curve that they determine.

    Attributes:
        rows: Of ``learning_curve``, with a value.
        law: None where there are too few trainings for one.
    """

    model: str
    metric: str
    rows: pd.DataFrame
    law: PowerLaw | None

    @property
    def largest(self) -> pd.DataFrame:
        """The trainings on the largest share."""
        return self.rows[self.rows["share"] == self.rows["share"].max()]


def curves_of(table: pd.DataFrame) -> list[Curve]:
    """Fit the curve of each model and figure of ``learning_curve``, in its order."""
    curves = []
    for (model, metric), rows in table.groupby(["model", "metric"], sort=False):
        known = rows.dropna(subset="value")
        points = (known[name].to_numpy(float) for name in ("sheets", "value"))
        curves.append(Curve(str(model), str(metric), known, fit_power_law(*points)))
    return curves


# --- in sentences ---------------------------------------------------------------------------


def curve_sentences(table: pd.DataFrame) -> list[str]:
    """Say of each model and figure what there is, and what twice the sheets would bring."""
    return [" ".join(_sentences(curve)) for curve in curves_of(table)]


def _sentences(curve: Curve) -> Iterator[str]:
    name = f"{curve.model}, {title_of(curve.metric)}"
    if curve.rows.empty:
        yield f"{name}: not known, since the fold that is held out lacks sheets of a kind."
        return
    now, law = curve.largest, curve.law
    trainings = f", the mean of {len(now)} trainings" if len(now) > 1 else ""
    yield f"{name}: {decimal(now['value'].mean())} with {now['sheets'].max():,} sheets{trainings}."
    if law is None:
        yield "A curve takes four trainings on three different shares, and figures that differ."
        return
    twice, four = (law.reached(times * law.largest) for times in _TIMES)
    if not law.determined:
        yield (
            "The curve is too flat, for the scatter between trainings, to tell how it goes on: "
            f"twice the sheets would reach something between {_range(twice, ' and ')}."
        )
        return
    here = law.reached(law.largest)
    yield f"The curve is at {decimal(here.value)} there ({_range(here)})."
    yield f"By extrapolation, twice the sheets would reach {decimal(twice.value)}"
    yield f"({_range(twice)}), four times {decimal(four.value)} ({_range(four)});"
    yield f"the exponent of the curve is {decimal(law.c, 2)} ({_exponents(law)})."


def _exponents(law: PowerLaw) -> str:
    least, most = EXPONENTS
    if law.c_high >= most:
        return f"{decimal(law.c_low, 2)} or more"
    low = "at most" if law.c_low <= least else f"{decimal(law.c_low, 2)} to"
    return f"{low} {decimal(law.c_high, 2)}"


def _range(one: Reached, between: str = " to ") -> str:
    return f"{decimal(one.low)}{between}{decimal(one.high)}"


# --- as a figure ----------------------------------------------------------------------------


def learning_curve_figure(table: pd.DataFrame) -> Figure:
    """Show each training with its interval, the fitted curve with its band, and what is beyond.

    Takes ``learning_curve``; one row of panels per model, one panel per figure.
    """
    curves = curves_of(table)
    models = list(dict.fromkeys(curve.model for curve in curves))
    columns = max(sum(curve.model == model for curve in curves) for model in models)
    figure = style.new_figure(4.6 * columns, 3.3 * len(models) + 0.4)
    grid = figure.subplots(len(models), columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for row, model in zip(grid, models, strict=True):
        of_model = (curve for curve in curves if curve.model == model)
        for axes, curve in zip(row, of_model, strict=False):
            _draw(axes, curve)
    named = {
        label: handle
        for axes in grid.flat
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        list(named.values()), list(named), loc="outside upper left", ncols=6, frameon=False,
        fontsize=8.5,
    )  # fmt: skip
    return figure


def _draw(axes: Axes, curve: Curve) -> None:
    axes.set_axis_on()
    title = f"{curve.model}: {title_of(curve.metric)}"
    style.set_up(axes, title, "sheets")
    if curve.rows.empty:
        axes.text(0.5, 0.5, "not known", transform=axes.transAxes, ha="center", color=style.MUTED)
        return
    axes.set_xscale("log")
    sizes = curve.rows.groupby("share")["sheets"].max().tolist()
    if curve.law:
        _draw_law(axes, curve.law, float(curve.rows["sheets"].min()))
        sizes += [times * curve.law.largest for times in _TIMES]
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
    for number, (seed, rows) in enumerate(curve.rows.groupby("seed")):
        values, low, high = (rows[name].to_numpy(float) for name in ("value", "low", "high"))
        # A percentile of resampled figures may lie on the other side of the figure itself.
        reach = np.maximum([values - low, high - values], 0)
        axes.errorbar(
            rows["sheets"] * _APART**number, values, reach, fmt="o", ms=4.5, linewidth=1.1,
            capsize=2, color=style.colour(number + 1), label=f"seed {seed}, 95 % interval",
        )  # fmt: skip


def _draw_law(axes: Axes, law: PowerLaw, smallest: float) -> None:
    """Draw the curve, dashed beyond the trainings; where it is too flat, its band alone."""
    most = max(_TIMES) * law.largest
    for start, end, dash in ((smallest, law.largest, "-"), (law.largest, most, (0, (4, 2)))):
        there = [law.reached(sheets) for sheets in np.geomspace(start, end, _PLACES)]
        sheets = [one.sheets for one in there]
        beyond = end == most
        axes.fill_between(
            sheets, [one.low for one in there], [one.high for one in there], linewidth=0,
            color=style.colour(0), alpha=0.1 if beyond else 0.2,
            label=None if beyond else "95 % of the curve",
        )  # fmt: skip
        if law.determined:
            label = "extrapolated" if beyond else "fitted curve"
            values = [one.value for one in there]
            axes.plot(sheets, values, linestyle=dash, color=style.colour(0), label=label)
