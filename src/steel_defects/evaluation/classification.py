"""How well scores tell defective sheets from clean ones."""

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from steel_defects.decision.score_tables import require_numbers

Labels = NDArray[np.bool_]
Scores = NDArray[np.float64]

#: A calibrated probability from which a sheet counts as defective, unless sheets say better.
EVEN_ODDS = 0.5

#: Fewer sheets of a kind than this say nothing about where a threshold should lie.
FEWEST_OF_A_KIND = 10

#: Recalls at which the false positives are given, and their columns.
RECALLS = {f"fpr_at_recall_{round(100 * recall)}": recall for recall in (0.95, 0.98, 0.99)}

LEAST_PROBABILITY = 1e-7  # keeps the logarithm of a probability finite


def classification_metrics(
    labels: Labels, scores: Scores, threshold: float | Scores = EVEN_ODDS
) -> dict[str, float]:
    """Summarise scores of sheets.

    Args:
        labels: Whether each sheet is defective, of shape ``(sheets,)``.
        scores: Calibrated probability of a defect, 0 to 1, of the same shape.
        threshold: From which score on a sheet counts as defective; one for all, or one a sheet.

    Returns:
        ``sheets``, ``accuracy``, ``balanced_accuracy``, ``recall``, ``false_positive_rate``,
        ``roc_auc``, ``pr_auc`` (average precision), ``brier``, ``log_loss``. Rates are 0 to 1; one
        that needs sheets of a kind that is absent is NaN.

    Raises:
        SteelDefectsError: A score is not a number.
    """
    require_numbers(scores)
    decisions = scores >= threshold
    recall, false_positives = _share(decisions[labels]), _share(decisions[~labels])
    both = labels.any() and not labels.all()
    clipped = np.clip(scores, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return {
        "sheets": len(labels),
        "accuracy": _share(decisions == labels),
        "balanced_accuracy": (recall + 1 - false_positives) / 2,
        "recall": recall,
        "false_positive_rate": false_positives,
        "roc_auc": float(metrics.roc_auc_score(labels, scores)) if both else float("nan"),
        "pr_auc": float(metrics.average_precision_score(labels, scores)) if both else float("nan"),
        "brier": float(np.mean((scores - labels) ** 2)) if len(labels) else float("nan"),
        "log_loss": float(metrics.log_loss(labels, clipped, labels=[False, True]))
        if len(labels)
        else float("nan"),
    }


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
    widths = np.where(right == right.max(), highs - lows, -1.0)
    best = int(np.argmax(widths))
    middle = (lows[best] + highs[best]) / 2
    return float(middle if middle > lows[best] or best == 0 else highs[best])


def confusion(labels: Labels, scores: Scores, threshold: float) -> NDArray[np.int64]:
    """Count decisions: rows clean and defective, columns cleared and flagged; shape ``(2, 2)``."""
    cells = 2 * labels.astype(np.int64) + (scores >= threshold)
    return np.bincount(cells, minlength=4).reshape(2, 2).astype(np.int64)


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else float("nan")
