"""Which scores decide on the gate's thresholds, and what they are, in words."""

import numpy as np
import pandas as pd

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
)

_NOTHING = np.zeros(0, bool), np.zeros((1, 0))


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
    source, reason = _source(scores, config, splits)
    rows = _evidence(scores, source)
    labels, values = labels_and_scores(rows) if len(rows) else _NOTHING
    groups = groups_of(rows, splits)
    point = choose_operating_point(labels, values, config, source, groups)
    text = _words(point, source, len(values), len(np.unique(groups))) + reason + _ties(point)
    test = hold_out(scores, "test").sort_values("sheet_id")
    checked = measure_rates(
        test["has_defect"].to_numpy(bool), test["score"].to_numpy(float),
        point.lower_threshold, point.upper_threshold, CONFIDENCE, groups_of(test, splits),
    )  # fmt: skip
    return point.model_copy(update={"evidence": text, "test": checked})


def _ties(point: OperatingPoint) -> str:
    if not point.tied_clean_sheets:
        return ""
    return (
        f" {point.tied_clean_sheets:,} of the clean sheets score exactly the lower threshold and "
        "are not cleared."
    )


def _source(
    scores: pd.DataFrame, config: OperatingPointConfig, splits: pd.DataFrame
) -> tuple[Evidence, str]:
    """Choose the scores; say why where that is not what one would expect."""
    crossed = len(out_of_fold(scores)) > 0
    if config.evidence == "calibration":
        return "calibration", ""
    if config.evidence == "out_of_fold":
        if crossed:
            return "out_of_fold", ""
        return "calibration", " There is no cross-validation of this backbone to choose by."
    kept = hold_out(scores, "calibration")
    here = len(np.unique(groups_of(kept[kept["has_defect"]], splits)))
    needed = needed_trials(0, config.target_recall, CONFIDENCE)
    if here >= needed or not crossed:
        return "calibration", ""
    return "out_of_fold", (
        f" The calibration split alone has {here:,} of the {needed:,} defective sheets that the "
        "target needs."
    )


def _evidence(scores: pd.DataFrame, source: Evidence) -> pd.DataFrame:
    if source == "calibration":
        return hold_out(scores, "calibration").assign(repeat=0)
    rows = out_of_fold(scores)
    return rows[rows["split"] != "test"]


def _words(point: OperatingPoint, source: Evidence, repeats: int, groups: int) -> str:
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
