"""Two versions of the models side by side, on the sheets that both scored without having seen."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.decision.fusion import Stacking, cleared_sheets
from steel_defects.decision.operating_point import OperatingPoint, OperatingPointConfig
from steel_defects.decision.score_tables import ScoredSheets, hold_out, out_of_fold, scored_sheets
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.paired_figures import (
    SEGMENTER_FIGURES,
    Truth,
    mask_sums,
    ratio_differences,
    verdict_differences,
)
from steel_defects.evaluation.resampling import Difference, paired_differences
from steel_defects.tables.declared import CHANGED_VERDICTS

#: The figures of all sheets first: they stand on more of them.
_EVALUATIONS = ("out_of_fold", "test")
#: How far a verdict is from letting the sheet pass.
_STRICTNESS = {"accept": 0, "review": 1, "reject": 2}


@dataclass(frozen=True)
class RunTables:
    """What one version of the models says; a model that there is not has no rows.

    Of the gate these are ``sheet_scores`` and its operating point, of the segmenter ``predictions``
    and what decides about sheets that both saw.
    """

    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    point: OperatingPoint | None = None
    predictions: pd.DataFrame = field(default_factory=pd.DataFrame)
    stacking: Stacking = Stacking()


def compare_runs(
    before: RunTables, after: RunTables, truth: Truth, config: OperatingPointConfig
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Set two versions of a gate and a segmenter side by side.

    Args:
        before: What the earlier version says.
        after: What the later one says.
        truth: What they are judged by.
        config: The targets, for thresholds of gate and segmenter together out of fold.

    Returns:
        The table ``run_comparison`` without the names of the models: one row per part (``gate``,
        ``segmenter``, ``verdicts``: what the two decide together), evaluation and figure; repeats
        are averaged, of verdicts the first counts. The difference is after less before, its 95 %
        interval from a paired bootstrap of groups. And the verdicts that changed.

    Raises:
        SteelDefectsError: The versions have no model or no sheet in common.
    """
    rows = [*_gate_rows(before, after, truth), *_segmenter_rows(before, after, truth)]
    if not rows:
        raise SteelDefectsError(_nothing_in_common(before, after))
    verdicts, evaluation, left_out = _compared_verdicts(before, after, truth.known, config)
    if len(verdicts):
        differences = verdict_differences(verdicts, truth)
        rows += _rows("verdicts", evaluation, len(verdicts), left_out, differences)
    return pd.DataFrame(rows), changed_verdicts(verdicts)


def _rows(
    part: str, evaluation: str, sheets: int, left_out: int, differences: list[Difference]
) -> list[dict[str, Any]]:
    basis = {"part": part, "evaluation": evaluation, "sheets": sheets, "left_out": left_out}
    return [
        {
            **basis,
            "metric": row.metric,
            "before": row.second,
            "after": row.first,
            "difference": row.difference,
            "difference_low": row.low,
            "difference_high": row.high,
        }
        for row in differences
    ]


def _nothing_in_common(before: RunTables, after: RunTables) -> str:
    counts = "; ".join(
        f"{kind.replace('_', '-')}: {len(_ids(one, kind)):,} and {len(_ids(other, kind)):,}"
        for one, other in ((before.scores, after.scores), (before.predictions, after.predictions))
        for kind in _EVALUATIONS
        if len(one) and len(other)
    )
    if not counts:
        return "neither the gate nor the segmenter of now was there in the earlier version"
    return (
        f"the two versions have 0 sheets in common that neither had seen ({counts}); versions can "
        "be compared where splits and sheets stayed the same"
    )


def _ids(table: pd.DataFrame, evaluation: str) -> set[str]:
    return set(_rows_of(table, evaluation)["sheet_id"]) if len(table) else set()


def _rows_of(table: pd.DataFrame, evaluation: str) -> pd.DataFrame:
    return hold_out(table, "test") if evaluation == "test" else out_of_fold(table)


def _shared(
    earlier: pd.DataFrame, later: pd.DataFrame, truth: Truth
) -> Iterator[tuple[str, list[str], int, list[pd.DataFrame]]]:
    """Yield each evaluation in which there are sheets that both versions scored.

    With it go these sheets, how many others only one of the versions scored, and their rows.
    """
    known = set(truth.known["sheet_id"])
    for evaluation in reversed(_EVALUATIONS):
        first, second = _ids(earlier, evaluation), _ids(later, evaluation)
        if ids := sorted(first & second & known):
            tables = [_rows_of(table, evaluation) for table in (earlier, later)]
            rows = [table[table["sheet_id"].isin(ids)] for table in tables]
            yield evaluation, ids, len(first | second) - len(ids), rows


