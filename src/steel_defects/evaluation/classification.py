"""From which score on a sheet counts as defective, and whether probabilities come true."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.decision.intervals import share_interval
from steel_defects.decision.score_tables import require_numbers

Labels = NDArray[np.bool_]
Scores = NDArray[np.float64]

#: A calibrated probability from which a sheet counts as defective, unless sheets say better.
EVEN_ODDS = 0.5
#: Fewer sheets of a kind than this say nothing about where a threshold should lie.
FEWEST_OF_A_KIND = 10

_BINS = 15
_LEAST_SHEETS = 10  # in a bin: of fewer, a share says next to nothing


def accuracy_threshold(labels: Labels, scores: Scores, weights: Scores | None = None) -> float:
    """Choose the threshold at which most sheets are judged rightly.

    Among equals it lies in the middle of the widest gap between two scores, 0 and 1 included:
    there new scores have the most room.

    Args:
        labels: Whether each sheet is defective, of shape ``(sheets,)``.
        scores: Calibrated probability, 0 to 1, of the same shape; of sheets that no figure of
            accuracy stands on.
        weights: How much each row counts, of the same shape; a sheet that has several rows should
            count once in all. None for once each.

    Returns:
        The score from which a sheet counts as defective; even odds where fewer than
        :data:`FEWEST_OF_A_KIND` sheets are clean or as few defective.

    Raises:
        SteelDefectsError: A score is not a number.
    """
    require_numbers(scores)
    counted = np.ones(len(labels)) if weights is None else weights
    sheets = [round(float(counted[kind].sum()), 6) for kind in (labels, ~labels)]
    if min(sheets) < FEWEST_OF_A_KIND:
        return EVEN_ODDS
    values, places = np.unique(scores, return_inverse=True)
    missed = np.bincount(places, labels * counted, len(values)).cumsum()
    spared = np.bincount(places, ~labels * counted, len(values)).cumsum()
    # Judged rightly when the threshold lies above the first 0, 1, 2, … distinct scores. Rounded:
    # sums of thirds that should be equal are not.
    right = np.concatenate([[0], spared - missed]).round(6)
    edges = np.concatenate([[0.0], values, [np.nextafter(1.0, 2.0)]])
    lows, highs = edges[:-1], edges[1:]
    best = int(np.argmax(np.where(right == right.max(), highs - lows, -1.0)))
    middle = (lows[best] + highs[best]) / 2
    return float(middle if middle > lows[best] or best == 0 else highs[best])


def confusion(labels: Labels, scores: Scores, threshold: float) -> NDArray[np.int64]:
    """Count decisions: rows clean and defective, columns cleared and flagged; shape ``(2, 2)``."""
    cells = 2 * labels.astype(np.int64) + (scores >= threshold)
    return np.bincount(cells, minlength=4).reshape(2, 2).astype(np.int64)


def reliability_table(labels: Labels, scores: Scores) -> pd.DataFrame:
    """Compare the mean score with the share of defective sheets, in bins of about equal mass.

    There are fewer bins where one would hold less than ten sheets. Equal scores share a bin, so
    that many of them leave fewer bins, too.

    Args:
        labels: Whether each sheet is defective, of shape ``(sheets,)``.
        scores: Probability of a defect, 0 to 1, of the same shape.

    Returns:
        One row per bin, from low scores to high: ``sheets``, ``mean_score``, ``defective_share``,
        ``low`` and ``high`` (the exact interval of that share); no rows of no sheets.
    """
    bins = max(1, min(_BINS, len(scores) // _LEAST_SHEETS))
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    ends = np.round(np.arange(1, bins) * len(scores) / bins).astype(int)
    # An end in the midst of equal scores moves to the first of them.
    starts = np.unique(np.searchsorted(ordered, ordered[ends])) if len(scores) else ends
    rows = [
        (
            len(part),
            float(scores[part].mean()),
            int(labels[part].sum()) / len(part),
            *share_interval(int(labels[part].sum()), len(part)),
        )
        for part in np.split(order, starts)
        if len(part)
    ]
    return pd.DataFrame(rows, columns=["sheets", "mean_score", "defective_share", "low", "high"])


def expected_calibration_error(labels: Labels, scores: Scores) -> float:
    """Return the mean distance of bins from the diagonal (Naeini et al. 2015; Guo et al. 2017).

    Bins are those of :func:`reliability_table`: equal masses bias the figure less than equal widths
    (Nixon et al. 2019, arXiv:1904.01685). It is never quite 0: of perfect probabilities n sheets in
    b bins leave up to about 0.4 √(b / n).

    Returns:
        0 to 1, lower is better; NaN of no sheets.
    """
    if not len(scores):
        return float("nan")
    table = reliability_table(labels, scores)
    gaps = (table["mean_score"] - table["defective_share"]).abs()
    return float(np.average(gaps, weights=table["sheets"]))
