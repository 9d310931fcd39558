"""Thresholds of the gate, chosen for a recall and stated with what the data can prove."""

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import beta

from steel_defects.config import Config


class OperatingPointConfig(Config):
    """What the gate's thresholds should achieve."""

    target_recall: float = Field(gt=0, lt=1)
    target_false_positive_rate: float = Field(gt=0, lt=1)
    confidence: float = Field(default=0.95, gt=0, lt=1)


class OperatingPoint(Config):
    """Thresholds on the calibrated score, and the evidence for them.

    Attributes:
        lower_threshold: Sheets below it are cleared.
        upper_threshold: From here on a sheet that shows no region is suspicious in itself.
        recall: Share of defective sheets that were not cleared.
        recall_bound: Lower one-sided confidence bound of it.
        false_positive_rate: Share of clean sheets that were not cleared.
        false_positive_bound: Upper one-sided confidence bound of it.
        defective_sheets: Defective sheets that this stands on.
        clean_sheets: Clean sheets that this stands on.
        target_recall: What was asked for.
        proven: Whether the bound reaches the target.
        needed_defective_sheets: Fewest defective sheets, none of them missed, that could prove it.
        confidence: Of both bounds.
    """

    lower_threshold: float
    upper_threshold: float
    recall: float | None
    recall_bound: float
    false_positive_rate: float | None
    false_positive_bound: float
    defective_sheets: int
    clean_sheets: int
    target_recall: float
    proven: bool
    needed_defective_sheets: int
    confidence: float


def lower_bound(hits: int, trials: int, confidence: float) -> float:
    """Exact one-sided lower bound of a share (Clopper and Pearson 1934)."""
    return float(beta.ppf(1 - confidence, hits, trials - hits + 1)) if hits else 0.0


def upper_bound(hits: int, trials: int, confidence: float) -> float:
    """Exact one-sided upper bound of a share (Clopper and Pearson 1934)."""
    return float(beta.ppf(confidence, hits + 1, trials - hits)) if hits < trials else 1.0


def choose_operating_point(
    labels: NDArray[np.bool_], scores: NDArray[np.float64], config: OperatingPointConfig
) -> OperatingPoint:
    """Choose thresholds on sheets that neither training nor calibration of the score has seen.

    The lower threshold is an order statistic of the defective sheets' scores: the highest one that
    still keeps the target recall. The upper one is that of the clean sheets' scores which at most
    the target share exceeds. Without defective sheets nothing is cleared.

    Args:
        labels: Whether each sheet is defective, of shape ``(sheets,)``.
        scores: Calibrated probability, 0 to 1, of the same shape.
        config: The targets.
    """
    defective, clean = np.sort(scores[labels]), np.sort(scores[~labels])
    # The epsilon keeps (1 - 0.9) * 10 from counting as 0.999….
    misses = math.floor((1 - config.target_recall) * len(defective) + 1e-9)
    lower = float(defective[misses]) if len(defective) else 0.0
    alarms = math.floor(config.target_false_positive_rate * len(clean) + 1e-9)
    upper = float(np.nextafter(clean[len(clean) - 1 - alarms], 2)) if len(clean) else 1.0
    hits, false = int((defective >= lower).sum()), int((clean >= lower).sum())
    bound = lower_bound(hits, len(defective), config.confidence)
    return OperatingPoint(
        lower_threshold=lower,
        upper_threshold=min(1.0, max(lower, upper)),
        recall=hits / len(defective) if len(defective) else None,
        recall_bound=bound,
        false_positive_rate=false / len(clean) if len(clean) else None,
        false_positive_bound=upper_bound(false, len(clean), config.confidence),
        defective_sheets=len(defective),
        clean_sheets=len(clean),
        target_recall=config.target_recall,
        proven=bound >= config.target_recall,
        needed_defective_sheets=math.ceil(
            math.log(1 - config.confidence) / math.log(config.target_recall)
        ),
        confidence=config.confidence,
    )
