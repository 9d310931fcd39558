"""How good models of more and more sheets are, and what still more sheets would bring.

The curve is an inverse power law, ``value = a - b * sheets ** -c``, which learning curves follow
(Figueroa et al. 2012, doi:10.1186/1472-6947-12-8; Hestness et al. 2017, arXiv:1712.00409).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar, nnls
from scipy.stats import f

from steel_defects.decision.intervals import CONFIDENCE, share_interval
from steel_defects.decision.score_tables import Floats, groups_of, scored_sheets
from steel_defects.evaluation.paired_figures import SEGMENTER_FIGURES, Truth, mask_sums
from steel_defects.evaluation.resampling import metric_intervals, metrics_by_repeat, paired_ratios

#: What is measured of each kind of model; all rise with more sheets.
GATE_METRICS = ("roc_auc", "accuracy")
SEGMENTER_METRICS = ("mean_dice", "dice_on_positives")

#: A figure, and the ends of its 95 % interval; NaN where it can't be told.
Measured = tuple[float, float, float]


# --- one model ------------------------------------------------------------------------------


def gate_figures(scores: pd.DataFrame, splits: pd.DataFrame) -> dict[str, Measured]:
    """Measure a gate, with intervals from resampled groups.

    Args:
        scores: ``sheet_id, has_defect, score, threshold`` of sheets that it has not seen.
        splits: ``sheet_id, group_id`` of these sheets at least.
    """
    sheets = scored_sheets(scores.assign(repeat=None), splits)
    values, intervals = metrics_by_repeat(sheets), metric_intervals(sheets)
    return {name: (float(values[name][0]), *intervals[name]) for name in GATE_METRICS}


def segmenter_figures(predictions: pd.DataFrame, truth: Truth) -> dict[str, Measured]:
    """Measure a segmenter, with intervals from resampled groups.

    Args:
        predictions: ``sheet_id, class_id, rle`` of sheets that it has not seen, one row per sheet
            and class.
        truth: What they are judged by.
    """
    sums = mask_sums(predictions.assign(repeat=None), truth)
    groups = groups_of(sums.reset_index(), truth.splits)
    return {name: _mean(name, sums, groups) for name in SEGMENTER_METRICS}


def _mean(metric: str, sums: pd.DataFrame, groups: NDArray[np.int64]) -> Measured:
    """Divide one sum over sheets by another."""
    above, below = (sums[part].to_numpy(float) for part in SEGMENTER_FIGURES[metric])
    # How far a mean lies above that of a model whose Dice is 0 throughout is the mean itself.
    found = paired_ratios(metric, (above, below), (np.zeros_like(above), below), groups)
    low, high = found.low, found.high
    if low == high and found.first in (0.0, 1.0):  # of which resampling knows no spread
        trials = len(np.unique(groups[below > 0]))
        low, high = share_interval(trials if found.first else 0, trials)
    return found.first, low, high


# --- the curve ------------------------------------------------------------------------------


#: Least and greatest exponent that is looked for.
EXPONENTS = (0.01, 3.0)

_FEWEST_POINTS = 4  # one more than the curve has parameters
_FEWEST_SIZES = 3
_STEPS = np.geomspace(*EXPONENTS, 40)
_ROUNDING = 1e-6  # figures are not known more finely


@dataclass(frozen=True)
class Reached:
    """What a number of sheets reaches by the curve, and its 95 % interval; all 0 to 1.

    The interval is that of the mean over trainings, by their scatter around the curve.
    """

    sheets: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PowerLaw:
    """``value = a - b * sheets ** -c``, fitted to trainings, with ``a`` at most 1 and ``b`` from 0.

    Attributes:
        a: What it tends to.
        b: How far one sheet lies below that.
        c: How fast it gets there.
        c_low: Lower end of the 95 % interval of ``c``; the least of :data:`EXPONENTS` for open.
        c_high: Upper end; the greatest of them for open.
        largest: The most sheets that were trained on.
    """

    a: float
    b: float
    c: float
    c_low: float
    c_high: float
    largest: float
    _trainings: "_Trainings"
    _most_loss: float

    @property
    def determined(self) -> bool:
        """Whether the trainings say anything of ``c``; a curve that is too flat fits with any."""
        return self.c_low > EXPONENTS[0] or self.c_high < EXPONENTS[1]

    def reached(self, sheets: float) -> Reached:
        """Say what a number of sheets reaches, also beyond those that were trained on."""
        place = sheets / self.largest
        gap = 1 - (self.a - self.b * sheets**-self.c)

        def excess(gap: float) -> float:
            losses = partial(self._trainings.losses_through, place, gap)
            return _lowest(losses)[1] - self._most_loss

        low, high = (1 - _end(excess, gap, outside) for outside in (1.0, 0.0))
        return Reached(sheets, 1 - gap, low, high)


def fit_power_law(sheets: Floats, values: Floats) -> PowerLaw | None:
    """Fit a power law by least squares; None for too few points or sizes, or for equal values.

    The 95 % interval of ``c``, like that of what is reached, holds all values that a curve can have
    whose squared error is no larger than ``1 + F / freedom`` times the least, where F is the 95 %
    quantile with 1 and ``freedom`` degrees: the profile likelihood of Bates and Watts 1988
    (Nonlinear Regression Analysis and Its Applications, chapter 6), which takes into account that a
    few trainings say little about their own scatter.

    Args:
        sheets: Sheets of each training, from 1, of shape ``(trainings,)``.
        values: What each reached, 0 to 1, of the same shape.
    """
    freedom = len(values) - (_FEWEST_POINTS - 1)
    # Where all values are equal, their scatter can't be told.
    if freedom < 1 or len(np.unique(sheets)) < _FEWEST_SIZES or np.ptp(values) < _ROUNDING:
        return None
    largest = float(sheets.max())
    trainings = _Trainings(sheets / largest, 1 - values)
    c, least = _lowest(trainings.losses)
    floor, slope = trainings.fitted(c)[0]
    most = max(least, len(values) * _ROUNDING**2)
    most *= 1 + float(f.ppf(CONFIDENCE, 1, freedom)) / freedom
    low, high = (_end(lambda c: trainings.fitted(c)[1] ** 2 - most, c, end) for end in EXPONENTS)
    return PowerLaw(1 - floor, slope * largest**c, c, low, high, largest, trainings, most)


@dataclass(frozen=True)
class _Trainings:
    """What trainings lack: ``gap = floor + slope * size ** -c``, neither of both below 0.

    Attributes:
        sizes: Share of the sheets of the largest training, of shape ``(trainings,)``.
        gaps: 1 less what each reached.
    """

    sizes: Floats
    gaps: Floats

    def fitted(self, c: float) -> tuple[Floats, float]:
        """Return floor and slope for an exponent, and the norm of what they leave over."""
        columns = np.stack([np.ones_like(self.sizes), self.sizes**-c], axis=1)
        coefficients, norm = nnls(columns, self.gaps)
        return coefficients, float(norm)

    def losses(self, exponents: Floats) -> Floats:
        """Return the least squared error for each exponent, of the same shape."""
        return np.array([self.fitted(c)[1] ** 2 for c in exponents])

    def losses_through(self, size: float, gap: float, exponents: Floats) -> Floats:
        """Return the same of curves that pass through a point."""
        c = exponents[:, None]
        steps, left = self.sizes**-c - size**-c, self.gaps - gap
        squares = np.maximum((steps**2).sum(axis=1), 1e-300)  # 0 where all lie at the point
        slopes = np.clip(steps @ left / squares, 0.0, gap * size**exponents)
        return np.asarray(((left - slopes[:, None] * steps) ** 2).sum(axis=1))


def _lowest(losses: Callable[[Floats], Floats]) -> tuple[float, float]:
    """Return the exponent with the lowest loss, and that loss."""
    known = losses(_STEPS)
    best = int(np.argmin(known))
    found = minimize_scalar(
        lambda c: float(losses(np.array([c]))[0]), method="bounded", options={"xatol": 1e-6},
        bounds=(_STEPS[max(best - 1, 0)], _STEPS[min(best + 1, len(_STEPS) - 1)]),
    )  # fmt: skip
    if found.fun < known[best]:
        return float(found.x), float(found.fun)
    return float(_STEPS[best]), float(known[best])


def _end(excess: Callable[[float], float], inside: float, outside: float) -> float:
    """Return where the excess rises above 0, between a point inside an interval and its limit."""
    return outside if excess(outside) <= 0 else float(brentq(excess, inside, outside))
