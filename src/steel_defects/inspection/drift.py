"""Telling when sheets have become unlike those that a package was made with.

Brightness, contrast, sharpness and the gate's score of each part are compared with the reference
quantiles in the package by two statistics:

* the Kolmogorov-Smirnov distance, the largest difference of the two distribution functions
  (Massey, "The Kolmogorov-Smirnov test for goodness of fit", JASA 46, 1951), looked for at the
  reference's quantiles alone, which can only make it smaller;
* the population stability index, the sum of ``(a - p) ln(a / p)`` over tenths of the reference
  (Yurdakul, "Statistical properties of population stability index", 2018).

Each has a band that a part of so many sheets leaves with a chance of ``false_alarm_rate / tests``
while its sheets are drawn from the reference one by one (Bonferroni): exact for the distance,
simulated for the index.

A reference of few sheets itself differs by chance from the line that they were taken from. Fewer
than :data:`LEAST_REFERENCE` are therefore compared with nothing, and there is an alarm only beyond
the wider band of two samples, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, kstwo, kstwobign

from steel_defects.inspection.config import DriftConfig
from steel_defects.package.manifest import SCORES_BY_CLASS, SHEETS

Floats = NDArray[np.float64]

#: What is compared, where the package holds a reference for it.
MEASURES = ("brightness", "contrast", "sharpness", "gate_score")
#: Sheets of a reference that say enough of the line that they were taken from.
LEAST_REFERENCE = 200
_STATISTICS = 2
_LEAST_SHEETS = 50  # from which a part is tested at all
_BINS = 10
_DRAWS = 50_000


class Distribution:
    """A distribution by quantiles of it, at equal steps from 0 to 1; mixed of several by shares."""

    def __init__(self, parts: Sequence[tuple[float, Sequence[float]]]) -> None:
        """Take shares, of sum 1, each with its quantiles in rising order."""
        self._parts = []
        for share, quantiles in parts:
            values, last = np.asarray(quantiles, np.float64), len(quantiles) - 1
            knots, first, counts = np.unique(values, return_index=True, return_counts=True)
            self._parts.append((share, (knots, first / last, (first + counts - 1) / last)))
        self.knots = np.unique(np.concatenate([steps[0] for _, steps in self._parts]))

    def below(self, values: ArrayLike, included: bool) -> Floats:
        """Return the probability of less than each value, or of at most each value."""
        array = np.asarray(values, np.float64)
        shares = [share * _below(*steps, array, included) for share, steps in self._parts]
        return np.asarray(np.sum(shares, axis=0), np.float64)

    def edges(self) -> Floats:
        """Return the inner limits of tenths, as far as they differ."""
        levels = self.below(self.knots, True)
        wanted = np.linspace(0, 1, _BINS + 1)[1:-1]
        return np.asarray(np.unique(np.interp(wanted, levels, self.knots)), np.float64)


def _below(knots: Floats, low: Floats, high: Floats, values: Floats, included: bool) -> Floats:
    """Interpolate between quantiles, at each of which the distribution rises from low to high."""
    place = np.clip(np.searchsorted(knots, values), 0, len(knots) - 1)
    step = np.maximum(place - 1, 0)
    width = np.where(place > step, knots[place] - knots[step], 1.0)
    between = high[step] + (values - knots[step]) / width * (low[place] - high[step])
    inside = np.where(knots[place] == values, (high if included else low)[place], between)
    outside = np.where(values < knots[0], 0.0, 1.0)
    return np.where((values < knots[0]) | (values > knots[-1]), outside, inside)


@dataclass(frozen=True)
class Comparison:
    """A measure of a part next to the reference: both statistics, and where their bands end.

    A part that is beyond a band is unlike the reference sheets; ``sure`` says whether it is also
    unlike the line that these were taken from.
    """

    psi: float
    psi_band: float
    ks: float
    ks_band: float
    sure: bool

    @property
    def beyond(self) -> bool:
        """Whether the part is unlike the reference sheets."""
        return self.psi > self.psi_band or self.ks > self.ks_band

    @property
    def alarm(self) -> bool:
        """Whether the part is surely unlike the reference."""
        return self.beyond and self.sure


def why_untested(reference_sheets: int) -> str:
    """Say why a reference of so many sheets, 0 where nobody knows, is not used; empty if it is."""
    if reference_sheets >= LEAST_REFERENCE:
        return ""
    counted = f"of {reference_sheets}" if reference_sheets else "of an unknown number of"
    return f"the package's reference is {counted} sheets, and {LEAST_REFERENCE} are needed"


def reference_sheets(reference: Mapping[str, Sequence[float]]) -> int:
    """Return how many sheets a package's reference stands on; 0 where it does not say."""
    return int(reference[SHEETS][0]) if SHEETS in reference else 0


