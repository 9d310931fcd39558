"""Figures of scores with intervals, from resampled groups of sheets.

Sheets of a group look alike, so that groups are drawn, not sheets: the bootstrap of clusters
(Efron and Tibshirani 1993, chapter 8). A group stays the same in all repeats of a cross-validation,
so that repeats do not count as new sheets.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from steel_defects.decision.intervals import CONFIDENCE, share_interval
from steel_defects.decision.score_tables import Flags, Floats, ScoredSheets

DRAWS = 1000
#: Recalls at which the false positives are given, and their columns.
RECALLS = {f"fpr_at_recall_{round(100 * recall)}": recall for recall in (0.95, 0.98, 0.99)}

_LEAST_PROBABILITY = 1e-7  # keeps the logarithm of a probability finite
_SEED = 20  # the same draws for all models, which pairs them
_CELLS = 2_000_000  # weights held at a time

Interval = tuple[float, float]


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
    """Measure scores in which sheets occur as often as their weights say.

    Args:
        sheets: The scores.
        weights: Of shape ``(draws, sheets)``.

    Returns:
        As :func:`metrics_by_repeat`, of shape ``(repeats, draws)``.
    """
    rows = [
        _decided(sheets, flagged, weights)
        | _ranked(sheets.labels, scores, weights)
        | _probabilistic(sheets.labels, scores, weights)
        for scores, flagged in zip(sheets.scores, sheets.decisions, strict=True)
    ]
    return {name: np.stack([row[name] for row in rows]) for name in (rows[0] if rows else ())}


def _decided(sheets: ScoredSheets, flagged: Flags, weights: Floats) -> dict[str, Floats]:
    labels = sheets.labels
    recall = _mean(flagged, weights * labels)
    false_positives = _mean(flagged, weights * ~labels)
    return {
        "accuracy": _mean(flagged == labels, weights),
        "balanced_accuracy": (recall + 1 - false_positives) / 2,
        "recall": recall,
        "false_positive_rate": false_positives,
    } | {
        f"recall_class_{number}": _mean(flagged, weights * shown)
        for number, shown in sheets.classes.items()
    }


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
        "roc_auc": ratio(won, both * clean),
        "pr_auc": ratio((new_hits * precision).sum(axis=1), both),
    } | {
        name: ratio(_alarms_at(recall, hits, alarms), np.where(defective > 0, clean, 0.0))
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
    return ratio(weights @ values.astype(float), weights.sum(axis=1))


def ratio(above: Floats, below: Floats) -> Floats:
    """Divide; NaN where there is nothing below the line."""
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)


def group_weights(groups: NDArray[np.int64], draws: int = DRAWS) -> Iterator[Floats]:
    """Draw groups with replacement; yield how often each sheet occurs, a part of the draws a time.

    Args:
        groups: Number of each sheet's group, of shape ``(sheets,)``, at least one.
        draws: Samples in all; the same ones for the same groups.
    """
    rng = np.random.default_rng(_SEED)
    count = int(groups.max()) + 1
    at_once = max(1, _CELLS // max(len(groups), count))
    for start in range(0, draws, at_once):
        rows = min(at_once, draws - start)
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=rows)
        yield drawn[:, groups].astype(float)


def resampled(sheets: ScoredSheets) -> dict[str, Floats]:
    """Measure resampled groups, each figure averaged over the repeats.

    Returns:
        As :func:`metrics_by_repeat`, of shape ``(draws,)``; no figures of no sheets.
    """
    if not len(sheets.labels):
        return {}
    parts = [
        {name: values.mean(axis=0) for name, values in weighted_metrics(sheets, weights).items()}
        for weights in group_weights(sheets.groups)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def percentile_interval(values: Floats) -> Interval:
    """Return the 95 % interval of resampled values; NaN where none of them is a number."""
    known = values[~np.isnan(values)]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(known, [tail, 1 - tail]) if len(known) else (np.nan, np.nan)
    return float(low), float(high)


def metric_intervals(sheets: ScoredSheets) -> dict[str, Interval]:
    """Give every figure its interval, from percentiles of the resampled ones.

    Where a share is 0 or 1 in every draw, resampling knows no spread, and the exact interval of as
    many trials as there are groups of the kind stands in for it: wider than it need be, and honest.

    Returns:
        Lower and upper end by name, NaN where they cannot be told; none of no sheets.
    """
    return {name: _interval(values, sheets, name) for name, values in resampled(sheets).items()}


def _interval(values: Floats, sheets: ScoredSheets, metric: str) -> Interval:
    known = values[~np.isnan(values)]
    if len(known) and np.ptp(known) >= 1e-12:
        return percentile_interval(known)
    groups = _groups_behind(sheets, metric)
    if not groups or not len(known) or float(known[0]) not in (0.0, 1.0):
        return float("nan"), float("nan")
    return share_interval(groups if known[0] else 0, groups)


def _groups_behind(sheets: ScoredSheets, metric: str) -> int:
    """Count the groups that a share is a share of; 0 for a figure that is no share."""
    if metric in ("brier", "log_loss"):
        return 0
    kinds = {"accuracy": sheets.labels | True, "recall": sheets.labels}
    kinds |= dict.fromkeys(("false_positive_rate", *RECALLS), ~sheets.labels)
    kinds |= {f"recall_class_{number}": shown for number, shown in sheets.classes.items()}
    parts = [kinds[metric]] if metric in kinds else [sheets.labels, ~sheets.labels]
    return min(len(np.unique(sheets.groups[part])) for part in parts)
