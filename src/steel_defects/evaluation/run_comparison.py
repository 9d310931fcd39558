"""Two versions of the models side by side, on the sheets that both scored without having seen."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.decision.operating_point import OperatingPointConfig
from steel_defects.decision.score_tables import ScoredSheets, scored_sheets
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.changed_verdicts import (
    EVALUATIONS,
    ComparedVerdicts,
    RunTables,
    changed_verdicts,
    compared_verdicts,
    rows_of,
)
from steel_defects.evaluation.paired import Difference, paired_differences, paired_ratios
from steel_defects.evaluation.segmentation import pair_table

#: Each figure of a segmenter as a sum over sheets divided by another.
_SEGMENTER_FIGURES = {
    "mean_dice": ("dice", "pairs"),
    "dice_on_positives": ("positive_dice", "positives"),
    "detection_rate": ("detected", "positives"),
}


@dataclass(frozen=True)
class Truth:
    """What both versions are judged by: the labels of today, also where the earlier had others.

    Attributes:
        sheets: ``sheet_id, width, height, has_defect``.
        annotations: ``sheet_id, class_id, rle``.
        splits: ``sheet_id, group_id``.
    """

    sheets: pd.DataFrame
    annotations: pd.DataFrame
    splits: pd.DataFrame

    @property
    def known(self) -> pd.DataFrame:
        """The sheets that have a split."""
        return self.sheets[self.sheets["sheet_id"].isin(self.splits["sheet_id"])]

    def groups_of(self, sheet_ids: list[str]) -> NDArray[np.int64]:
        """Number the groups of sheets."""
        groups = self.splits.set_index("sheet_id")["group_id"].loc[sheet_ids]
        return pd.factorize(groups.to_numpy())[0].astype(np.int64)


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
        One row per part (``gate``, ``segmenter``, ``verdicts``: what the two decide together),
        evaluation (``test``, ``out_of_fold``) and figure, with the ``sheets`` that both versions
        scored, those ``left_out`` since only one did, the figure ``before`` and ``after``, the
        difference (after less before), and the ends of its 95 % interval from a paired bootstrap of
        groups of sheets. Repeats of a cross-validation are averaged; of verdicts the first counts.
        And the verdicts that changed, as :func:`changed_verdicts` lists them.

    Raises:
        SteelDefectsError: The versions have no model or no sheet in common.
    """
    parts = [*_gate_parts(before, after, truth), *_segmenter_parts(before, after, truth)]
    if not parts:
        raise SteelDefectsError(_nothing_in_common(before, after))
    compared = compared_verdicts(before, after, truth.known, config)
    if len(compared.table):
        parts.append(_verdict_part(compared, truth))
    rows = [
        {
            "part": part.name,
            "evaluation": part.evaluation,
            "sheets": part.sheets,
            "left_out": part.left_out,
            "metric": row.metric,
            "before": row.second,
            "after": row.first,
            "difference": row.difference,
            "difference_low": row.low,
            "difference_high": row.high,
        }
        for part in parts
        for row in part.differences
    ]
    return pd.DataFrame(rows), changed_verdicts(compared.table)


@dataclass(frozen=True)
class _Part:
    """Differences, later less earlier, on sheets that both versions scored."""

    name: str
    evaluation: str
    sheets: int
    left_out: int
    differences: list[Difference]


def _nothing_in_common(before: RunTables, after: RunTables) -> str:
    pairs = [
        (one, other)
        for one, other in ((before.scores, after.scores), (before.predictions, after.predictions))
        if len(one) and len(other)
    ]
    if not pairs:
        return "neither the gate nor the segmenter of now was there in the earlier version"
    counts = "; ".join(
        f"{kind.replace('_', '-')}: {len(_ids(one, kind)):,} and {len(_ids(other, kind)):,}"
        for one, other in pairs
        for kind in EVALUATIONS
    )
    return (
        f"the two versions have 0 sheets in common that neither had seen ({counts}); versions can "
        "be compared where splits and sheets stayed the same"
    )


def _ids(table: pd.DataFrame, evaluation: str) -> set[str]:
    rows = rows_of(table, evaluation)
    return set(rows["sheet_id"]) if len(rows) else set()


