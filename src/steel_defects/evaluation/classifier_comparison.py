"""The gates side by side, each figure with its interval."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.decision.intervals import share_interval
from steel_defects.decision.score_tables import (
    ScoredSheets,
    hold_out,
    out_of_fold,
    scored_sheets,
)
from steel_defects.evaluation.resampling import Interval, metric_intervals, metrics_by_repeat

#: Facts about a backbone that do not depend on the sheets it is evaluated on.
PROFILE = (
    "input_height",
    "input_width",
    "parameters",
    "parameters_with_top",
    "epochs",
    "ms_per_sheet_p50",
    "ms_per_sheet_p90",
    "training_seconds",
)


def classification_comparison(
    scores: Mapping[str, pd.DataFrame],
    profiles: Mapping[str, Mapping[str, Any]],
    splits: pd.DataFrame,
    annotations: pd.DataFrame,
) -> pd.DataFrame:
    """Set backbones side by side, each on test sheets and, where it was cross-validated, on all.

    Args:
        scores: ``sheet_scores`` of each backbone.
        profiles: Weights, size and speed of each backbone: :data:`PROFILE`.
        splits: ``sheet_id, group_id``.
        annotations: ``sheet_id, class_id``, for the recall of each class.

    Returns:
        One row per backbone and evaluation (``test``, ``out_of_fold``), with ``sheets``,
        ``defective_sheets`` and ``repeats`` that its figures stand on. Each figure of
        :func:`steel_defects.evaluation.resampling.metrics_by_repeat` has a column, beside it
        ``…_low`` and ``…_high``, its 95 % interval, and ``…_sd``, the standard deviation between
        repeats, NaN for fewer than two.
    """
    rows = [
        {"backbone": name, "weights": profiles[name]["weights"], "evaluation": evaluation}
        | evaluation_row(scored_sheets(part, splits, annotations), exact=evaluation == "test")
        | {key: profiles[name][key] for key in PROFILE}
        for name, table in sorted(scores.items())
        for evaluation, part in (
            ("test", hold_out(table, "test")),
            ("out_of_fold", out_of_fold(table)),
        )
        if evaluation == "test" or len(part)
    ]
    return pd.DataFrame(rows)


def evaluation_row(sheets: ScoredSheets, exact: bool = False) -> dict[str, float]:
    """Measure scores, with intervals from resampled groups.

    Args:
        sheets: The scores.
        exact: Give shares the exact binomial interval instead, unless some sheets look alike; only
            for scores of a single model, whose mistakes on different sheets are independent.
    """
    repeats = len(sheets.scores)
    alone = len(np.unique(sheets.groups)) == len(sheets.groups)
    intervals = metric_intervals(sheets) | (_exact_intervals(sheets) if exact and alone else {})
    row: dict[str, float] = {
        "sheets": len(sheets.labels),
        "defective_sheets": int(sheets.labels.sum()),
        "repeats": repeats,
    }
    for name, values in metrics_by_repeat(sheets).items():
        low, high = intervals.get(name, (np.nan, np.nan))
        row |= {name: float(values.mean()), f"{name}_low": low, f"{name}_high": high}
        row[f"{name}_sd"] = float(values.std(ddof=1)) if repeats > 1 else np.nan
    return row


def _exact_intervals(sheets: ScoredSheets) -> dict[str, Interval]:
    flagged = sheets.decisions[0]
    trials = {
        "accuracy": flagged == sheets.labels,
        "recall": flagged[sheets.labels],
        "false_positive_rate": flagged[~sheets.labels],
    } | {f"recall_class_{number}": flagged[shown] for number, shown in sheets.classes.items()}
    return {
        name: share_interval(int(hits.sum()), len(hits))
        for name, hits in trials.items()
        if len(hits)
    }
