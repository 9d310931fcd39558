"""Which thresholds prove which recall, so that an escape rate can be chosen without training."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pydantic import Field

from steel_defects.config import Config
from steel_defects.decision.fusion import StackedScore, deciding_rows, joint_operating_point
from steel_defects.decision.intervals import CONFIDENCE, allowed_misses, lower_bound
from steel_defects.decision.operating_point import (
    Evidence,
    OperatingPoint,
    OperatingPointConfig,
    choose_operating_point,
)
from steel_defects.decision.score_tables import (
    evidence_rows,
    groups_of,
    labels_and_scores,
    out_of_fold,
)

# Recalls that a table has thresholds for, as far as they can be proven.
_TARGETS = (*(n / 100 for n in range(80, 100)), *(n / 1000 for n in range(991, 1000)))
# Below a bound by so much, a target is still proven by as many misses, whatever is rounded.
_LESS = 1e-9


class RecallStep(Config):
    """Thresholds, and the recall that they prove.

    Attributes:
        recall_bound: Lower one-sided confidence bound of the share of defective sheets that are
            not cleared, by the gate or by gate and segmenter together.
        recall: That share of the evidence.
        lower_threshold: Of the gate's score: sheets below it are cleared.
        joint_threshold: Of the stacked score: sheets below it are cleared after all; None where
            the segmenter's regions alone decide on them.
    """

    recall_bound: float = Field(ge=0, le=1)
    recall: float = Field(ge=0, le=1)
    lower_threshold: float = Field(ge=0, le=1)
    joint_threshold: float | None = Field(default=None, ge=0, le=1)


class RecallTable(Config):
    """What a package can be asked for.

    Attributes:
        evidence_from: Where the gate's scores come from.
        joint_evidence_from: Where those of gate and segmenter together come from; None where the
            segmenter's regions alone decide on what the gate does not clear.
        defective_sheets: Defective sheets that each bound stands on, groups of look-alikes counting
            as one; the fewer of the gate's and of the joint ones.
        steps: From the lowest bound to the highest.
    """

    evidence_from: Evidence
    joint_evidence_from: Evidence | None = None
    defective_sheets: int = Field(gt=0)
    steps: tuple[RecallStep, ...] = Field(min_length=1)

    @property
    def highest(self) -> float:
        """The highest recall that can be proven, rounded down to a tenth of a percent."""
        return float(np.floor(1000 * self.steps[-1].recall_bound) / 1000)

    def step_for(self, target: float) -> RecallStep | None:
        """Return what clears most sheets and still proves a recall; None where nothing does."""
        return next((step for step in self.steps if step.recall_bound >= target), None)


def recall_table(
    scores: pd.DataFrame,
    splits: pd.DataFrame,
    config: OperatingPointConfig,
    stacked: StackedScore | None = None,
    evidence: pd.DataFrame | None = None,
) -> RecallTable | None:
    """Find the thresholds of gate and stacked score for each recall that the data can prove.

    Both are chosen as the operating point is: first the gate's, then, with what the gate clears
    given up, that of the stacked score. A bound counts both.

    Args:
        scores: ``sheet_scores`` of the gate. Out-of-fold scores are taken where there are any,
            unless ``config`` asks for the calibration split.
        splits: ``sheet_id, group_id`` of these sheets at least.
        config: The targets; its recall is one of those that the table has thresholds for.
        stacked: What decides about sheets that the gate does not clear, if anything does.
        evidence: What :func:`~steel_defects.decision.fusion.stack_scores` takes, for ``stacked``.

    Returns:
        None where no defective sheet is there to prove anything.
    """
    crossed = config.evidence != "calibration" and len(out_of_fold(scores)) > 0
    source: Evidence = "out_of_fold" if crossed else "calibration"
    rows = evidence_rows(scores, source).merge(splits[["sheet_id", "group_id"]], on="sheet_id")
    joint = deciding_rows(evidence) if stacked and evidence is not None else None
    trials = [_defective_groups(one) for one in (rows, *([joint[0]] if joint else []))]
    if not min(trials):
        return None
    labels, values = labels_and_scores(rows)
    groups = groups_of(rows, splits)
    steps: list[RecallStep] = []
    for target in _targets(config.target_recall, trials):
        asked = config.model_copy(update={"target_recall": target})
        points = [choose_operating_point(labels, values, asked, source, groups)]
        if stacked and joint:
            cleared = joint[0].assign(cleared=points[0].clears(joint[0]["gate"]))
            points.append(joint_operating_point(cleared, stacked, asked, joint[1]))
        step = _step(points)
        if not steps or step.recall_bound > steps[-1].recall_bound:
            steps.append(step)
    return RecallTable(
        evidence_from=source,
        joint_evidence_from=joint[1] if joint else None,
        defective_sheets=min(trials),
        steps=tuple(steps),
    )


def _targets(own: float, trials: Sequence[int]) -> list[float]:
    """Return rising recalls up to the highest that so many defective sheets can prove.

    Of those that as many misses prove the lowest stands for all.
    """
    highest = lower_bound(min(trials), min(trials), CONFIDENCE) - _LESS
    lowest: dict[tuple[int, ...], float] = {}
    for target in sorted({highest, *(target for target in (*_TARGETS, own) if target < highest)}):
        misses = tuple(allowed_misses(number, target, CONFIDENCE) for number in trials)
        lowest.setdefault(misses, target)
    return list(lowest.values())


def _step(points: Sequence[OperatingPoint]) -> RecallStep:
    """Take what the operating points of the gate, and of gate and segmenter together, have."""
    joint = points[1].lower_threshold if points[1:] else None
    return RecallStep(
        recall_bound=min(point.recall_bound for point in points),
        recall=min(point.recall or 0.0 for point in points),
        lower_threshold=points[0].lower_threshold,
        joint_threshold=joint,
    )


def _defective_groups(rows: pd.DataFrame) -> int:
    return int(rows.loc[rows["has_defect"], "group_id"].nunique())
