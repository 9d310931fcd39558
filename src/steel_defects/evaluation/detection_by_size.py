"""Which defects are found, by their size: probability of detection (POD).

The hit/miss model of MIL-HDBK-1823A (Department of Defense 2009, Nondestructive Evaluation System
Reliability Assessment): the logit of the probability that a defect is found rises linearly with the
logarithm of its size. ``a90`` is the size that is found nine times out of ten, ``a90/95`` its upper
95 % confidence bound, by the likelihood ratio as in the handbook's appendix G.
"""

import math
from collections.abc import Iterator, Mapping

import cv2
import numpy as np
import pandas as pd
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.special import expit, logit
from scipy.stats import chi2

from steel_defects.config import Record
from steel_defects.decision.intervals import lower_bound
from steel_defects.decision.score_tables import Flags, Floats
from steel_defects.evaluation.segmentation import sizes_of
from steel_defects.labels import rle as run_length
from steel_defects.tables.declared import DEFECT_TARGETS

_CONFIDENCE = 0.95
_WANTED_TARGETS = 60  # that the handbook asks for, to trust a curve of hits and misses
_LEAST_TARGETS = 10
_STEEPEST = 60.0  # slope, in standard deviations of the logarithm of the size
_WIDEST = 60.0  # standard deviations over which the bound is looked for


class DetectionCurve(Record):
    """What hits and misses say of the size from which defects are found.

    Attributes:
        targets: Defects that could be found.
        found: Those that were.
        smallest_px: Area of the smallest defect, pixels; None without any.
        largest_px: Of the largest one.
        intercept: Of the logit at 1 pixel; None where no curve can be fitted.
        slope: Of the logit with the natural logarithm of the area.
        a50_px: Area that is found half of the time.
        a90_px: Area that is found nine times out of ten.
        a90_95_px: Upper 95 % confidence bound of ``a90_px``; None where it can't be given.
        remark: What it stands on, or why it can't be given.
    """

    targets: int
    found: int
    smallest_px: int | None = None
    largest_px: int | None = None
    intercept: float | None = None
    slope: float | None = None
    a50_px: float | None = None
    a90_px: float | None = None
    a90_95_px: float | None = None
    remark: str = ""

    def probability(self, sizes_px: Floats) -> Floats:
        """Return the fitted probability that defects of these areas, pixels, are found."""
        if self.intercept is None or self.slope is None:
            return np.full(np.shape(sizes_px), np.nan)
        return np.asarray(expit(self.intercept + self.slope * np.log(sizes_px)))


class DetectionBySize(Record):
    """From which size defects are found, on the broadest set of sheets there is.

    Attributes:
        evaluation: ``test`` or ``out_of_fold``.
        sheets: How many sheets it stands on.
        curves: Of all classes together, and of each by number and name.
    """

    evaluation: str
    sheets: int
    curves: dict[str, DetectionCurve]


def defect_targets(
    predictions: pd.DataFrame, annotations: pd.DataFrame, sheets: pd.DataFrame
) -> pd.DataFrame:
    """List the true defects of predicted sheets, and which of them were found.

    A defect is an 8-connected region of a true mask; it is found where the predicted mask of its
    class has any pixel in it.

    Arguments are those of :func:`steel_defects.evaluation.segmentation.pair_table`.

    Returns:
        The table ``defect_targets``, one row per defect.
    """
    predicted = predictions.set_index(["sheet_id", "class_id"])["rle"].to_dict()
    known = annotations[annotations["sheet_id"].isin(set(predictions["sheet_id"]))]
    sizes = sizes_of(sheets)
    columns = known[["sheet_id", "class_id", "rle"]]
    rows = [
        (sheet_id, class_id, area, covered[class_id] > 0)
        for sheet_id, class_id, rle in columns.itertuples(index=False, name=None)
        for area, covered in covered_regions(
            rle, {class_id: predicted.get((sheet_id, class_id), "")}, *sizes[sheet_id]
        )
    ]
    return DEFECT_TARGETS.typed(rows)


def covered_regions(
    rle: str, others: Mapping[int, str], height: int, width: int
) -> Iterator[tuple[int, dict[int, int]]]:
    """Yield the area of each 8-connected region of a mask, and how much of it others cover.

    Args:
        rle: The mask, encoded.
        others: Other encoded masks, by class.
        height: Rows of the sheet.
        width: Columns of the sheet.

    Yields:
        Pixels of the region, and of it those in the mask of each class.
    """
    mask = run_length.decode(rle, height, width)
    count, labels, facts, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    covered = {
        class_id: np.bincount(labels[run_length.decode(other, height, width) > 0], minlength=count)
        for class_id, other in others.items()
    }
    for number in range(1, count):
        area = int(facts[number, cv2.CC_STAT_AREA])
        yield area, {class_id: int(pixels[number]) for class_id, pixels in covered.items()}


