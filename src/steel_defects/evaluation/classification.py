"""How well scores tell defective sheets from clean ones."""

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

Labels = NDArray[np.bool_]
Scores = NDArray[np.float64]

#: A calibrated probability from which a sheet counts as defective in accuracy figures.
EVEN_ODDS = 0.5


def classification_metrics(labels: Labels, scores: Scores) -> dict[str, float]:
    """Summarise scores of sheets.

    Args:
        labels: Whether each sheet is defective, of shape ``(sheets,)``.
        scores: Calibrated probability of a defect, 0 to 1, of the same shape.

    Returns:
        ``sheets``, ``accuracy``, ``balanced_accuracy``, ``recall``, ``false_positive_rate``,
        ``roc_auc``, ``pr_auc`` (average precision), ``brier``, ``log_loss``. Rates are 0 to 1; one
        that needs sheets of a kind that is absent is NaN.
    """
    decisions = scores >= EVEN_ODDS
    recall, false_positives = _share(decisions[labels]), _share(decisions[~labels])
    both = labels.any() and not labels.all()
    clipped = np.clip(scores, 1e-7, 1 - 1e-7)
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


def confusion(labels: Labels, scores: Scores, threshold: float) -> NDArray[np.int64]:
    """Count decisions: rows clean and defective, columns cleared and flagged; shape ``(2, 2)``."""
    cells = 2 * labels.astype(np.int64) + (scores >= threshold)
    return np.bincount(cells, minlength=4).reshape(2, 2).astype(np.int64)


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else float("nan")
