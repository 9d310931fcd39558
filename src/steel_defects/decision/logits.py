"""Logits of probabilities that were stored in few digits."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

_NEARLY_CERTAIN = 1e-3  # one class of a map in 8 bits is never surer than that


def clipped_logits(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log odds of probabilities, 0 to 1, none of them further than 6.9 from 0."""
    return np.asarray(logit(np.clip(probabilities, _NEARLY_CERTAIN, 1 - _NEARLY_CERTAIN)))
