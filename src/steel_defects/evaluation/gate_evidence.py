"""Which scores decide on the gate's thresholds, and what they are, in words."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.evaluation.intervals import needed_trials
from steel_defects.evaluation.operating_point import (
    Evidence,
    OperatingPoint,
    OperatingPointConfig,
    choose_operating_point,
    measure_rates,
)
from steel_defects.evaluation.score_tables import hold_out, labels_and_scores, out_of_fold

Labels = NDArray[np.bool_]
Scores = NDArray[np.float64]


def operating_point_of(scores: pd.DataFrame, config: OperatingPointConfig) -> OperatingPoint:
    """Choose a backbone's thresholds, and check them once on the test split.

    Scores of the cross-validation leave out the test sheets, which the check would otherwise have
    seen.

    Args:
        scores: ``sheet_scores`` of the backbone.
        config: The targets, and which scores decide.
    """
    source, reason = _source(scores, config)
    labels, values = _evidence(scores, source)
    point = choose_operating_point(labels, values, config, source)
    text = _words(point, source, len(values)) + reason
    test = hold_out(scores, "test")
    checked = measure_rates(
        test["has_defect"].to_numpy(bool), test["score"].to_numpy(float),
        point.lower_threshold, point.upper_threshold, config.confidence,
    )  # fmt: skip
    return point.model_copy(update={"evidence": text, "test": checked})


def _source(scores: pd.DataFrame, config: OperatingPointConfig) -> tuple[Evidence, str]:
    """Choose the scores; say why where that is not what one would expect."""
    crossed = len(out_of_fold(scores)) > 0
    if config.evidence == "calibration":
        return "calibration", ""
    if config.evidence == "out_of_fold":
        if crossed:
            return "out_of_fold", ""
        return "calibration", " There is no cross-validation of this backbone to choose by."
    here = int(hold_out(scores, "calibration")["has_defect"].sum())
    needed = needed_trials(0, config.target_recall, config.confidence)
    if here >= needed or not crossed:
        return "calibration", ""
    return "out_of_fold", (
        f" The calibration split alone has {here:,} of the {needed:,} defective sheets that the "
        "target needs."
    )


def _evidence(scores: pd.DataFrame, source: Evidence) -> tuple[Labels, Scores]:
    """Return labels of shape ``(sheets,)`` and scores of shape ``(repeats, sheets)``."""
    if source == "calibration":
        rows = hold_out(scores, "calibration").assign(repeat=0)
    else:
        rows = out_of_fold(scores)
        rows = rows[rows["split"] != "test"]
    if rows.empty:
        return np.zeros(0, bool), np.zeros((1, 0))
    return labels_and_scores(rows)


def _words(point: OperatingPoint, source: Evidence, repeats: int) -> str:
    counts = f"{point.defective_sheets:,} defective and {point.clean_sheets:,} clean sheets"
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
