"""From a classifier's outputs to calibrated scores with a threshold."""

from typing import Any

import numpy as np
import pandas as pd

from steel_defects.decision.calibration import fit_calibration
from steel_defects.decision.score_tables import hold_out, out_of_fold
from steel_defects.evaluation.classification import accuracy_threshold
from steel_defects.evaluation.classifier_comparison import calibration_effect
from steel_defects.tables.declared import SHEET_SCORES

#: With fewer validation sheets of a kind, out-of-fold outputs are better to calibrate by.
FEW_OF_A_KIND = 30


def calibrated_scores(
    outputs: pd.DataFrame,
    sheets: pd.DataFrame,
    splits: pd.DataFrame,
    crossed: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Calibrate the hold-out model, and put the scores of a cross-validation below its own.

    Validation sheets decide on temperature, bias and threshold. With few of them the out-of-fold
    outputs of training and validation sheets do: those of other models of the same kind, but many
    more. Calibration and test sheets play no part.

    Args:
        outputs: ``sheet_id, split, has_defect, output``.
        sheets: ``sheet_id, has_defect``.
        splits: ``sheet_id, group_id, split``.
        crossed: ``sheet_id, repeat, fold, output, score, threshold``, calibrated in their folds;
            None where there was no cross-validation.

    Returns:
        ``sheet_scores``; and ``temperature, bias, threshold``, where they come from (``fitted_on``)
        and, for ``test`` and ``out_of_fold``, what calibration did to Brier score and log loss.
    """
    facts = sheets[["sheet_id", "has_defect"]].merge(splits[["sheet_id", "split"]], on="sheet_id")
    below = None if crossed is None else crossed.merge(facts, on="sheet_id")
    tuning, fitted_on = _tuning_rows(outputs, below)
    labels, values = tuning["has_defect"].to_numpy(bool), tuning["output"].to_numpy(float)
    learned_from = outputs.loc[outputs["split"] == "train", "has_defect"].to_numpy(bool)
    weights = 1 / tuning.groupby("sheet_id")["output"].transform("size").to_numpy(float)
    calibration = fit_calibration(labels, values, learned_from, weights)
    threshold = accuracy_threshold(labels, calibration.apply(values), weights)
    held_out = outputs.assign(
        score=calibration.apply(outputs["output"].to_numpy(float)),
        threshold=threshold, repeat=None, fold=None,
    )  # fmt: skip
    parts = [held_out] if below is None else [held_out, below]
    table = pd.concat([SHEET_SCORES.typed(part) for part in parts], ignore_index=True)
    record: dict[str, Any] = calibration.model_dump() | {
        "threshold": threshold,
        "fitted_on": fitted_on,
        "sheets": int(np.unique(tuning["sheet_id"].astype(str)).size),
    }
    for name, part in (("test", hold_out(table, "test")), ("out_of_fold", out_of_fold(table))):
        if len(part):
            record[name] = calibration_effect(part, splits)
    return table, record


def _tuning_rows(outputs: pd.DataFrame, below: pd.DataFrame | None) -> tuple[pd.DataFrame, str]:
    validation = outputs[outputs["split"] == "validation"]
    if below is None:
        return validation, "validation"
    defective = int(validation["has_defect"].sum())
    few = min(defective, len(validation) - defective) < FEW_OF_A_KIND
    usable = below[below["split"].isin(["train", "validation"])]
    return (usable, "out_of_fold") if few and len(usable) else (validation, "validation")
