"""The gates side by side, the choice between them, and what calibration did for one."""

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
from steel_defects.evaluation.comparison import select
from steel_defects.evaluation.paired import paired_differences
from steel_defects.evaluation.resampling import (
    DRAWS,
    Interval,
    metric_intervals,
    metrics_by_repeat,
)
from steel_defects.models.trained import Candidates, ModelSelection

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
        One row a backbone and evaluation (``test``, ``out_of_fold``), with ``sheets``,
        ``defective_sheets`` and ``repeats`` that its figures stand on. Each figure of
        :func:`steel_defects.evaluation.resampling.metrics_by_repeat` has a column, beside it
        ``…_low`` and ``…_high``, its 95 % interval, and ``…_sd``, the standard deviation between
        repeats, NaN for fewer than two.
    """
    rows = []
    for name, table in sorted(scores.items()):
        facts = {"backbone": name, "weights": profiles[name]["weights"]}
        profile = {key: profiles[name][key] for key in PROFILE}
        parts = {"test": hold_out(table, "test"), "out_of_fold": out_of_fold(table)}
        for evaluation, part in parts.items():
            if evaluation == "test" or len(part):
                sheets = scored_sheets(part, splits, annotations)
                figures = evaluation_row(sheets, exact=evaluation == "test")
                rows.append(facts | {"evaluation": evaluation} | figures | profile)
    return pd.DataFrame(rows) if rows else _no_backbone()


def _no_backbone() -> pd.DataFrame:
    none, no_scores = np.zeros(0), np.zeros((1, 0))
    nobody = ScoredSheets((), none.astype(bool), none.astype(np.int64), no_scores, no_scores)
    names = ["backbone", "weights", "evaluation"]
    figures = [*evaluation_row(nobody), *PROFILE]
    return pd.DataFrame(columns=names + figures).astype(dict.fromkeys(names, "str"))


def evaluation_row(sheets: ScoredSheets, exact: bool = False) -> dict[str, float]:
    """Measure scores, with intervals from resampled groups.

    Args:
        sheets: The scores.
        exact: Give shares the exact binomial interval instead, unless some sheets look alike; only
            for scores of a single model, whose mistakes on different sheets are independent.
    """
    repeats = len(sheets.scores)
    measured = metrics_by_repeat(sheets)
    alone = len(np.unique(sheets.groups)) == len(sheets.groups)
    intervals = metric_intervals(sheets) | (_exact_intervals(sheets) if exact and alone else {})
    row: dict[str, float] = {
        "sheets": len(sheets.labels),
        "defective_sheets": int(sheets.labels.sum()),
        "repeats": repeats,
    }
    for name, values in measured.items():
        low, high = intervals.get(name, (np.nan, np.nan))
        row[name] = float(values.mean())
        row |= {f"{name}_low": low, f"{name}_high": high}
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


def validation_roc_auc(scores: pd.DataFrame, splits: pd.DataFrame) -> float | None:
    """Return the ROC-AUC of ``sheet_scores`` on validation; None without both kinds of sheet."""
    return _known(_roc_auc(scored_sheets(hold_out(scores, "validation"), splits)))


def select_gate(
    wanted: str,
    candidates: Candidates,
    scores: Mapping[str, pd.DataFrame],
    versions: Mapping[str, str],
    splits: pd.DataFrame,
) -> ModelSelection:
    """Choose a backbone by its ROC-AUC on validation, and say how clear the choice is.

    Args:
        wanted: ``best``, the name of a backbone, or ``none``.
        candidates: The backbones that may be compared.
        scores: ``sheet_scores`` of each of them.
        versions: The version of each of them.
        splits: ``sheet_id, group_id``.

    Returns:
        The selection, with the sheets that it stands on, and how far the chosen one lies above each
        of the others, with the interval of a paired bootstrap.
    """
    sheets = {
        name: scored_sheets(hold_out(table, "validation"), splits) for name, table in scores.items()
    }
    counted = max((len(part.labels) for part in sheets.values()), default=0)
    chosen = select(wanted, candidates, versions, "ROC-AUC")
    name, reason, differences = chosen.name, chosen.reason, {}
    if name in sheets:
        differences = {
            other: paired_differences(sheets[name], part, ["roc_auc"])[0].as_dict()
            for other, part in sheets.items()
            if other != name
        }
        if wanted == "best":
            parameters = {model.name: model.parameters for model in candidates.fitting}
            reason += _how_clear(differences, counted, parameters)
    return chosen.model_copy(
        update={"reason": reason, "sheets": counted, "differences": differences}
    )


def _roc_auc(sheets: ScoredSheets) -> float:
    values = metrics_by_repeat(sheets).get("roc_auc")
    return float(values.mean()) if values is not None else float("nan")


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _how_clear(
    differences: Mapping[str, Mapping[str, Any]], sheets: int, parameters: Mapping[str, int]
) -> str:
    """Compare the chosen backbone with the next best one."""
    rivals = {name: row for name, row in differences.items() if row["difference"] is not None}
    if not rivals:
        return ""
    name = min(rivals, key=lambda other: (rivals[other]["difference"], parameters[other], other))
    row = rivals[name]
    low, high = row["low"], row["high"]
    interval = f"{low:+.4f} to {high:+.4f}" if low is not None else "unknown"
    within = low is None or low <= 0
    verdict = "within the uncertainty of" if within else "more than the uncertainty of"
    if row["difference"] == 0:
        lead = f"as high as {name}, and it has fewer parameters"
    else:
        lead = f"{row['difference']:.4f} above {name}"
    return f"; {lead}, {verdict} {sheets:,} sheets (95 % interval of the difference {interval})"


def calibration_effect(rows: pd.DataFrame, splits: pd.DataFrame) -> dict[str, Any]:
    """Compare outputs with calibrated scores of the same sheets.

    Args:
        rows: ``sheet_id, repeat, has_defect, output, score, threshold``.
        splits: ``sheet_id, group_id``.

    Returns:
        ``sheets``, and for ``brier`` and ``log_loss`` the value before and after, the difference
        (after less before: negative is better) and its interval, from a paired bootstrap.
    """
    before, after = (scored_sheets(rows, splits, column=name) for name in ("output", "score"))
    found: dict[str, Any] = {"sheets": len(after.labels)}
    for row in paired_differences(after, before, ("brier", "log_loss"), DRAWS):
        values = row.as_dict()
        found[row.metric] = {
            "before": values["second"],
            "after": values["first"],
            "difference": values["difference"],
            "low": values["low"],
            "high": values["high"],
        }
    return found
