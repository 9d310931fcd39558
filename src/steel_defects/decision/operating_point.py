"""Thresholds of the gate, chosen for a recall and stated with what the data can prove."""

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from steel_defects.config import Config, Record
from steel_defects.decision.intervals import (
    CONFIDENCE,
    allowed_misses,
    lower_bound,
    needed_trials,
    upper_bound,
)
from steel_defects.decision.score_tables import require_numbers

Labels = NDArray[np.bool_]
Scores = NDArray[np.float64]
Groups = NDArray[np.int64]

Evidence = Literal["calibration", "out_of_fold"]


class Thresholds(NamedTuple):
    """The gate's thresholds on its calibrated score; see :class:`OperatingPoint`."""

    lower: float
    upper: float


class OperatingPointConfig(Config):
    """What the gate's thresholds should achieve.

    Attributes:
        target_recall: Share of defective sheets that must not be cleared; the rest is the escape
            rate that the mill can bear.
        target_false_positive_rate: Share of clean sheets that may reach the upper threshold.
        evidence: The scores to choose by: those of the calibration split, those of the
            cross-validation, or ``auto``, the latter where the former are too few to prove the
            target.
    """

    target_recall: float = Field(gt=0, lt=1)
    target_false_positive_rate: float = Field(gt=0, lt=1)
    evidence: Literal["auto", "calibration", "out_of_fold"] = "auto"


class Rates(Record):
    """What thresholds do to some sheets.

    Attributes:
        recall: Share of defective sheets that were not cleared; None without any.
        recall_bound: Lower one-sided confidence bound of it.
        false_positive_rate: Share of clean sheets that were not cleared; None without any.
        false_positive_bound: Upper one-sided confidence bound of it.
        defective_sheets: Defective sheets that this stands on.
        clean_sheets: Clean sheets that this stands on.
        accept_share: Share of all sheets below the lower threshold; None without any.
        review_share: Of those between the thresholds, the review band.
        reject_share: Of those from the upper one on.
    """

    recall: float | None
    recall_bound: float
    false_positive_rate: float | None
    false_positive_bound: float
    defective_sheets: int
    clean_sheets: int
    accept_share: float | None
    review_share: float | None
    reject_share: float | None


class OperatingPoint(Rates):
    """Thresholds on the calibrated score, and the evidence for them.

    ``recall_bound`` is that of a tolerance limit (Wilks 1941): with the given confidence at least
    this share of defective sheets scores at or above the lower threshold. It holds for sheets that
    are drawn like those of the evidence, whatever the distribution of their scores. The clean
    sheets play no part in the lower threshold, so that theirs is an ordinary binomial bound. All
    bounds, and what could prove more, count a group of look-alikes as one sheet.

    Attributes:
        lower_threshold: Sheets below it are cleared.
        upper_threshold: From here on a sheet that shows no region is suspicious in itself.
        allowed_misses: Defective sheets of the evidence that the lower threshold gives up; a group
            of look-alikes counts as one.
        tied_clean_sheets: Clean sheets of the evidence that score exactly the lower threshold and
            so are not cleared; a network that can tell sheets apart has none.
        rejected_clean_bound: Upper confidence bound of the share of clean sheets that reach the
            upper threshold.
        target_recall: What was asked for.
        confidence: Of all bounds.
        proven: Whether the bound reaches the target, on scores of the very model that is used.
        needed_defective_sheets: Fewest defective sheets, none of them missed, that could prove it.
        more_defective_sheets: How many more these are than there are.
        more_with_these_misses: How many more would prove it with as many missed as now.
        evidence_from: Where the scores come from.
        evidence: The same in words.
        test: What the thresholds do to the test sheets; None before they were looked at.
        temperature: Divides the logits of the gate's output.
        bias: Is then added to them.
        models: The weights that it belongs to; see :mod:`steel_defects.models.trained`.
    """

    lower_threshold: float
    upper_threshold: float
    allowed_misses: int
    tied_clean_sheets: int = 0
    rejected_clean_bound: float
    target_recall: float
    confidence: float
    proven: bool
    needed_defective_sheets: int
    more_defective_sheets: int
    more_with_these_misses: int
    evidence_from: Evidence = "calibration"
    evidence: str = ""
    test: Rates | None = None
    temperature: float = 1.0
    bias: float = 0.0
    models: dict[str, str] = Field(default_factory=dict)

    @property
    def thresholds(self) -> Thresholds:
        """The lower and the upper one."""
        return Thresholds(self.lower_threshold, self.upper_threshold)

    def clears(self, scores: Any) -> Any:
        """Say of a calibrated score, or of each in an array or a Series, whether it is cleared."""
        return scores < self.lower_threshold


