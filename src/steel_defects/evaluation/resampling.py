"""Figures of scores, and differences between models, with intervals from resampled groups.

Sheets of a group look alike, so that groups are drawn, not sheets: the bootstrap of clusters
(Efron and Tibshirani 1993, chapter 8). A group stays the same in all repeats of a cross-validation,
so that repeats do not count as new sheets. Two models are compared on the same draws.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.decision.intervals import CONFIDENCE, share_interval
from steel_defects.decision.score_tables import Flags, Floats, ScoredSheets, scored_sheets
from steel_defects.errors import SteelDefectsError

#: Recalls at which the false positives are given, and their columns.
RECALLS = {f"fpr_at_recall_{round(100 * recall)}": recall for recall in (0.95, 0.98, 0.99)}

_DRAWS = 1000
_LEAST_PROBABILITY = 1e-7  # keeps the logarithm of a probability finite
_SEED = 20  # the same draws for all models, which pairs them
_CELLS = 2_000_000  # weights held at a time
_PAIRED = ("accuracy", "roc_auc")

Interval = tuple[float, float]


# --- figures --------------------------------------------------------------------------------


def metrics_by_repeat(sheets: ScoredSheets) -> dict[str, Floats]:
    """Measure every repeat, pooled over its folds.

    Returns:
        Arrays of shape ``(repeats,)`` by name: ``accuracy``, ``balanced_accuracy``, ``recall``,
        ``false_positive_rate``, ``recall_class_1`` …, ``roc_auc``, ``pr_auc``,
        ``fpr_at_recall_95`` …, ``brier``, ``log_loss``. NaN where sheets of a kind are absent.
    """
    measured = weighted_metrics(sheets, np.ones((1, len(sheets.labels))))
    return {name: values[:, 0] for name, values in measured.items()}


def weighted_metrics(sheets: ScoredSheets, weights: Floats) -> dict[str, Floats]:
    """Measure scores in which sheets occur as often as weights, ``(draws, sheets)``, say.

    Returns:
        As :func:`metrics_by_repeat`, of shape ``(repeats, draws)``.
    """
    rows = [
        _decided(sheets, flagged, weights)
        | _ranked(sheets.labels, scores, weights)
        | _probabilistic(sheets.labels, scores, weights)
        for scores, flagged in zip(sheets.scores, sheets.decisions, strict=True)
    ]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def share_kinds(sheets: ScoredSheets) -> dict[str, Flags]:
    """Say which sheets each share of decisions is a share of, each of shape ``(sheets,)``."""
    classes = {f"recall_class_{number}": shown for number, shown in sheets.classes.items()}
    labels = sheets.labels
    return {"accuracy": labels | True, "recall": labels, "false_positive_rate": ~labels} | classes


def _decided(sheets: ScoredSheets, flagged: Flags, weights: Floats) -> dict[str, Floats]:
    shares = {name: _mean(flagged, weights * kind) for name, kind in share_kinds(sheets).items()}
    return {
        "accuracy": _mean(flagged == sheets.labels, weights),
        "balanced_accuracy": (shares["recall"] + 1 - shares["false_positive_rate"]) / 2,
    } | {name: share for name, share in shares.items() if name != "accuracy"}


def _ranked(labels: Flags, scores: Floats, weights: Floats) -> dict[str, Floats]:
    """Measure the order of scores, from the highest down; equal scores fall together."""
    if not len(scores):
        return {name: np.full(len(weights), np.nan) for name in ("roc_auc", "pr_auc", *RECALLS)}
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    ordered = weights[:, order]
    new_hits = np.add.reduceat(ordered * labels[order], starts, axis=1)
    new_alarms = np.add.reduceat(ordered * ~labels[order], starts, axis=1)
    hits, alarms = new_hits.cumsum(axis=1), new_alarms.cumsum(axis=1)
    defective, clean = hits[:, -1], alarms[:, -1]
    # A clean sheet ranks below all hits so far but half of those with the same score.
    won = (new_alarms * (hits - new_hits / 2)).sum(axis=1)
    precision = hits / np.maximum(hits + alarms, np.finfo(float).tiny)
    both = np.where(clean > 0, defective, 0.0)
    return {
        "roc_auc": _ratio(won, both * clean),
        "pr_auc": _ratio((new_hits * precision).sum(axis=1), both),
    } | {
        name: _ratio(_alarms_at(recall, hits, alarms), np.where(defective > 0, clean, 0.0))
        for name, recall in RECALLS.items()
    }


def _alarms_at(recall: float, hits: Floats, alarms: Floats) -> Floats:
    """Count flagged clean sheets at the highest score that reaches a recall."""
    enough = hits >= recall * hits[:, -1:] - 1e-9
    return np.take_along_axis(alarms, enough.argmax(axis=1)[:, None], axis=1)[:, 0]


def _probabilistic(labels: Flags, scores: Floats, weights: Floats) -> dict[str, Floats]:
    right = np.where(labels, scores, 1 - scores)
    surprise = -np.log(np.clip(right, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY))
    return {"brier": _mean((1 - right) ** 2, weights), "log_loss": _mean(surprise, weights)}


def _mean(values: NDArray[np.generic], weights: Floats) -> Floats:
    return _ratio(weights @ values.astype(float), weights.sum(axis=1))


def _ratio(above: Floats, below: Floats) -> Floats:
    """Divide; NaN where there is nothing below the line."""
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)


# --- intervals ------------------------------------------------------------------------------


def group_weights(groups: NDArray[np.int64], draws: int = _DRAWS) -> Iterator[Floats]:
    """Draw groups with replacement; yield how often each sheet occurs, a part of the draws a time.

    Groups are numbers, of shape ``(sheets,)``, at least one; the same groups get the same draws.
    """
    rng = np.random.default_rng(_SEED)
    count = int(groups.max()) + 1
    at_once = max(1, _CELLS // max(len(groups), count))
    for start in range(0, draws, at_once):
        rows = min(at_once, draws - start)
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=rows)
        yield drawn[:, groups].astype(float)


def _resampled(sheets: ScoredSheets) -> dict[str, Floats]:
    """Measure resampled groups, each figure averaged over the repeats, of shape ``(draws,)``."""
    if not len(sheets.labels):
        return {}
    parts = [
        {name: values.mean(axis=0) for name, values in weighted_metrics(sheets, weights).items()}
        for weights in group_weights(sheets.groups)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def metric_intervals(sheets: ScoredSheets) -> dict[str, Interval]:
    """Give every figure its 95 % interval, lower and upper end, from percentiles of resampled ones.

    Where a share is 0 or 1 in every draw, resampling knows no spread, and the exact interval of as
    many trials as there are groups of the kind stands in for it: wider than it need be, and honest.
    Ends that cannot be told are NaN; of no sheets there are no figures.
    """
    return {name: _interval(values, sheets, name) for name, values in _resampled(sheets).items()}


def _interval(values: Floats, sheets: ScoredSheets, metric: str) -> Interval:
    interval, known = drawn_interval(values), values[~np.isnan(values)]
    groups = _groups_behind(sheets, metric)
    spread = not np.isnan(interval[0])
    if spread or not groups or not len(known) or float(known[0]) not in (0.0, 1.0):
        return interval
    return share_interval(groups if known[0] else 0, groups)


def drawn_interval(values: Floats) -> Interval:
    """Return the 95 % interval of a figure in the draws, ``(draws,)``; NaN without any spread.

    Draws in which the figure is NaN do not count.
    """
    known = values[~np.isnan(values)]
    spread = len(known) and np.ptp(known) >= 1e-12
    return _percentiles(known) if spread else (np.nan, np.nan)


def _percentiles(values: Floats) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail]) if len(values) else (np.nan, np.nan)
    return float(low), float(high)


def _groups_behind(sheets: ScoredSheets, metric: str) -> int:
    """Count the groups that a share is a share of; 0 for a figure that is no share."""
    if metric in ("brier", "log_loss"):
        return 0
    kinds = share_kinds(sheets) | dict.fromkeys(RECALLS, ~sheets.labels)
    parts = [kinds[metric]] if metric in kinds else [sheets.labels, ~sheets.labels]
    return min(len(np.unique(sheets.groups[part])) for part in parts)


# --- differences ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """How far one figure lies above another; NaN where sheets of a kind are absent.

    Attributes:
        metric: The figure, as :func:`metrics_by_repeat` names it.
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

    @classmethod
    def of(cls, metric: str, first: float, second: float, gaps: Floats) -> "Difference":
        """Describe the difference by its values in the draws, of shape ``(draws,)``."""
        gaps = gaps[~np.isnan(gaps)]
        above = float((gaps > 0).mean()) if len(gaps) else float("nan")
        return cls(metric, first, second, first - second, *_percentiles(gaps), above)

    def as_dict(self) -> dict[str, float | str | None]:
        """Return the fields for JSON, with None for NaN."""
        return {key: None if pd.isna(value) else value for key, value in asdict(self).items()}


