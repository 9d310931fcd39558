"""Turning a network's output into a probability that means what it says.

The loss weighs clean and defective sheets the same, whatever their numbers, so that the output is a
probability for a mill in which half of the sheets are defective. Two corrections make it one for
the sheets at hand: a temperature divides its logit (Guo et al. 2017, arXiv:1706.04599), and a bias
is added, which is that of the class balance (Saerens et al. 2002, Neural Computation 14) until the
sheets say otherwise (as in Platt 1999).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from steel_defects.config import Config
from steel_defects.decision.score_tables import require_numbers

Labels = NDArray[np.bool_]
Scores = NDArray[np.float64]

_NEARLY_CERTAIN = 1e-6  # a network's outputs are held away from 0 and 1, by so much
_LOG_RANGE = (-2.5, 2.5)  # of the temperature: about 1/12 to 12
_BIAS_RANGE = (-6.0, 6.0)  # of what is added to the bias of the class balance
# Standard deviations of the normal priors. A dozen sheets fitted without them made the log loss
# worse by 0.2 to 0.5 on drawn scores, with them better wherever the temperature was not 1.
_LOG_TEMPERATURE_SD = 0.5
_BIAS_SD = 0.5


class Calibration(Config):
    """What turns outputs into calibrated probabilities.

    Attributes:
        temperature: Divides the logits; above 1 it softens.
        bias: Is then added to them; above 0 it makes a defect more likely.
    """

    temperature: float = 1.0
    bias: float = 0.0

    def apply(self, outputs: Scores) -> Scores:
        """Calibrate outputs, 0 to 1, of any shape."""
        return scale_scores(outputs, self.temperature, self.bias)


def clipped_logits(probabilities: Scores, nearly_certain: float = 1e-3) -> Scores:
    """Return log odds of probabilities, held away from 0 and 1, whose log odds are infinite.

    By default that is as for one class of a map in 8 bits, which is never surer: 6.9 from 0.
    """
    numbers = np.asarray(probabilities, np.float64)
    return np.asarray(logit(np.clip(numbers, nearly_certain, 1 - nearly_certain)))


def scale_scores(scores: Scores, temperature: float, bias: float = 0.0) -> Scores:
    """Divide the logits of probabilities by a temperature, and add a bias."""
    return np.asarray(expit(clipped_logits(scores, _NEARLY_CERTAIN) / temperature + bias))


def class_balance_bias(training_labels: Labels) -> float:
    """Return the logit of the share of defective sheets, held away from 0 and 1 by half a sheet.

    It corrects outputs of a network that was trained as if both kinds were equally frequent.
    """
    defective, sheets = int(training_labels.sum()), len(training_labels)
    return float(np.log((defective + 0.5) / (sheets - defective + 0.5)))


def fit_calibration(
    labels: Labels,
    outputs: Scores,
    training_labels: Labels,
    weights: NDArray[np.float64] | None = None,
) -> Calibration:
    """Find temperature and bias with the highest posterior probability.

    A temperature of 1 and the bias of the class balance are taken for granted as long as there are
    few sheets: the logarithm of the temperature has a normal prior of mean 0 and standard deviation
    0.5, the bias one around that of the class balance, of 0.5. With hundreds of sheets the
    priors no longer matter, and what is found is the maximum of the likelihood.

    Args:
        labels: Whether each sheet is defective, of shape ``(sheets,)``.
        outputs: The network's output, 0 to 1, of the same shape, on sheets it was not fitted to.
        training_labels: Whether each sheet that the network was fitted to is defective.
        weights: How much each row counts, of the same shape as ``labels``; a sheet that has several
            rows should count once in all. None for once each.

    Returns:
        Temperature between 0.08 and 12, and the bias; 1 and that of the class balance where the
        sheets are all of one kind.

    Raises:
        SteelDefectsError: An output is not a number.
    """
    require_numbers(outputs)
    balance = class_balance_bias(training_labels)
    if labels.all() or not labels.any():
        return Calibration(temperature=1.0, bias=balance)
    logits = clipped_logits(outputs, _NEARLY_CERTAIN)
    counts = np.ones(len(labels)) if weights is None else weights

    def loss(point: Scores) -> tuple[float, Scores]:
        """Minus the logarithm of the posterior, a row, and its gradient."""
        scaled = logits / np.exp(point[0])
        shifted = scaled + balance + point[1]
        value = counts @ np.logaddexp(0, np.where(labels, -shifted, shifted))
        residual = counts * (expit(shifted) - labels)
        slope = np.array([-(residual @ scaled), residual.sum()])
        value += (point**2 / (2 * variances)).sum()
        return float(value) / counts.sum(), (slope + point / variances) / counts.sum()

    variances = np.array([_LOG_TEMPERATURE_SD, _BIAS_SD]) ** 2
    best = minimize(
        loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[_LOG_RANGE, _BIAS_RANGE]
    )
    return Calibration(temperature=float(np.exp(best.x[0])), bias=balance + float(best.x[1]))
