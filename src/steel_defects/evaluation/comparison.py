"""Tables that set models side by side, and the choice between them."""

from collections.abc import Mapping, Set
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.evaluation.classification import classification_metrics
from steel_defects.evaluation.segmentation import class_metrics, pair_table, segmentation_metrics

#: Columns that differ between two runs of the same seed.
TIME_COLUMNS = ("ms_per_sheet", "training_seconds")


def score_table_rows(scores: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Summarise a table of scores by what it was evaluated on.

    Returns:
        ``test`` for the hold-out, and ``out_of_fold`` where there was a cross-validation: there
        each repeat is pooled over its folds, and the repeats are averaged.
    """
    held_out = scores[scores["repeat"].isna() & (scores["split"] == "test")]
    rows = {"test": _metrics(held_out)}
    repeats = [_metrics(part) for _, part in scores[scores["repeat"].notna()].groupby("repeat")]
    if repeats:
        rows["out_of_fold"] = {key: float(np.mean([r[key] for r in repeats])) for key in repeats[0]}
    return rows


def _metrics(scores: pd.DataFrame) -> dict[str, float]:
    labels = scores["has_defect"].to_numpy(bool)
    return classification_metrics(labels, scores["score"].to_numpy(float))


def classification_comparison(
    scores: Mapping[str, pd.DataFrame], profiles: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """Set backbones side by side: one row each, with cross-validation beside it where there was.

    Args:
        scores: ``sheet_scores`` of each backbone.
        profiles: Weights, size and speed of each backbone.
    """
    if not scores:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _NO_BACKBONE.items()})
    rows = []
    for name, table in scores.items():
        evaluated = score_table_rows(table)
        row = {"backbone": name, "weights": profiles[name]["weights"], "evaluation": "test"}
        row |= evaluated["test"]
        row |= {
            f"out_of_fold_{key}": evaluated.get("out_of_fold", {}).get(key)
            for key in ("sheets", "accuracy", "roc_auc")
        }
        row |= {key: profiles[name][key] for key in _PROFILE}
        rows.append(row)
    return pd.DataFrame(rows).sort_values("backbone", ignore_index=True)


_NO_BACKBONE = {
    **dict.fromkeys(("backbone", "weights", "evaluation"), "str"),
    "sheets": "int64",
    **dict.fromkeys(("accuracy", "roc_auc", "pr_auc"), "float64"),
    "parameters": "int64",
    **dict.fromkeys(TIME_COLUMNS, "float64"),
}

_PROFILE = (
    "input_height",
    "input_width",
    "parameters",
    "epochs",
    "ms_per_sheet",
    "training_seconds",
)


def select(
    wanted: str, quality: Mapping[str, float], parameters: Mapping[str, int], measure: str
) -> dict[str, Any]:
    """Choose a model on validation.

    Args:
        wanted: ``best``, the name of a model, or ``none``.
        quality: The measure of each model on validation; higher is better.
        parameters: Parameters of each model; between equals the smaller one is chosen.
        measure: What the measure is called.

    Returns:
        ``name`` (None for none), ``reason`` and ``candidates``.
    """
    candidates = {name: float(value) for name, value in quality.items()}
    if wanted == "none":
        return {"name": None, "reason": "none was asked for", "candidates": candidates}
    if wanted != "best":
        return {"name": wanted, "reason": "named in the parameters", "candidates": candidates}
    name = min(candidates, key=lambda n: (-np.nan_to_num(candidates[n], nan=-1), parameters[n], n))
    reason = f"highest {measure} on validation, {candidates[name]:.4f}"
    return {"name": name, "reason": reason, "candidates": candidates}


def segmentation_rows(
    predictions: pd.DataFrame,
    annotations: pd.DataFrame,
    sheets: pd.DataFrame,
    cleared: Set[str],
) -> tuple[dict[str, float], pd.DataFrame]:
    """Summarise a segmenter's predictions, alone and behind the gate.

    Args:
        predictions: ``sheet_id, class_id, rle`` of the sheets to judge by.
        annotations: The true masks.
        sheets: Sizes of the sheets.
        cleared: Sheets that the gate lets pass, whose masks are empty behind it.

    Returns:
        The figures of :func:`segmentation_metrics`, with ``all_empty_dice`` (what no prediction at
        all would score) and ``mean_dice_gated``; and the figures of each class.
    """
    pairs = pair_table(predictions, annotations, sheets)
    empty = (pairs["true_px"] == 0).astype(float)
    gated = pairs["dice"].where(~pairs["sheet_id"].isin(cleared), empty)
    figures = segmentation_metrics(pairs)
    first = {key: figures.pop(key) for key in ("sheets", "mean_dice")}
    baselines = {"all_empty_dice": float(empty.mean()), "mean_dice_gated": float(gated.mean())}
    return first | baselines | figures, class_metrics(pairs)