def _gate_rows(before: RunTables, after: RunTables, truth: Truth) -> Iterator[dict[str, Any]]:
    labels = truth.sheets.set_index("sheet_id")["has_defect"]
    for evaluation, ids, left_out, tables in _shared(before.scores, after.scores, truth):
        one, other = (
            scored_sheets(rows.assign(has_defect=rows["sheet_id"].map(labels)), truth.splits)
            for rows in tables
        )
        differences = paired_differences(other, one) + paired_differences(
            _decided(other, after), _decided(one, before), ("recall", "false_positive_rate")
        )
        yield from _rows("gate", evaluation, len(ids), left_out, differences)


def _decided(sheets: ScoredSheets, run: RunTables) -> ScoredSheets:
    """Decide by the operating point; accuracy has a threshold of its own."""
    lower = run.point.thresholds.lower if run.point else np.nan
    return replace(sheets, thresholds=np.full_like(sheets.scores, lower))


def _segmenter_rows(before: RunTables, after: RunTables, truth: Truth) -> Iterator[dict[str, Any]]:
    for evaluation, ids, left_out, tables in _shared(before.predictions, after.predictions, truth):
        earlier, later = (mask_sums(rows, truth).loc[ids] for rows in tables)
        differences = ratio_differences(earlier, later, SEGMENTER_FIGURES, truth)
        yield from _rows("segmenter", evaluation, len(ids), left_out, differences)


# --- verdicts -------------------------------------------------------------------------------


def changed_verdicts(compared: pd.DataFrame) -> pd.DataFrame:
    """List the sheets whose verdict changed, those that changed for the worse first.

    A verdict on a defective sheet is the better the stricter it is: reject, review, accept. On a
    clean sheet it is the other way round. Takes ``sheet_id, has_defect, verdict_before,
    verdict_after``, and returns the table ``changed_verdicts``.
    """
    changed = compared[compared["verdict_before"] != compared["verdict_after"]]
    before, after = (changed[f"verdict_{end}"].map(_STRICTNESS) for end in ("before", "after"))
    stricter = (after > before).to_numpy(bool)
    changed = changed.assign(better=stricter == changed["has_defect"].to_numpy(bool))
    changed = changed.sort_values(["better", "sheet_id"], ignore_index=True)
    return CHANGED_VERDICTS.typed(changed)


def _compared_verdicts(
    before: RunTables, after: RunTables, sheets: pd.DataFrame, config: OperatingPointConfig
) -> tuple[pd.DataFrame, str, int]:
    """Give the verdicts of both versions, the evaluation, and how many sheets only one judged.

    Out of fold where both versions were cross-validated, in which the first repeat counts, since
    that has each sheet once; else on test sheets. A model that only one of the versions has is left
    out of both, so that like is compared with like.
    """
    for name in ("scores", "predictions"):
        if not (len(getattr(before, name)) and len(getattr(after, name))):
            before, after = (replace(run, **{name: pd.DataFrame()}) for run in (before, after))
    for evaluation in _EVALUATIONS:
        one, other = (_verdicts(run, sheets, evaluation, config) for run in (before, after))
        pairs = one.merge(other, on="sheet_id", suffixes=("_before", "_after"))
        if len(pairs):
            break
    left_out = len(one) + len(other) - 2 * len(pairs)
    table = sheets[["sheet_id", "has_defect"]].merge(pairs, on="sheet_id")
    return table, evaluation, left_out


def _verdicts(
    run: RunTables, sheets: pd.DataFrame, evaluation: str, config: OperatingPointConfig
) -> pd.DataFrame:
    """Judge sheets as inspection does, with limits of 0: every region counts.

    What a gate alone does not clear is for review.
    """
    evidence = _evidence(run, sheets, evaluation)
    point = run.point if len(run.scores) else None
    cleared = np.zeros(len(evidence), bool)
    if point:
        cleared = point.clears(evidence["gate"].to_numpy(float))
        if len(run.predictions):
            # Each version by the target that it had.
            targets = config.model_copy(update={"target_recall": point.target_recall})
            evidence = evidence.assign(cleared=cleared)
            cleared = cleared_sheets(evidence, run.stacking.stacked, targets)
    otherwise = "review" if point else "accept"
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
        scores = _rows_of(run.scores, evaluation)[[*keys, "score"]]
        evidence = evidence.merge(scores.rename(columns={"score": "gate"}), on="sheet_id")
    if run.predictions.empty:
        return evidence.assign(has_mask=False)
    rows = _rows_of(run.predictions, evaluation)
    groups = rows.assign(has_mask=rows["rle"] != "").groupby([*keys, "fold"], dropna=False)
    masks = groups.agg(presence=("score", "max"), has_mask=("has_mask", "any")).reset_index()
    return evidence.merge(masks, on=keys if len(run.scores) else "sheet_id")