def paired_differences(
    first: ScoredSheets, second: ScoredSheets, metrics: Sequence[str] = _PAIRED
) -> list[Difference]:
    """Compare two models on the same resampled groups of sheets (a paired bootstrap).

    Each is averaged over its own repeats.

    Raises:
        SteelDefectsError: The sheets are not the same.
    """
    if first.sheet_ids != second.sheet_ids or not np.array_equal(first.groups, second.groups):
        raise SteelDefectsError(
            "the two score tables hold different sheets or groups, so that they cannot be paired; "
            "score both on the same splits"
        )
    if not first.sheet_ids:
        return [Difference(metric) for metric in metrics]
    one, other = (metrics_by_repeat(sheets) for sheets in (first, second))
    drawn, others = (_resampled(sheets) for sheets in (first, second))
    return [
        Difference.of(
            name, float(one[name].mean()), float(other[name].mean()), drawn[name] - others[name]
        )
        for name in metrics
    ]


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
            the mean Dice of all. A ratio with nothing below the line is NaN.
        second: The same in the other, of the same sheets.
        groups: Number of each sheet's group, of the same shape.
    """
    if not len(groups):
        return Difference(metric)

    def ratios(weights: Floats, sums: tuple[Floats, Floats]) -> Floats:
        return _ratio(*(weights @ values for values in sums))

    once = np.ones((1, len(groups)))
    gaps = [ratios(weights, first) - ratios(weights, second) for weights in group_weights(groups)]
    one, other = (float(ratios(once, sums)[0]) for sums in (first, second))
    return Difference.of(metric, one, other, np.concatenate(gaps))


def compare_out_of_fold(
    first: pd.DataFrame,
    second: pd.DataFrame,
    splits: pd.DataFrame,
    metrics: Sequence[str] = _PAIRED,
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
