"""Whether probabilities come true: of sheets scored 0.8, are eight in ten defective?"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.decision.intervals import CONFIDENCE, share_interval

Labels = NDArray[np.bool_]
Scores = NDArray[np.float64]

BINS = 15
_LEAST_SHEETS = 10  # in a bin: of fewer, a share says next to nothing


def reliability_table(
    labels: Labels, scores: Scores, bins: int = BINS, confidence: float = CONFIDENCE
) -> pd.DataFrame:
    """Compare the mean score with the share of defective sheets, in bins of about equal mass.

    Args:
        labels: Whether each sheet is defective, of shape ``(sheets,)``.
        scores: Probability of a defect, 0 to 1, of the same shape.
        bins: Bins at most; fewer where a bin would hold less than ten sheets. Equal scores share a
            bin, so that many of them leave fewer bins, too.
        confidence: Of the exact intervals (Clopper and Pearson 1934).

    Returns:
        One row a bin, from low scores to high: ``sheets``, ``mean_score``, ``defective_share``,
        ``low`` and ``high`` (the interval of that share); no rows of no sheets.
    """
    rows = []
    for inside in _equal_masses(scores, bins):
        hits, sheets = int(labels[inside].sum()), len(inside)
        interval = share_interval(hits, sheets, confidence)
        rows.append((sheets, float(scores[inside].mean()), hits / sheets, *interval))
    return pd.DataFrame(rows, columns=["sheets", "mean_score", "defective_share", "low", "high"])


def _equal_masses(scores: Scores, bins: int) -> list[NDArray[np.int64]]:
    """Divide sheets by score; returns the places of each bin's, none of them empty."""
    bins = max(1, min(bins, len(scores) // _LEAST_SHEETS))
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    ends = np.round(np.arange(1, bins) * len(scores) / bins).astype(int)
    # An end in the midst of equal scores moves to the first of them.
    starts = np.unique(np.searchsorted(ordered, ordered[ends])) if len(scores) else ends
    return [part for part in np.split(order, starts) if len(part)]


def expected_calibration_error(labels: Labels, scores: Scores, bins: int = BINS) -> float:
    """Return the mean distance of bins from the diagonal (Naeini et al. 2015; Guo et al. 2017).

    Bins are of about equal mass, which biases the figure less than bins of equal width (Nixon et
    al. 2019, arXiv:1904.01685). It is never quite 0: of perfect probabilities n sheets in b bins
    leave up to about 0.4 √(b / n).

    Args:
        labels: Whether each sheet is defective, of shape ``(sheets,)``.
        scores: Probability of a defect, 0 to 1, of the same shape.
        bins: As in :func:`reliability_table`.

    Returns:
        0 to 1, lower is better; NaN of no sheets.
    """
    if not len(scores):
        return float("nan")
    table = reliability_table(labels, scores, bins)
    gaps = (table["mean_score"] - table["defective_share"]).abs()
    return float(np.average(gaps, weights=table["sheets"]))
