"""What a segmenter's predictions are worth: on test sheets, and out of fold with its spread."""

from collections.abc import Mapping, Set

import numpy as np
import pandas as pd

from steel_defects.evaluation.segmentation import class_metrics, pair_table, segmentation_metrics

# Figures whose spread over folds is shown.
_SPREAD = ("mean_dice", "mean_iou", "dice_on_positives")
_GATED = ("mean_dice_gated", "dice_on_positives_gated")


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
        cleared: Sheets that the gate lets pass, by itself or together with the segmenter; their
            masks are empty behind it.

    Returns:
        The figures of :func:`segmentation_metrics`, with ``all_empty_dice`` (what no prediction at
        all would score), ``mean_dice_gated`` and ``dice_on_positives_gated``; and the figures of
        each class.
    """
    pairs = pair_table(predictions, annotations, sheets)
    return _figures(pairs, cleared), class_metrics(pairs)


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
    """Summarise predictions of a cross-validation.

    Each repeat is pooled over its folds, and the repeats are averaged.

    Args:
        predictions: ``sheet_id, repeat, fold, class_id, rle``; at least one row.
        annotations: The true masks.
        sheets: Sizes of the sheets.
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
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def _spread(pairs: pd.DataFrame, predictions: pd.DataFrame) -> dict[str, float]:
    fold_of = predictions.drop_duplicates("sheet_id").set_index("sheet_id")["fold"]
    numbers = pairs["sheet_id"].map(fold_of).astype(int)
    folds = pd.DataFrame([segmentation_metrics(part) for _, part in pairs.groupby(numbers)])
    errors = folds[list(_SPREAD)].sem()
    return {"folds": len(folds)} | {f"{key}_error": float(errors[key]) for key in _SPREAD}
