"""Gates side by side, each figure with its interval; and segmenters, out of fold with a spread."""

from collections.abc import Mapping, Set

import numpy as np
import pandas as pd

from steel_defects.decision.intervals import share_interval
from steel_defects.decision.score_tables import ScoredSheets, hold_out, out_of_fold, scored_sheets
from steel_defects.evaluation.pooled import pooled_figures
from steel_defects.evaluation.resampling import (
    Interval,
    metric_intervals,
    metrics_by_repeat,
    share_kinds,
)
from steel_defects.evaluation.segmentation import class_metrics, pair_table, segmentation_metrics
from steel_defects.models.trained import ClassifierProfile, ClassifierSpeed

# Figures whose spread over folds is shown.
_SPREAD = ["mean_dice", "mean_iou", "dice_on_positives"]
_GATED = ("mean_dice_gated", "dice_on_positives_gated")


# --- gates ----------------------------------------------------------------------------------


def classification_comparison(
    scores: Mapping[str, pd.DataFrame],
    profiles: Mapping[str, ClassifierProfile],
    speeds: Mapping[str, ClassifierSpeed],
    splits: pd.DataFrame,
    annotations: pd.DataFrame,
) -> pd.DataFrame:
    """Set backbones side by side, each on test sheets and, where it was cross-validated, on all.

    Args:
        scores: ``sheet_scores`` of each backbone.
        profiles: Of each backbone: its weights and size, and what its training took.
        speeds: Of each backbone.
        splits: ``sheet_id, group_id``.
        annotations: ``sheet_id, class_id``, for the recall of each class.

    Returns:
        One row per backbone and evaluation (``test``, ``out_of_fold``), with ``sheets``,
        ``defective_sheets`` and ``repeats`` that its figures stand on. Beside each figure of
        :func:`steel_defects.evaluation.resampling.metrics_by_repeat` stand ``…_low``, ``…_high``,
        its 95 % interval, and ``…_sd``, the standard deviation between two or more repeats.
    """
    rows = [
        {"backbone": name, "weights": profiles[name].weights, "evaluation": evaluation}
        | _evaluation_row(scored_sheets(part, splits, annotations), exact=evaluation == "test")
        | profiles[name].model_dump(exclude={"backbone", "weights", "models"})
        | speeds[name].model_dump()
        for name, table in sorted(scores.items())
        for evaluation, part in (
            ("test", hold_out(table, "test")),
            ("out_of_fold", out_of_fold(table)),
        )
        if evaluation == "test" or len(part)
    ]
    return pd.DataFrame(rows)


def _evaluation_row(sheets: ScoredSheets, exact: bool) -> dict[str, float]:
    """Measure scores, with intervals from resampled groups.

    Shares of a single model, whose mistakes on different sheets are independent, get the ``exact``
    binomial interval instead, unless some sheets look alike.
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
    right = flagged == sheets.labels
    return {
        name: share_interval(int((right if name == "accuracy" else flagged)[kind].sum()), trials)
        for name, kind in share_kinds(sheets).items()
        if (trials := int(kind.sum()))
    }


# --- segmenters -----------------------------------------------------------------------------


def segmentation_rows(
    predictions: pd.DataFrame, annotations: pd.DataFrame, sheets: pd.DataFrame, cleared: Set[str]
) -> tuple[dict[str, float], pd.DataFrame]:
    """Summarise a segmenter's predictions, alone and behind the gate.

    Args:
        predictions: ``sheet_id, repeat, class_id, rle, score`` of the sheets to judge by.
        annotations: The true masks.
        sheets: Sizes and groups of the sheets, and their void pixels, if there are some.
        cleared: Sheets that the gate lets pass, by itself or together with the segmenter; their
            masks are empty behind it.

    Returns:
        The figures of :func:`segmentation_metrics`, with ``all_empty_dice`` (what no prediction
        would score), ``mean_dice_gated`` and ``dice_on_positives_gated``, and those of
        :func:`steel_defects.evaluation.pooled.pooled_figures`; and those of each class.
    """
    pairs = pair_table(predictions, annotations, sheets)
    pooled = pooled_figures(predictions, annotations, sheets)
    return _figures(pairs, cleared) | pooled, class_metrics(pairs)


def _figures(pairs: pd.DataFrame, cleared: Set[str]) -> dict[str, float]:
    empty = (pairs["true_px"] == 0).astype(float)
    gated = pairs["dice"].where(~pairs["sheet_id"].isin(cleared), empty)
    figures = segmentation_metrics(pairs)
    return {
        "sheets": figures.pop("sheets"),
        "mean_dice": figures.pop("mean_dice"),
        "all_empty_dice": float(empty.mean()),
        "mean_dice_gated": float(gated.mean()),
        **figures,
        "dice_on_positives_gated": float(gated[pairs["true_px"] > 0].mean()),
    }


def out_of_fold_row(
    predictions: pd.DataFrame,
    annotations: pd.DataFrame,
    sheets: pd.DataFrame,
    cleared: Mapping[int, Set[str]],
) -> dict[str, float]:
    """Summarise a cross-validation: each repeat pooled over its folds, averaged over the repeats.

    Args:
        predictions: ``sheet_id, repeat, fold, class_id, rle, score``; at least one row.
        annotations: The true masks.
        sheets: Sizes and groups of the sheets, and their void pixels, if there are some.
        cleared: For each repeat the sheets that a gate that had not seen them lets pass.

    Returns:
        The figures of :func:`segmentation_rows`; ``folds``, those of a repeat; and for mean Dice,
        mean IoU and Dice on positives a ``…_error``: the standard error of the mean over folds, NaN
        for one fold. Figures behind the gate are NaN where its scores of some repeat are missing.
    """
    rows = []
    for repeat, part in predictions.groupby("repeat"):
        pairs = pair_table(part, annotations, sheets)
        row = _figures(pairs, cleared.get(repeat, set())) | _spread(pairs, part)
        rows.append(row if repeat in cleared else row | dict.fromkeys(_GATED, np.nan))
    means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    return means | pooled_figures(predictions, annotations, sheets)


def _spread(pairs: pd.DataFrame, predictions: pd.DataFrame) -> dict[str, float]:
    fold_of = predictions.drop_duplicates("sheet_id").set_index("sheet_id")["fold"]
    parts = pairs.groupby(pairs["sheet_id"].map(fold_of).astype(int))
    folds = pd.DataFrame([segmentation_metrics(part) for _, part in parts])
    return {"folds": len(folds)} | folds[_SPREAD].sem().add_suffix("_error").to_dict()
