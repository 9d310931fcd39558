"""From a classifier's outputs to calibrated scores and thresholds, and what these stand on."""

from typing import Any

import numpy as np
import pandas as pd

from steel_defects.decision.calibration import fit_calibration
from steel_defects.decision.intervals import CONFIDENCE, needed_trials
from steel_defects.decision.operating_point import (
    Evidence,
    OperatingPoint,
    OperatingPointConfig,
    choose_operating_point,
    measure_rates,
)
from steel_defects.decision.score_tables import (
    groups_of,
    hold_out,
    labels_and_scores,
    out_of_fold,
    scored_sheets,
)
from steel_defects.evaluation.classification import accuracy_threshold
from steel_defects.evaluation.paired import paired_differences
from steel_defects.tables.declared import SHEET_SCORES

#: With fewer validation sheets of a kind, out-of-fold outputs are better to calibrate by.
FEW_OF_A_KIND = 30

_NO_SCORES = np.zeros(0, bool), np.zeros((1, 0))


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
    effects = {
        name: _calibration_effect(part, splits)
        for name, part in (("test", hold_out(table, "test")), ("out_of_fold", out_of_fold(table)))
        if len(part)
    }
    record = {
        "threshold": threshold,
        "fitted_on": fitted_on,
        "sheets": tuning["sheet_id"].nunique(),
    }
    return table, calibration.model_dump() | record | effects


def _tuning_rows(outputs: pd.DataFrame, below: pd.DataFrame | None) -> tuple[pd.DataFrame, str]:
    validation = outputs[outputs["split"] == "validation"]
    if below is None:
        return validation, "validation"
    defective = int(validation["has_defect"].sum())
    few = min(defective, len(validation) - defective) < FEW_OF_A_KIND
    usable = below[below["split"].isin(["train", "validation"])]
    return (usable, "out_of_fold") if few and len(usable) else (validation, "validation")


def _calibration_effect(rows: pd.DataFrame, splits: pd.DataFrame) -> dict[str, Any]:
    """Compare outputs with calibrated scores of the same sheets; less is better."""
    before, after = (scored_sheets(rows, splits, column=name) for name in ("output", "score"))
    effect: dict[str, Any] = {"sheets": len(after.labels)}
    for row in paired_differences(after, before, ("brier", "log_loss")):
        values = row.as_dict()
        effect[row.metric] = {"before": values["second"], "after": values["first"]} | {
            key: values[key] for key in ("difference", "low", "high")
        }
    return effect


def operating_point_of(
    scores: pd.DataFrame, config: OperatingPointConfig, splits: pd.DataFrame
) -> OperatingPoint:
    """Choose a backbone's thresholds, and check them once on the test split.

    Scores of the cross-validation leave out the test sheets, which the check would otherwise have
    seen.

    Args:
        scores: ``sheet_scores`` of the backbone.
        config: The targets, and which scores decide.
        splits: ``sheet_id, group_id``: look-alikes are no independent evidence.
    """
    crossed, calibration = out_of_fold(scores), hold_out(scores, "calibration")
    source, reason = _source(calibration, crossed, config, splits)
    rows = calibration.assign(repeat=0)
    if source == "out_of_fold":
        rows = crossed[crossed["split"] != "test"]
    labels, values = labels_and_scores(rows) if len(rows) else _NO_SCORES
    groups = groups_of(rows, splits)
    point = choose_operating_point(labels, values, config, source, groups)
    evidence = _evidence_in_words(point, source, len(values), len(np.unique(groups))) + reason
    if point.tied_clean_sheets:
        evidence += (
            f" {point.tied_clean_sheets:,} of the clean sheets score exactly the lower threshold "
            "and are not cleared."
        )
    test = hold_out(scores, "test").sort_values("sheet_id")
    checked = measure_rates(
        test["has_defect"].to_numpy(bool), test["score"].to_numpy(float),
        point.thresholds, groups_of(test, splits),
    )  # fmt: skip
    return point.model_copy(update={"evidence": evidence, "test": checked})


def _source(
    calibration: pd.DataFrame,
    crossed: pd.DataFrame,
    config: OperatingPointConfig,
    splits: pd.DataFrame,
) -> tuple[Evidence, str]:
    """Choose the scores; say why where that is not what one would expect."""
    if config.evidence == "out_of_fold" and crossed.empty:
        return "calibration", " There is no cross-validation of this backbone to choose by."
    if config.evidence == "calibration" or crossed.empty:
        return "calibration", ""
    if config.evidence == "out_of_fold":
        return "out_of_fold", ""
    defective = len(np.unique(groups_of(calibration[calibration["has_defect"]], splits)))
    needed = needed_trials(0, config.target_recall, CONFIDENCE)
    if defective >= needed:
        return "calibration", ""
    return "out_of_fold", (
        f" The calibration split alone has {defective:,} of the {needed:,} defective sheets that "
        "the target needs."
    )


def _evidence_in_words(point: OperatingPoint, source: Evidence, repeats: int, groups: int) -> str:
    sheets = point.defective_sheets + point.clean_sheets
    alike = f" in {groups:,} groups of look-alikes that count as one" if groups < sheets else ""
    counts = f"{point.defective_sheets:,} defective and {point.clean_sheets:,} clean sheets{alike}"
    if source == "calibration":
        return (
            f"Chosen on {counts} of the calibration split, which neither training nor "
            "calibration of the score has seen."
        )
    times = f", in {repeats} repeats that count as one" if repeats > 1 else ""
    return (
        f"Chosen on out-of-fold scores of {counts} outside the test split, each scored by models "
        f"that were not trained on it{times}. These are other models than the one in use, so that "
        "the bounds are an estimate and no proof."
    )