class DriftMonitor:
    """Compares parts with a package's reference, if that is of enough sheets.

    Attributes:
        untested: Why nothing is compared; empty where something is.
    """

    def __init__(self, reference: Mapping[str, Sequence[float]], config: DriftConfig) -> None:
        self._config = config
        self._sheets = reference_sheets(reference)
        self.untested = why_untested(self._sheets)
        self._reference = {
            name: Distribution([(1.0, reference[name])])
            for name in MEASURES
            if len(reference.get(name, ())) > 1 and not self.untested
        }
        share = config.expected_defect_share
        defective, clean = (reference.get(name, ()) for name in SCORES_BY_CLASS)
        self.reweighted = share is not None and len(defective) > 1 and len(clean) > 1
        if share is not None and self.reweighted and not self.untested:
            mixed = [(share, defective), (1 - share, clean)]
            self._reference["gate_score"] = Distribution(mixed)

    def compare(self, values: Mapping[str, Sequence[float]]) -> dict[str, Comparison]:
        """Compare a part's values of each measure; too few, or without reference, are left out."""
        rate = self._config.false_alarm_rate / max(1, _STATISTICS * len(self._reference))
        return {
            name: _compare(reference, np.sort(np.asarray(values[name], float)), rate, self._sheets)
            for name, reference in self._reference.items()
            if len(values.get(name, ())) >= _LEAST_SHEETS
        }


def _compare(
    reference: Distribution, values: Floats, rate: float, reference_sheets: int
) -> Comparison:
    probabilities, counts = _binned(reference, values)
    psi = float(_psi(counts[None], probabilities)[0])
    ks, sheets = _distance(reference, values), len(values)
    # Rounded, so that measures share one simulation.
    shares = tuple(probabilities.round(3).clip(1e-3).tolist())
    wide = kstwobign.isf(rate) * np.sqrt(1 / sheets + 1 / reference_sheets)
    sure = psi > psi_band(sheets, shares, rate, reference_sheets) or ks > wide
    band = psi_band(sheets, shares, rate)
    return Comparison(psi, band, ks, float(kstwo.isf(rate, sheets)), bool(sure))


def _distance(reference: Distribution, values: Floats) -> float:
    at_most = np.searchsorted(values, reference.knots, "right") / len(values)
    less = np.searchsorted(values, reference.knots, "left") / len(values)
    above = at_most - reference.below(reference.knots, True)
    under = reference.below(reference.knots, False) - less
    return float(max(above.max(), under.max(), 0.0))


def _binned(reference: Distribution, values: Floats) -> tuple[Floats, Floats]:
    edges = reference.edges()
    levels = np.concatenate([[0.0], reference.below(edges, True), [1.0]])
    reached = np.concatenate([[0], np.searchsorted(values, edges, "right"), [len(values)]])
    possible = np.diff(levels) > 0
    return np.diff(levels)[possible], np.diff(reached)[possible].astype(np.float64)


def _psi(counts: Floats, probabilities: Floats) -> Floats:
    """Return the index of each row of counts; half a sheet more in each bin, so none is empty."""
    smoothed = counts + 0.5
    shares = smoothed / smoothed.sum(axis=1, keepdims=True)
    terms = (shares - probabilities) * np.log(shares / probabilities)
    return np.asarray(terms.sum(axis=1), np.float64)


@lru_cache(maxsize=64)
def psi_band(
    sheets: int, probabilities: tuple[float, ...], rate: float, reference_sheets: int = 0
) -> float:
    """Return the index that so many sheets, drawn from the reference, exceed at a rate.

    From 50,000 simulated parts; below a rate of 1 to 5,000 a tail of that many is extended by
    the chi-squared distribution that the index times the sheets has in large parts.

    Args:
        sheets: Sheets of a part.
        probabilities: Of each bin.
        rate: How often it is exceeded.
        reference_sheets: Sheets from which the bins were found: the line's shares then have a
            Dirichlet distribution. 0 takes the bins as they are.
    """
    rng = np.random.default_rng(0)
    shares = np.asarray(probabilities, np.float64)
    shares = shares / shares.sum()
    true = rng.dirichlet(shares * (reference_sheets + 1), _DRAWS) if reference_sheets else shares
    indices = _psi(rng.multinomial(sheets, true, _DRAWS).astype(np.float64), shares)
    seen = max(rate, 10 / _DRAWS)
    freedom = max(1, len(shares) - 1)
    beyond = float(chi2.isf(rate, freedom) / chi2.isf(seen, freedom))
    return float(np.quantile(indices, 1 - seen)) * beyond


def as_record(comparisons: Mapping[str, Comparison]) -> dict[str, dict[str, Any]]:
    """Return comparisons as JSON holds them."""
    return {
        name: {
            **{key: round(vars(one)[key], 5) for key in ("psi", "psi_band", "ks", "ks_band")},
            "alarm": one.alarm,
        }
        for name, one in comparisons.items()
    }