def choose_operating_point(
    labels: Labels,
    scores: Scores,
    config: OperatingPointConfig,
    source: Evidence = "calibration",
    groups: Groups | None = None,
) -> OperatingPoint:
    """Choose thresholds on sheets that neither training nor calibration of the score has seen.

    The lower threshold is an order statistic of the defective sheets' scores: the highest one that
    proves the target recall, or, where none does, the highest one that keeps it on these sheets.
    The upper one is that of the clean sheets' scores which at most the target share exceeds.
    A group of look-alikes is one trial: its defective sheets count as the one with the lowest
    score, its clean ones as the one with the highest.

    Args:
        labels: Whether each sheet is defective, of shape ``(sheets,)``.
        scores: Calibrated probability, 0 to 1, of the same shape, or ``(repeats, sheets)``, where
            repeats of a sheet count as one. Below 0 for sheets that are cleared already.
        config: The targets.
        source: Where the scores come from; those out of fold prove nothing of the model in use.
        groups: Which sheets look alike, of the shape of ``labels``; None for each by itself.
    """
    require_numbers(scores)
    table, target, confidence = np.atleast_2d(scores), config.target_recall, CONFIDENCE
    repeats = len(table)
    defective, clean = (np.sort(part, axis=None) for part in _trials(table, labels, groups))
    trials, clean_trials = len(defective) // repeats, len(clean) // repeats
    lower, misses, proves = _lower_threshold(defective, repeats, target)
    alarms = _share_of(config.target_false_positive_rate, clean_trials)
    upper = np.nextafter(clean[-1 - alarms * repeats], 2) if clean_trials else 1.0
    upper = min(1.0, max(lower, float(upper)))
    needed = needed_trials(0, target, confidence)
    rates = measure_rates(labels, scores, Thresholds(lower, upper), groups).model_dump()
    rates["recall_bound"] = lower_bound(trials - misses, trials, confidence)
    return OperatingPoint(
        **rates,
        lower_threshold=lower,
        upper_threshold=upper,
        allowed_misses=misses,
        tied_clean_sheets=int((table == lower).any(axis=0)[~labels].sum()),
        rejected_clean_bound=upper_bound(alarms, clean_trials, confidence),
        target_recall=target,
        confidence=confidence,
        proven=proves and source == "calibration",
        needed_defective_sheets=needed,
        more_defective_sheets=max(0, needed - trials),
        more_with_these_misses=max(0, needed_trials(misses, target, confidence) - trials),
        evidence_from=source,
    )


def _lower_threshold(defective: Scores, repeats: int, target: float) -> tuple[float, int, bool]:
    """Return the threshold, the trials that it gives up, and whether that proves the target."""
    trials = len(defective) // repeats
    misses = allowed_misses(trials, target, CONFIDENCE)
    proves = misses >= 0
    if not proves:
        misses = _share_of(1 - target, trials)
    lower = max(0.0, float(defective[misses * repeats])) if trials else 0.0
    lost = math.ceil((defective < lower).sum() / repeats)
    return (lower, lost, False) if lost > misses else (lower, misses, proves)


def _trials(table: Scores, labels: Labels, groups: Groups | None) -> tuple[Scores, Scores]:
    """Return what groups of look-alikes count as, each of shape ``(repeats, groups)``.

    That is the lowest of a group's defective sheets, and the highest of its clean ones.
    """
    groups = np.arange(len(labels)) if groups is None else groups
    trials = []
    for kind, worst in ((labels, np.minimum), (~labels, np.maximum)):
        order = np.argsort(groups[kind], kind="stable")
        starts = np.flatnonzero(np.diff(groups[kind][order], prepend=-1))
        scores = table[:, kind][:, order]
        trials.append(worst.reduceat(scores, starts, axis=1) if len(starts) else scores)
    return trials[0], trials[1]


def _share_of(share: float, sheets: int) -> int:
    # The epsilon keeps (1 - 0.9) * 10 from counting as 0.999….
    return math.floor(share * sheets + 1e-9)


def measure_rates(
    labels: Labels, scores: Scores, thresholds: Thresholds, groups: Groups | None = None
) -> Rates:
    """Measure what two thresholds do to sheets; the bounds hold for sheets that did not set them.

    Rates count sheets, bounds groups of look-alikes: a group is missed if one of its sheets is.

    Args:
        labels: Whether each sheet is defective, of shape ``(sheets,)``.
        scores: Calibrated probability, of the same shape, or ``(repeats, sheets)``.
        thresholds: Sheets below the lower one are cleared, those from the upper one on rejected.
        groups: Which sheets look alike, of the shape of ``labels``; None for each by itself.
    """
    require_numbers(scores)
    table, (lower, upper) = np.atleast_2d(scores), thresholds
    passed = (table >= lower).mean(axis=0)  # share of the repeats, by sheet
    defective, clean = ((part >= lower).mean(axis=0) for part in _trials(table, labels, groups))
    # Rounded to whole trials against the gate; the epsilon forgives the division by repeats.
    hits = math.floor(float(defective.sum()) + 1e-9)
    alarms = math.ceil(float(clean.sum()) - 1e-9)
    return Rates(
        recall=_mean(passed[labels]),
        recall_bound=lower_bound(hits, len(defective), CONFIDENCE),
        false_positive_rate=_mean(passed[~labels]),
        false_positive_bound=upper_bound(alarms, len(clean), CONFIDENCE),
        defective_sheets=int(labels.sum()),
        clean_sheets=int((~labels).sum()),
        accept_share=_mean(table < lower),
        review_share=_mean((table >= lower) & (table < upper)),
        reject_share=_mean(table >= upper),
    )


def _mean(values: NDArray[np.generic]) -> float | None:
    return float(np.mean(values.astype(float))) if values.size else None