def _shared(
    earlier: pd.DataFrame, later: pd.DataFrame, truth: Truth
) -> Iterator[tuple[str, list[str], int, list[pd.DataFrame]]]:
    """Yield each evaluation in which there are sheets that both versions scored.

    With it go these sheets, how many others only one of the versions scored, and their rows.
    """
    known = set(truth.known["sheet_id"])
    for evaluation in reversed(EVALUATIONS):
        first, second = _ids(earlier, evaluation), _ids(later, evaluation)
        if ids := sorted(first & second & known):
            tables = [rows_of(table, evaluation) for table in (earlier, later)]
            rows = [table[table["sheet_id"].isin(ids)] for table in tables]
            yield evaluation, ids, len(first | second) - len(ids), rows


def _gate_parts(before: RunTables, after: RunTables, truth: Truth) -> Iterator[_Part]:
    labels = truth.sheets.set_index("sheet_id")["has_defect"]
    for evaluation, ids, left_out, tables in _shared(before.scores, after.scores, truth):
        one, other = (
            scored_sheets(rows.assign(has_defect=rows["sheet_id"].map(labels)), truth.splits)
            for rows in tables
        )
        differences = paired_differences(other, one, ("accuracy", "roc_auc"))
        differences += paired_differences(
            _decided(other, after.threshold),
            _decided(one, before.threshold),
            ("recall", "false_positive_rate"),
        )
        yield _Part("gate", evaluation, len(ids), left_out, differences)


def _decided(sheets: ScoredSheets, threshold: float) -> ScoredSheets:
    """Decide by the operating point; accuracy has a threshold of its own."""
    return replace(sheets, thresholds=np.full_like(sheets.scores, threshold))


def _segmenter_parts(before: RunTables, after: RunTables, truth: Truth) -> Iterator[_Part]:
    for evaluation, ids, left_out, tables in _shared(before.predictions, after.predictions, truth):
        earlier, later = (_sums(rows, ids, truth) for rows in tables)
        groups = truth.groups_of(ids)
        differences = [
            paired_ratios(
                metric,
                (later[above].to_numpy(float), later[below].to_numpy(float)),
                (earlier[above].to_numpy(float), earlier[below].to_numpy(float)),
                groups,
            )
            for metric, (above, below) in _SEGMENTER_FIGURES.items()
        ]
        yield _Part("segmenter", evaluation, len(ids), left_out, differences)


def _sums(predictions: pd.DataFrame, ids: list[str], truth: Truth) -> pd.DataFrame:
    """Sum up the pairs of each sheet; repeats are averaged."""
    parts = []
    for _, rows in predictions.groupby("repeat", dropna=False):
        pairs = pair_table(rows, truth.annotations, truth.sheets)
        positive = pairs["true_px"] > 0
        columns = pairs[["sheet_id", "dice"]].assign(
            pairs=1.0,
            positives=positive.astype(float),
            positive_dice=pairs["dice"].where(positive, 0.0),
            detected=(positive & (pairs["dice"] > 0)).astype(float),
        )
        parts.append(columns.groupby("sheet_id").sum())
    return pd.concat(parts).groupby(level=0).mean().loc[ids]


def _verdict_part(compared: ComparedVerdicts, truth: Truth) -> _Part:
    """Measure how often sheets of each kind do not pass."""
    table = compared.table
    labels = table["has_defect"].to_numpy(bool)
    groups = truth.groups_of(table["sheet_id"].tolist())
    later, earlier = (
        (table[f"verdict_{end}"] != "accept").to_numpy(bool) for end in ("after", "before")
    )
    sums = (
        ("accuracy", labels | True, later == labels, earlier == labels),
        ("recall", labels, later & labels, earlier & labels),
        ("false_positive_rate", ~labels, later & ~labels, earlier & ~labels),
    )
    differences = [
        paired_ratios(
            metric,
            (one.astype(float), whole.astype(float)),
            (other.astype(float), whole.astype(float)),
            groups,
        )
        for metric, whole, one, other in sums
    ]
    return _Part("verdicts", compared.evaluation, len(table), compared.left_out, differences)
