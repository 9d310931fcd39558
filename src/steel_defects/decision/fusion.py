"""A second decision on the sheets that the gate does not clear: its score and the segmenter's.

The gate looks at a sheet as a whole, the segmenter at its pixels, and they err on different sheets.
A logistic regression on both logits (stacked generalization, Wolpert 1992, Neural Networks 5) is
fitted to sheets that neither has seen; below its threshold a sheet is cleared after all.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit

from steel_defects.config import Config, Record
from steel_defects.decision.intervals import CONFIDENCE
from steel_defects.decision.logits import clipped_logits
from steel_defects.decision.operating_point import (
    Evidence,
    OperatingPoint,
    OperatingPointConfig,
    choose_operating_point,
    measure_rates,
)
from steel_defects.decision.score_tables import groups_of, labels_and_scores

Scores = NDArray[np.float64]

_LEAST_SHEETS = 10  # of either kind, to fit three numbers


class StackedScore(Config):
    """From the scores of gate and segmenter to one.

    Attributes:
        gate_weight: Of the logit of the gate's calibrated score.
        segmenter_weight: Of the logit of the highest presence of a class.
        bias: Is added to them.
        threshold: Sheets whose stacked score is below are cleared.
    """

    gate_weight: float = Field(ge=0)
    segmenter_weight: float = Field(ge=0)
    bias: float
    threshold: float = Field(default=0.0, ge=0, le=1)

    def score(self, gate: Scores, presence: Scores) -> Scores:
        """Return the probability that sheets are defective.

        Args:
            gate: Calibrated scores of the gate, 0 to 1, of any shape.
            presence: Highest presence of a class, 0 to 1, of the same shape.
        """
        return np.asarray(
            expit(
                self.gate_weight * clipped_logits(gate)
                + self.segmenter_weight * clipped_logits(presence)
                + self.bias
            )
        )

    def clears(self, gate: float, presence: float) -> bool:
        """Say whether a sheet is cleared after all."""
        return bool(self.score(np.array(gate), np.array(presence)) < self.threshold)


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
        evidence: ``sheet_id, group_id, repeat, has_defect, gate, cleared, presence``, one row a
            sheet and repeat, of sheets that the networks had not seen: the gate's score, whether it
            clears the sheet, and the highest presence of a class. ``repeat`` is null in rows of the
            hold-out, which count only where there are no others. Look-alikes share a group, and are
            no independent evidence.
        config: The targets.
    """
    crossed = evidence["repeat"].notna()
    rows = evidence[crossed] if crossed.any() else evidence
    rows_by_sheet = rows.drop_duplicates("sheet_id")
    labels = rows_by_sheet["has_defect"]
    if min(labels.sum(), (~labels).sum()) < _LEAST_SHEETS:
        return Stacking()
    stacked = _fit(rows)
    together = _together(rows, stacked)
    numbered = rows.assign(repeat=rows["repeat"].astype("Int64").fillna(0), score=together)
    known, table = labels_and_scores(numbered)
    source: Evidence = "out_of_fold" if crossed.any() else "calibration"
    point = choose_operating_point(known, table, config, source, groups_of(rows, rows_by_sheet))
    stacked = stacked.model_copy(update={"threshold": point.lower_threshold})
    return Stacking(stacked=stacked, source=source, operating_point=point)


def check_on_test(stacking: Stacking, test: pd.DataFrame) -> Stacking:
    """Add what gate and stacked score do together to test sheets, which decided on nothing.

    Args:
        stacking: What :func:`stack_scores` returned.
        test: ``sheet_id, group_id, has_defect, gate, cleared, presence`` of the test sheets, one
            row a sheet.
    """
    stacked, point = stacking.stacked, stacking.operating_point
    if stacked is None or point is None or test.empty:
        return stacking
    test = test.sort_values("sheet_id")
    rates = measure_rates(
        test["has_defect"].to_numpy(bool), _together(test, stacked),
        point.lower_threshold, point.upper_threshold, CONFIDENCE, groups_of(test, test),
    )  # fmt: skip
    return stacking.model_copy(update={"operating_point": point.model_copy(update={"test": rates})})


def _together(rows: pd.DataFrame, stacked: StackedScore) -> Scores:
    """Score sheets by both networks, and what the gate clears below any threshold there can be."""
    scores = stacked.score(rows["gate"].to_numpy(float), rows["presence"].to_numpy(float))
    return np.where(rows["cleared"], -1.0, scores)


def cleared_sheets(
    evidence: pd.DataFrame, stacked: StackedScore | None, config: OperatingPointConfig
) -> NDArray[np.bool_]:
    """Say which sheets the gate clears, or both networks together.

    Args:
        evidence: As :func:`stack_scores` takes it, with ``fold``.
        stacked: For the rows of the hold-out. Those of a fold are decided by a score that was
            fitted to the other folds of its repeat: in another, sheets are divided otherwise.
        config: The targets.

    Returns:
        One value a row.
    """
    cleared = evidence["cleared"].to_numpy(bool).copy()
    numbered = evidence.reset_index(drop=True)
    for (repeat, fold), rows in numbered.groupby(["repeat", "fold"], dropna=False):
        used = stacked
        if not pd.isna(fold):
            others = numbered["repeat"].eq(repeat) & numbered["fold"].ne(fold)
            used = stack_scores(numbered[others.fillna(False)], config).stacked
        if used:
            scores = used.score(rows["gate"].to_numpy(float), rows["presence"].to_numpy(float))
            cleared[rows.index] |= scores < used.threshold
    return cleared


def _fit(rows: pd.DataFrame) -> StackedScore:
    # Takes a second to import, which inspection, that only applies the score, can do without.
    from sklearn.linear_model import LogisticRegression

    logits = clipped_logits(rows[["gate", "presence"]].to_numpy(float))
    model = LogisticRegression().fit(logits, rows["has_defect"].to_numpy(bool))
    # A weight below 0 would clear a sheet for looking more defective.
    gate, segmenter = (max(0.0, float(w)) for w in model.coef_[0])
    return StackedScore(
        gate_weight=gate, segmenter_weight=segmenter, bias=float(model.intercept_[0])
    )
