"""Two versions of the models side by side, on the sheets that both scored without having seen."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.decision.operating_point import OperatingPointConfig
from steel_defects.decision.score_tables import Floats, ScoredSheets, scored_sheets
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
        One row a part (``gate``, ``segmenter``, ``verdicts``: what the two decide together),
        evaluation (``test``, ``out_of_fold``) and figure, with the ``sheets`` that both versions
        scored, those ``left_out`` since only one did, the figure ``before`` and ``after``, the
        difference (after less before), and the ends of its 95 % interval from a paired bootstrap of
        groups of sheets. Repeats of a cross-validation are averaged; of verdicts the first counts.
        And the verdicts that changed, as :func:`changed_verdicts` lists them.

    Raises:
        SteelDefectsError: The versions have no model or no sheet in common.
    """
    rows = [*_gate_rows(before, after, truth), *_segmenter_rows(before, after, truth)]
    if not rows:
        raise SteelDefectsError(_nothing_in_common(before, after))
    compared = compared_verdicts(before, after, truth.known, config)
    rows += _verdict_rows(compared, truth)
    figures = pd.DataFrame(rows)
    return figures, changed_verdicts(compared.table)


def _nothing_in_common(before: RunTables, after: RunTables) -> str:
    pairs = [(before.scores, after.scores), (before.predictions, after.predictions)]
    if not any(len(one) and len(other) for one, other in pairs):
        return "neither the gate nor the segmenter of now was there in the earlier version"
    kinds = [
        (len(_ids(one, kind)), len(_ids(other, kind)), kind.replace("_", "-"))
        for one, other in pairs
        if len(one) and len(other)
        for kind in EVALUATIONS
    ]
    counts = "; ".join(f"{kind}: {one:,} and {other:,}" for one, other, kind in kinds)
    return (
        f"the two versions have 0 sheets in common that neither had seen ({counts}); versions can "
        "be compared where splits and sheets stayed the same"
    )


def _ids(table: pd.DataFrame, evaluation: str) -> set[str]:
    rows = rows_of(table, evaluation)
    return set(rows["sheet_id"]) if len(rows) else set()


@dataclass(frozen=True)
class _Common:
    """Rows of the sheets that both versions scored, and how many sheets only one of them did."""

    evaluation: str
    ids: list[str]
    before: pd.DataFrame
    after: pd.DataFrame
    left_out: int

    def row(self, part: str, found: Difference) -> dict[str, object]:
        return _row(part, self.evaluation, len(self.ids), self.left_out, found)


def _common(one: pd.DataFrame, other: pd.DataFrame, truth: Truth) -> Iterator[_Common]:
    """Yield each evaluation in which there are sheets that both scored."""
    known = set(truth.known["sheet_id"])
    for evaluation in reversed(EVALUATIONS):
        first, second = _ids(one, evaluation), _ids(other, evaluation)
        ids = sorted(first & second & known)
        if ids:
            tables = (rows_of(table, evaluation) for table in (one, other))
            before, after = (rows[rows["sheet_id"].isin(ids)] for rows in tables)
            yield _Common(evaluation, ids, before, after, len(first | second) - len(ids))


def _row(
    part: str, evaluation: str, sheets: int, left_out: int, found: Difference
) -> dict[str, object]:
    """Turn a difference, later less earlier, into a row."""
    return {
        "part": part,
        "evaluation": evaluation,
        "sheets": sheets,
        "left_out": left_out,
        "metric": found.metric,
        "before": found.second,
        "after": found.first,
        "difference": found.difference,
        "difference_low": found.low,
        "difference_high": found.high,
    }


# --- the gate ---------------------------------------------------------------------------------


def _gate_rows(before: RunTables, after: RunTables, truth: Truth) -> Iterator[dict[str, object]]:
    labels = truth.sheets.set_index("sheet_id")["has_defect"]
    for common in _common(before.scores, after.scores, truth):
        one, other = (
            scored_sheets(rows.assign(has_defect=rows["sheet_id"].map(labels)), truth.splits)
            for rows in (common.before, common.after)
        )
        found = paired_differences(other, one, ("accuracy", "roc_auc"))
        found += paired_differences(
            _decided(other, after.threshold),
            _decided(one, before.threshold),
            ("recall", "false_positive_rate"),
        )
        yield from (common.row("gate", difference) for difference in found)


def _decided(sheets: ScoredSheets, threshold: float) -> ScoredSheets:
    """Decide by the operating point; accuracy has a threshold of its own."""
    return replace(sheets, thresholds=np.full_like(sheets.scores, threshold))


# --- the segmenter ----------------------------------------------------------------------------


def _segmenter_rows(
    before: RunTables, after: RunTables, truth: Truth
) -> Iterator[dict[str, object]]:
    for common in _common(before.predictions, after.predictions, truth):
        one, other = (_sums(rows, common.ids, truth) for rows in (common.before, common.after))
        groups = truth.groups_of(common.ids)
        for metric, columns in _SEGMENTER_FIGURES.items():
            later, earlier = (_ratio(sums, *columns) for sums in (other, one))
            yield common.row("segmenter", paired_ratios(metric, later, earlier, groups))


def _ratio(sums: pd.DataFrame, above: str, below: str) -> tuple[Floats, Floats]:
    return sums[above].to_numpy(float), sums[below].to_numpy(float)


#: Each figure as a sum of sheets over another.
_SEGMENTER_FIGURES = {
    "mean_dice": ("dice", "pairs"),
    "dice_on_positives": ("positive_dice", "positives"),
    "detection_rate": ("detected", "positives"),
}


def _sums(predictions: pd.DataFrame, ids: list[str], truth: Truth) -> pd.DataFrame:
    """Sum up the pairs of each sheet; repeats are averaged."""
    shown = truth.sheets[truth.sheets["sheet_id"].isin(ids)]
    parts = []
    for _, rows in predictions.groupby("repeat", dropna=False):
        pairs = pair_table(rows, truth.annotations, shown)
        positive = pairs["true_px"] > 0
        columns = pairs[["sheet_id", "dice"]].assign(
            pairs=1.0,
            positives=positive.astype(float),
            positive_dice=pairs["dice"].where(positive, 0.0),
            detected=(positive & (pairs["dice"] > 0)).astype(float),
        )
        parts.append(columns.groupby("sheet_id").sum())
    return pd.concat(parts).groupby(level=0).mean().loc[ids]


# --- the verdicts -----------------------------------------------------------------------------


def _verdict_rows(compared: ComparedVerdicts, truth: Truth) -> Iterator[dict[str, object]]:
    """Measure how often sheets of each kind do not pass."""
    table = compared.table
    if table.empty:
        return
    labels = table["has_defect"].to_numpy(bool)
    groups = truth.groups_of(table["sheet_id"].tolist())
    later, earlier = (
        (table[f"verdict_{end}"] != "accept").to_numpy(bool) for end in ("after", "before")
    )
    for metric, below, one, other in (
        ("accuracy", labels | True, later == labels, earlier == labels),
        ("recall", labels, later & labels, earlier & labels),
        ("false_positive_rate", ~labels, later & ~labels, earlier & ~labels),
    ):
        whole = below.astype(float)
        found = paired_ratios(
            metric, (one.astype(float), whole), (other.astype(float), whole), groups
        )
        yield _row("verdicts", compared.evaluation, len(table), compared.left_out, found)