def detection_curve(sizes_px: Floats, found: Flags) -> DetectionCurve:
    """Fit the probability of detection to hits and misses; without a curve, say why.

    Args:
        sizes_px: Areas of the defects, pixels, from 1, of shape ``(targets,)``.
        found: Whether each was found, of the same shape.
    """
    if not len(found):
        return DetectionCurve(targets=0, found=0, remark="There is no defect to find.")
    curve = DetectionCurve(
        targets=len(found),
        found=int(found.sum()),
        smallest_px=int(sizes_px.min()),
        largest_px=int(sizes_px.max()),
        remark=_why_no_curve(sizes_px, found),
    )
    if curve.remark:
        return curve
    logs = np.log(sizes_px)
    centre, spread = float(logs.mean()), float(logs.std())
    scaled = (logs - centre) / spread
    intercept, slope = _fit(scaled, found)
    if slope <= 0:
        return curve.model_copy(update={"remark": "Larger defects were not found more often."})
    bound = _upper_bound(scaled, found, intercept, slope)
    a90_95 = None if bound is None else _size(centre + spread * bound)
    beyond = a90_95 is not None and a90_95 > sizes_px.max()
    return curve.model_copy(
        update={
            "intercept": intercept - slope * centre / spread,
            "slope": slope / spread,
            "a50_px": _size(centre - spread * intercept / slope),
            "a90_px": _size(centre + spread * ((logit(0.9) - intercept) / slope)),
            "a90_95_px": None if beyond else a90_95,
            "remark": _remark(len(found), a90_95, beyond),
        }
    )


def _why_no_curve(sizes_px: Floats, found: Flags) -> str:
    hits, targets = int(found.sum()), len(found)
    if hits == targets:
        sure = lower_bound(hits, targets, _CONFIDENCE)
        return (
            f"None of {targets:,} was missed, so that no curve can be fitted; with 95 % confidence "
            f"at least {100 * sure:.1f} % of such defects are found."
        )
    if not hits:
        return f"None of {targets:,} was found."
    if targets < _LEAST_TARGETS:
        return f"{targets:,} defects are too few to fit a curve to."
    if sizes_px.min() == sizes_px.max():
        return "All defects are of one size."
    if sizes_px[found].min() >= sizes_px[~found].max():
        return "No found defect is smaller than a missed one: any steep curve would fit."
    return ""


def _remark(targets: int, a90_95: float | None, beyond: bool) -> str:
    few = ""
    if targets < _WANTED_TARGETS:
        few = f" It stands on {targets:,} defects; the handbook asks for {_WANTED_TARGETS}."
    if a90_95 is None:
        return f"With 95 % confidence, no size can be named from which nine in ten are found.{few}"
    if beyond:
        return f"The 90/95 point lies above the largest defect and is not given.{few}"
    return few.strip()


def _fit(logs: Floats, found: Flags) -> tuple[float, float]:
    """Return intercept and slope of the highest likelihood."""
    start = np.array([float(logit(found.mean())), 1.0])
    best = minimize(lambda b: -_log_likelihood(b[0] + b[1] * logs, found), start, method="BFGS").x
    return float(best[0]), float(best[1])


def _upper_bound(logs: Floats, found: Flags, intercept: float, slope: float) -> float | None:
    """Return the largest ``a90``, scaled as ``logs``, that the likelihood ratio allows."""
    highest = _log_likelihood(intercept + slope * logs, found)
    # A one-sided bound: twice the other side's share is cut off.
    allowed = float(chi2.ppf(2 * _CONFIDENCE - 1, 1))

    def excess(place: float) -> float:
        def loss(steepness: float) -> float:
            return -_log_likelihood(logit(0.9) + steepness * (logs - place), found)

        best = minimize_scalar(loss, bounds=(0.0, _STEEPEST), method="bounded").fun
        return float(2 * (highest + best) - allowed)

    start = (logit(0.9) - intercept) / slope
    end = start + _WIDEST
    return float(brentq(excess, start, end)) if excess(start) < 0 < excess(end) else None


def _log_likelihood(logits: Floats, found: Flags) -> float:
    return float((found * logits - np.logaddexp(0, logits)).sum())


def _size(logarithm: float) -> float:
    return math.exp(min(logarithm, 700.0))
