"""What gate and segmenter together say of sheets that neither had seen, and where that changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.decision.fusion import StackedScore, Stacking, cleared_sheets
from steel_defects.decision.operating_point import OperatingPointConfig
from steel_defects.decision.score_tables import hold_out, out_of_fold
from steel_defects.tables.declared import CHANGED_VERDICTS

#: The figures of all sheets first: they stand on more of them.
EVALUATIONS = ("out_of_fold", "test")

#: How far a verdict is from letting the sheet pass.
_STRICTNESS = {"accept": 0, "review": 1, "reject": 2}


@dataclass(frozen=True)
class RunTables:
    """What one version of the models says; a model that there is not has no rows.

    Attributes:
        scores: ``sheet_scores`` of the gate.
        point: Its operating point: ``lower_threshold``, ``target_recall``, ``confidence``.
        predictions: ``predictions`` of the segmenter.
        stacking: What decides about sheets that both saw; see
            :class:`steel_defects.decision.fusion.Stacking`.
    """

    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    point: Mapping[str, Any] = field(default_factory=dict)
    predictions: pd.DataFrame = field(default_factory=pd.DataFrame)
    stacking: Mapping[str, Any] = field(default_factory=dict)

    @property
    def threshold(self) -> float:
        """From which score on the gate does not clear a sheet."""
        return float(self.point["lower_threshold"])

    @property
    def stacked(self) -> StackedScore | None:
        """The score that gate and segmenter give together."""
        return Stacking.model_validate(self.stacking).stacked


def rows_of(table: pd.DataFrame, evaluation: str) -> pd.DataFrame:
    """Return the rows of test sheets, or those out of fold; none of an empty table."""
    if table.empty:
        return table
    return hold_out(table, "test") if evaluation == "test" else out_of_fold(table)


@dataclass(frozen=True)
class ComparedVerdicts:
    """The verdicts of two versions.

    Attributes:
        table: ``sheet_id, has_defect, verdict_before, verdict_after``, one row per sheet that both
            judged.
        evaluation: ``out_of_fold`` or ``test``.
        left_out: Sheets that only one of them judged.
    """

    table: pd.DataFrame
    evaluation: str
    left_out: int


def compared_verdicts(
    before: RunTables, after: RunTables, sheets: pd.DataFrame, config: OperatingPointConfig
) -> ComparedVerdicts:
    """Give the verdicts of both versions on each sheet that neither had seen.

    Out of fold where both versions were cross-validated, in which the first repeat counts, since
    that has each sheet once; else on test sheets. A model that only one of the versions has is left
    out of both, so that like is compared with like.

    Args:
        before: The earlier version.
        after: The later one; the two have at least one model in common.
        sheets: ``sheet_id, group_id, has_defect`` of those to judge.
        config: The targets, for thresholds out of fold.
    """
    for name in ("scores", "predictions"):
        if not (len(getattr(before, name)) and len(getattr(after, name))):
            before, after = (replace(run, **{name: pd.DataFrame()}) for run in (before, after))
    labels = sheets[["sheet_id", "has_defect"]]
    for evaluation in EVALUATIONS:
        one, other = (_verdicts(run, sheets, evaluation, config) for run in (before, after))
        pairs = one.merge(other, on="sheet_id", suffixes=("_before", "_after"))
        if len(pairs):
            break
    left_out = len(one) + len(other) - 2 * len(pairs)
    return ComparedVerdicts(labels.merge(pairs, on="sheet_id"), evaluation, left_out)


def changed_verdicts(compared: pd.DataFrame) -> pd.DataFrame:
    """List the sheets whose verdict changed, those that changed for the worse first.

    A verdict on a defective sheet is the better the stricter it is: reject, review, accept. On a
    clean sheet it is the other way round.

    Args:
        compared: ``sheet_id, has_defect, verdict_before, verdict_after``.

    Returns:
        The table ``changed_verdicts``.
    """
    changed = compared[compared["verdict_before"] != compared["verdict_after"]]
    before, after = (changed[f"verdict_{end}"].map(_STRICTNESS) for end in ("before", "after"))
    stricter = (after > before).to_numpy(bool)
    changed = changed.assign(better=stricter == changed["has_defect"].to_numpy(bool))
    changed = changed.sort_values(["better", "sheet_id"], ignore_index=True)
    return CHANGED_VERDICTS.typed(changed)


def _verdicts(
    run: RunTables, sheets: pd.DataFrame, evaluation: str, config: OperatingPointConfig
) -> pd.DataFrame:
    """Judge sheets as inspection does, with limits of 0: every region counts.

    What a gate alone does not clear is for review. Returns ``sheet_id, verdict``, one row per
    scored sheet.
    """
    evidence = _evidence(run, sheets, evaluation)
    gated = len(run.scores) > 0
    cleared = np.zeros(len(evidence), bool)
    if gated:
        cleared = evidence["gate"].to_numpy(float) < run.threshold
    if gated and len(run.predictions):
        cleared = _cleared_by_both(run, evidence.assign(cleared=cleared), config)
    otherwise = "review" if gated else "accept"
    verdict = np.select([cleared, evidence["has_mask"]], ["accept", "reject"], otherwise)
    judged = evidence.assign(verdict=pd.Series(verdict, index=evidence.index, dtype="str"))
    if evaluation == "out_of_fold" and len(judged):
        judged = judged[judged["repeat"] == judged["repeat"].min()]
    return judged[["sheet_id", "verdict"]]


def _evidence(run: RunTables, sheets: pd.DataFrame, evaluation: str) -> pd.DataFrame:
    """Join what the models say, one row per sheet and repeat that all of them scored."""
    keys = ["sheet_id", "repeat"]
    evidence = sheets[["sheet_id", "group_id", "has_defect"]]
    if len(run.scores):
        scores = rows_of(run.scores, evaluation)[[*keys, "score"]]
        evidence = evidence.merge(scores.rename(columns={"score": "gate"}), on="sheet_id")
    if run.predictions.empty:
        return evidence.assign(has_mask=False)
    rows = rows_of(run.predictions, evaluation)
    groups = rows.assign(has_mask=rows["rle"] != "").groupby([*keys, "fold"], dropna=False)
    masks = groups.agg(presence=("score", "max"), has_mask=("has_mask", "any")).reset_index()
    return evidence.merge(masks, on=keys if len(run.scores) else "sheet_id")


def _cleared_by_both(
    run: RunTables, evidence: pd.DataFrame, config: OperatingPointConfig
) -> NDArray[np.bool_]:
    """Clear what the gate clears, and what both do; each version by the targets that it had."""
    targets = {key: run.point[key] for key in ("target_recall", "confidence") if key in run.point}
    return cleared_sheets(evidence, run.stacked, config.model_copy(update=targets))
