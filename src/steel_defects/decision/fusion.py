"""What several networks say together: of a class on a sheet, and of the sheet as a whole.

Gate, presence head and map look at different things and err on different sheets. A logistic
regression on their logits (stacked generalization, Wolpert 1992, Neural Networks 5) is fitted to
sheets that none of them has seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit

from steel_defects.config import Config, Record
from steel_defects.decision.calibration import clipped_logits
from steel_defects.decision.operating_point import (
    Evidence,
    OperatingPoint,
    OperatingPointConfig,
    choose_operating_point,
    measure_rates,
)
from steel_defects.decision.score_tables import groups_of, labels_and_scores

Numbers = NDArray[np.float64]

#: Pixels of a sheet, 24 by 24: a speck that is certain says less than an area that is likely.
AREA_PX = 600
_LEAST = 10  # sheets, or pairs of sheet and class, of either kind, to fit a handful of numbers


class ClassPresence(Config):
    """From three probabilities that a class occurs on a sheet to one.

    Attributes:
        head_weight: Of the logit of what the network's presence head says.
        map_weight: Of the logit of the probability that ``area_px`` pixels of the map reach.
        gate_weight: Of the logit of the gate's calibrated score; 0 without a gate.
        bias: Is added to them.
        area_px: Pixels of the sheet.
    """

    head_weight: float = Field(ge=0)
    map_weight: float = Field(ge=0)
    gate_weight: float = Field(default=0.0, ge=0)
    bias: float
    area_px: int = Field(default=AREA_PX, gt=0)

    def probability(self, answers: Numbers) -> Numbers:
        """Return the probability that the class occurs; see :attr:`PresenceEvidence.answers`."""
        return _stacked((self.head_weight, self.map_weight, self.gate_weight), answers, self.bias)


@dataclass(frozen=True)
class PresenceEvidence:
    """What is known of the presence of one class on some sheets.

    Attributes:
        answers: What the presence head says, :func:`probability_at_area` of the map, and the gate's
            calibrated scores, which are NaN without one; ``(3, sheets)``, 0 to 1.
        occurs: Whether the class occurs, ``(sheets,)``.
    """

    answers: Numbers
    occurs: NDArray[np.bool_]


def probability_at_area(probability: NDArray[np.uint8], area_px: float) -> float:
    """Return the probability that so many pixels of a map reach, wherever they lie.

    Args:
        probability: Map of shape ``(height, width)``, uint8, 255 for certain.
        area_px: Pixels of the map; 1 gives its maximum.
    """
    counts = cv2.calcHist([np.ascontiguousarray(probability)], [0], None, [256], [0, 256])
    from_the_top = np.cumsum(counts.ravel()[::-1], dtype=np.float64)
    above = int(np.searchsorted(from_the_top, max(1.0, min(area_px, probability.size))))
    return (255 - above) / 255


def fit_presence(evidence: Sequence[PresenceEvidence]) -> list[ClassPresence] | None:
    """Fit the presence of all classes at once.

    Args:
        evidence: Of classes 1, 2, …, on sheets that no network had seen.

    Returns:
        One each, which differ in their bias alone; None where too few sheets have a class, or too
        few have not.
    """
    occurs = np.concatenate([one.occurs for one in evidence])
    if min(occurs.sum(), (~occurs).sum()) < _LEAST:
        return None
    answers = np.concatenate([one.answers for one in evidence], axis=1)
    weighted = ["head_weight", "map_weight", "gate_weight"]
    if np.isnan(answers[2]).any():
        weighted.remove("gate_weight")
    logits = clipped_logits(answers[: len(weighted)]).T
    numbers = np.repeat(np.arange(len(evidence)), [len(one.occurs) for one in evidence])
    # Half as large, so that the penalty keeps the classes' own biases four times closer to 0.
    class_indicators = 0.5 * np.eye(len(evidence))[numbers]
    weights, intercept = _fit(np.column_stack([logits, class_indicators]), occurs)
    shared = dict(zip(weighted, np.maximum(weights, 0).tolist(), strict=False))
    biases = intercept + 0.5 * weights[len(weighted) :]
    return [ClassPresence(**shared, bias=float(bias)) for bias in biases]


class StackedScore(Config):
    """From the scores of gate and segmenter to one, which decides on what the gate does not clear.

    Attributes:
        gate_weight: Of the logit of the gate's calibrated score.
        segmenter_weight: Of the logit of the highest presence of a class.
        bias: Is added to them.
        threshold: Sheets whose stacked score is below are cleared after all.
    """

    gate_weight: float = Field(ge=0)
    segmenter_weight: float = Field(ge=0)
    bias: float
    threshold: float = Field(default=0.0, ge=0, le=1)

    def score(self, gate: Numbers, presence: Numbers) -> Numbers:
        """Return the probability that sheets are defective.

        Args:
            gate: Calibrated scores of the gate, 0 to 1, of any shape.
            presence: Highest presence of a class, 0 to 1, of the same shape.
        """
        return _stacked((self.gate_weight, self.segmenter_weight), (gate, presence), self.bias)

    def clears(self, gate: Any, presence: Any) -> Any:
        """Say of a sheet, or of each of several, whether it is cleared after all."""
        return self.score(gate, presence) < self.threshold


class Stacking(Record):
    """What was fitted, and what it stands on.

    Attributes:
        stacked: The score; None where there are too few sheets to fit it, or no gate.
        source: Whose scores it was fitted to.
        operating_point: What gate and stacked score do together to the sheets that decided.
        models: Whose scores these were; see :mod:`steel_defects.models.trained`.
    """

    stacked: StackedScore | None = None
    source: Evidence = "calibration"
    operating_point: OperatingPoint | None = None
    models: dict[str, str] = Field(default_factory=dict)


def stack_scores(evidence: pd.DataFrame, config: OperatingPointConfig) -> Stacking:
    """Fit the stacked score, and choose its threshold for the target recall of the whole cascade.

    Args:
        evidence: ``sheet_id, group_id, repeat, has_defect, gate, cleared, presence``, one row per
            sheet and repeat, of sheets that the networks had not seen: the gate's score, whether it
            clears the sheet, and the highest presence of a class. ``repeat`` is null in rows of the
            hold-out, which count only where there are no others. Look-alikes share a group, and are
            no independent evidence.
        config: The targets.
    """
    rows, source = deciding_rows(evidence)
    labels = rows.drop_duplicates("sheet_id")["has_defect"]
    if min(labels.sum(), (~labels).sum()) < _LEAST:
        return Stacking()
    logits = clipped_logits(rows[["gate", "presence"]].to_numpy(float))
    weights, bias = _fit(logits, rows["has_defect"].to_numpy(bool))
    gate, segmenter = np.maximum(weights, 0).tolist()
    stacked = StackedScore(gate_weight=gate, segmenter_weight=segmenter, bias=bias)
    point = joint_operating_point(rows, stacked, config, source)
    stacked = stacked.model_copy(update={"threshold": point.thresholds.lower})
    return Stacking(stacked=stacked, source=source, operating_point=point)


def deciding_rows(evidence: pd.DataFrame) -> tuple[pd.DataFrame, Evidence]:
    """Return the rows that decide, and where they come from: out of fold, where there are any."""
    crossed = evidence["repeat"].notna()
    return (evidence[crossed], "out_of_fold") if crossed.any() else (evidence, "calibration")


def joint_operating_point(
    rows: pd.DataFrame, stacked: StackedScore, config: OperatingPointConfig, source: Evidence
) -> OperatingPoint:
    """Choose the threshold of a stacked score; misses of the gate count against its target.

    Rows are those of :func:`deciding_rows`, with what the gate clears in ``cleared``.
    """
    labels, table = labels_and_scores(rows.assign(score=_cascade_scores(rows, stacked)))
    groups = groups_of(rows, rows.drop_duplicates("sheet_id"))
    return choose_operating_point(labels, table, config, source, groups)


def check_on_test(stacking: Stacking, test: pd.DataFrame) -> Stacking:
    """Add what gate and stacked score do together to test sheets, which decided on nothing.

    Args:
        stacking: What :func:`stack_scores` returned.
        test: ``sheet_id, group_id, has_defect, gate, cleared, presence`` of the test sheets, one
            row per sheet.
    """
    stacked, point = stacking.stacked, stacking.operating_point
    if stacked is None or point is None or test.empty:
        return stacking
    test = test.sort_values("sheet_id")
    labels, scores = test["has_defect"].to_numpy(bool), _cascade_scores(test, stacked)
    rates = measure_rates(labels, scores, point.thresholds, groups_of(test, test))
    return stacking.model_copy(update={"operating_point": point.model_copy(update={"test": rates})})


def cleared_sheets(
    evidence: pd.DataFrame, stacked: StackedScore | None, config: OperatingPointConfig
) -> NDArray[np.bool_]:
    """Say which sheets the gate clears, or both networks jointly.

    Args:
        evidence: As :func:`stack_scores` takes it, with ``fold``.
        stacked: For the rows of the hold-out. Those of a fold are decided by a score that was
            fitted to the other folds of its repeat: in another, sheets are divided otherwise.
        config: The targets.

    Returns:
        One value per row.
    """
    cleared = evidence["cleared"].to_numpy(bool).copy()
    numbered = evidence.reset_index(drop=True)
    for (repeat, fold), rows in numbered.groupby(["repeat", "fold"], dropna=False):
        used = stacked
        if not pd.isna(fold):
            others = numbered["repeat"].eq(repeat) & numbered["fold"].ne(fold)
            used = stack_scores(numbered[others.fillna(False)], config).stacked
        if used:
            cleared[rows.index] |= used.clears(rows["gate"], rows["presence"])
    return cleared


def _cascade_scores(rows: pd.DataFrame, stacked: StackedScore) -> Numbers:
    """Score sheets by both networks, and what the gate clears below any threshold there can be."""
    return np.where(rows["cleared"], -1.0, stacked.score(rows["gate"], rows["presence"]))


def _stacked(
    weights: Sequence[float], answers: Sequence[Numbers] | Numbers, bias: float
) -> Numbers:
    total = np.zeros(np.shape(answers[0]))
    for weight, answer in zip(weights, answers, strict=True):
        if weight:  # without one an answer may be NaN
            total = total + weight * clipped_logits(answer)
    return np.asarray(expit(total + bias))


def _fit(logits: Numbers, labels: NDArray[np.bool_]) -> tuple[Numbers, float]:
    """Fit weights and bias. One below 0 makes no sense: the surer a network, the likelier."""
    # Takes a second to import, which inspection, that only applies the score, can do without.
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=1000).fit(logits, labels)
    return model.coef_[0], float(model.intercept_[0])
