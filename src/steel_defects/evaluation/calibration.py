"""Turning a network's output into a probability that means what it says."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

_NEARLY_CERTAIN = 1e-6  # outputs are held away from 0 and 1, whose logits are infinite
_LOG_RANGE = (-2.5, 2.5)  # of the temperature: about 1/12 to 12


def scale_scores(scores: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Divide the logits of probabilities by a temperature; above 1 it softens them."""
    return np.asarray(expit(_logits(scores) / temperature))


def fit_temperature(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Find the temperature with the lowest log loss (Guo et al. 2017, arXiv:1706.04599).

    Args:
        labels: Whether each sheet is defective, of shape ``(sheets,)``.
        scores: The network's output, 0 to 1, of the same shape.

    Returns:
        A temperature between 0.08 and 12; 1 where the sheets are all of one kind.
    """
    if labels.all() or not labels.any():
        return 1.0

    # Of the wrong side; from logits, since a sharpened probability may round to 0 or 1.
    logits = np.where(labels, -1, 1) * _logits(scores)

    def log_loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, logits / np.exp(log_temperature)).mean())

    best = minimize_scalar(log_loss, bounds=_LOG_RANGE, method="bounded")
    return float(np.exp(best.x))


def _logits(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(np.asarray(scores, np.float64), _NEARLY_CERTAIN, 1 - _NEARLY_CERTAIN)
    return np.asarray(logit(clipped))
