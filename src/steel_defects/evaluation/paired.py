"""Differences between two models, or two scores of one model, on the same sheets."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.decision.score_tables import Floats, ScoredSheets, scored_sheets
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.resampling import (
    group_weights,
    metrics_by_repeat,
    percentile_interval,
    ratio,
    resampled,
)


@dataclass(frozen=True)
class Difference:
    """How far one figure lies above another; NaN where sheets of a kind are absent.

    Attributes:
        metric: The figure, as :func:`steel_defects.evaluation.resampling.metrics_by_repeat` names
            it.
        first: Its value of the first model.
        second: Its value of the second model.
        difference: First less second.
        low: Lower end of the two-sided 95 % interval of the difference.
        high: Upper end.
        share_above: Share of the resampled differences that are above 0.
    """

    metric: str
    first: float = float("nan")
    second: float = float("nan")
    difference: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    share_above: float = float("nan")

    def as_dict(self) -> dict[str, float | str | None]:
        """Return the fields for JSON, with None for NaN."""
        return {key: None if pd.isna(value) else value for key, value in asdict(self).items()}


def paired_differences(
    first: ScoredSheets, second: ScoredSheets, metrics: Sequence[str] = ("accuracy", "roc_auc")
) -> list[Difference]:
    """Compare two models on the same resampled groups of sheets (a paired bootstrap).

    Args:
        first: Scores of one.
        second: Scores of the other, of the same sheets; each is averaged over its own repeats.
        metrics: Which figures to compare.

    Raises:
        SteelDefectsError: The sheets are not the same.
    """
    same = first.sheet_ids == second.sheet_ids and np.array_equal(first.groups, second.groups)
    if not same:
        raise SteelDefectsError(
            "the two score tables hold different sheets or groups, so that they cannot be paired; "
            "score both on the same splits"
        )
    if not first.sheet_ids:
        return [Difference(metric) for metric in metrics]
    one, other = (metrics_by_repeat(sheets) for sheets in (first, second))
    drawn, others = (resampled(sheets) for sheets in (first, second))
    return [
        _difference(
            metric,
            float(one[metric].mean()),
            float(other[metric].mean()),
            drawn[metric] - others[metric],
        )
        for metric in metrics
    ]


def _difference(metric: str, first: float, second: float, gaps: Floats) -> Difference:
    """Describe a difference by that of each draw, of shape ``(draws,)``."""
    gaps = gaps[~np.isnan(gaps)]
    above = float((gaps > 0).mean()) if len(gaps) else float("nan")
    return Difference(metric, first, second, first - second, *percentile_interval(gaps), above)


def paired_ratios(
    metric: str,
    first: tuple[Floats, Floats],
    second: tuple[Floats, Floats],
    groups: NDArray[np.int64],
) -> Difference:
    """Compare a mean over sheets on the same resampled groups of sheets (a paired bootstrap).

    Args:
        metric: What the mean is called.
        first: What each sheet adds above and below the fraction line in the one model, each of
            shape ``(sheets,)``: with a sheet's sum of Dice and its number of classes the ratio is
            the mean Dice of all.
        second: The same in the other, of the same sheets.
        groups: Number of each sheet's group, of the same shape.

    Returns:
        The difference; NaN where a ratio has nothing below the line.
    """
    if not len(groups):
        return Difference(metric)

    def ratios(weights: Floats, sums: tuple[Floats, Floats]) -> Floats:
        return ratio(*(weights @ values for values in sums))

    once = np.ones((1, len(groups)))
    gaps = [ratios(weights, first) - ratios(weights, second) for weights in group_weights(groups)]
    one, other = (float(ratios(once, sums)[0]) for sums in (first, second))
    return _difference(metric, one, other, np.concatenate(gaps))


def compare_out_of_fold(
    first: pd.DataFrame,
    second: pd.DataFrame,
    splits: pd.DataFrame,
    metrics: Sequence[str] = ("accuracy", "roc_auc"),
) -> pd.DataFrame:
    """Compare two models on the same folds.

    Args:
        first: ``sheet_id, repeat, fold, has_defect, score, threshold`` of one model.
        second: The same of the other.
        splits: ``sheet_id, group_id`` of all sheets.
        metrics: Which figures to compare.

    Returns:
        One row per figure, with the fields of :class:`Difference`.

    Raises:
        SteelDefectsError: The folds are not the same.
    """
    keys = ["repeat", "fold", "sheet_id"]
    folds = [table[keys].sort_values(keys, ignore_index=True) for table in (first, second)]
    if not folds[0].astype("str").equals(folds[1].astype("str")):
        raise SteelDefectsError(
            "the two out-of-fold tables were made with different folds or repeats; "
            "run both cross-validations on the same splits"
        )
    one, other = (scored_sheets(table, splits) for table in (first, second))
    return pd.DataFrame([asdict(row) for row in paired_differences(one, other, metrics)])
