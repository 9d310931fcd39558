"""From a gate's outputs to calibrated scores and thresholds, and whether the scores come true."""

from typing import Any

import numpy as np
import pandas as pd

from steel_defects.decision.calibration import fit_calibration
from steel_defects.decision.intervals import CONFIDENCE, needed_trials, share_interval
from steel_defects.decision.operating_point import (
    Evidence,
    OperatingPoint,
    OperatingPointConfig,
    choose_operating_point,
    measure_rates,
)
from steel_defects.decision.score_tables import (
    Flags,
    Floats,
    evidence_rows,
    groups_of,
    hold_out,
    labels_and_scores,
    out_of_fold,
    require_numbers,
    scored_sheets,
)
from steel_defects.evaluation.resampling import paired_differences
from steel_defects.tables.declared import SHEET_SCORES

#: A calibrated probability from which a sheet counts as defective, unless sheets say better.
EVEN_ODDS = 0.5
#: Fewer sheets of a kind than this say nothing about where a threshold should lie.
FEWEST_OF_A_KIND = 10
#: With fewer validation sheets of a kind, out-of-fold outputs are better to calibrate by.
FEW_OF_A_KIND = 30

_BINS = 15
_LEAST_SHEETS = 10  # in a bin: of fewer, a share says next to nothing
_NO_SCORES = np.zeros(0, bool), np.zeros((1, 0))


def accuracy_threshold(labels: Flags, scores: Floats, weights: Floats | None = None) -> float:
    """Choose the threshold at which most sheets are judged rightly; from it on they are defective.

    Among equals it lies in the middle of the widest gap between two scores, 0 and 1 included:
    there new scores have the most room. Where fewer than :data:`FEWEST_OF_A_KIND` sheets are clean
    or as few defective, it is even odds.

    Args:
        labels: Whether each sheet is defective, of shape ``(sheets,)``.
        scores: Calibrated probability, 0 to 1, of the same shape; of sheets that no figure of
            accuracy stands on.
        weights: How much each row counts, of the same shape; the rows of a sheet should count once
            in all. None for once each.

    Raises:
        SteelDefectsError: A score is not a number.
    """
    require_numbers(scores)
    counted = np.ones(len(labels)) if weights is None else weights
    if min(round(float(counted[kind].sum()), 6) for kind in (labels, ~labels)) < FEWEST_OF_A_KIND:
        return EVEN_ODDS
    values, places = np.unique(scores, return_inverse=True)
    missed = np.bincount(places, labels * counted, len(values)).cumsum()
    spared = np.bincount(places, ~labels * counted, len(values)).cumsum()
    # Judged rightly when the threshold lies above the first 0, 1, 2, … distinct scores. Rounded:
    # sums of thirds that should be equal are not.
    right = np.concatenate([[0], spared - missed]).round(6)
    edges = np.concatenate([[0.0], values, [np.nextafter(1.0, 2.0)]])
    lows, highs = edges[:-1], edges[1:]
    best = int(np.argmax(np.where(right == right.max(), highs - lows, -1.0)))
    middle = (lows[best] + highs[best]) / 2
    return float(middle if middle > lows[best] or best == 0 else highs[best])


def reliability_table(labels: Flags, scores: Floats) -> pd.DataFrame:
    """Compare the mean score with the share of defective sheets, in bins of about equal mass.

    There are fewer bins where one would hold less than ten sheets, or where many scores are equal,
    since equal scores share a bin.

    Args:
        labels: Whether each sheet is defective, of shape ``(sheets,)``.
        scores: Probability of a defect, 0 to 1, of the same shape.

    Returns:
        One row per bin, from low scores to high: ``sheets``, ``mean_score``, ``defective_share``,
        and ``low`` and ``high``, the exact interval of that share.
    """
    bins = max(1, min(_BINS, len(scores) // _LEAST_SHEETS))
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    ends = np.round(np.arange(1, bins) * len(scores) / bins).astype(int)
    # An end in the midst of equal scores moves to the first of them.
    starts = np.unique(np.searchsorted(ordered, ordered[ends])) if len(scores) else ends
    rows = []
    for part in np.split(order, starts):
        if sheets := len(part):
            hits = int(labels[part].sum())
            share = hits / sheets
            rows.append((sheets, scores[part].mean(), share, *share_interval(hits, sheets)))
    return pd.DataFrame(rows, columns=["sheets", "mean_score", "defective_share", "low", "high"])


def expected_calibration_error(labels: Flags, scores: Floats) -> float:
    """Return the mean distance of bins from the diagonal (Naeini et al. 2015; Guo et al. 2017).

    0 to 1, lower is better; NaN of no sheets. Bins are those of :func:`reliability_table`: equal
    masses bias the figure less than equal widths (Nixon et al. 2019, arXiv:1904.01685). It is never
    quite 0: of perfect probabilities n sheets in b bins leave up to about 0.4 √(b / n).
    """
    if not len(scores):
        return float("nan")
    table = reliability_table(labels, scores)
    gaps = (table["mean_score"] - table["defective_share"]).abs()
    return float(np.average(gaps, weights=table["sheets"]))


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
        crossed: ``sheet_id, repeat, fold, output, score, threshold``, calibrated in their folds.

    Returns:
        ``sheet_scores``; and ``temperature, bias, threshold``, where they come from (``fitted_on``)
        and, for ``test`` and ``out_of_fold``, what calibration did to Brier score and log loss.
    """
    facts = sheets[["sheet_id", "has_defect"]].merge(splits[["sheet_id", "split"]], on="sheet_id")
    below = [] if crossed is None else [crossed.merge(facts, on="sheet_id")]
    tuning, fitted_on = _tuning_rows(outputs, *below)
    labels, values = tuning["has_defect"].to_numpy(bool), tuning["output"].to_numpy(float)
    learned_from = outputs.loc[outputs["split"] == "train", "has_defect"].to_numpy(bool)
    weights = 1 / tuning.groupby("sheet_id")["output"].transform("size").to_numpy(float)
    calibration = fit_calibration(labels, values, learned_from, weights)
    threshold = accuracy_threshold(labels, calibration.apply(values), weights)
    held_out = outputs.assign(
        score=calibration.apply(outputs["output"].to_numpy(float)),
        threshold=threshold, repeat=None, fold=None,
    )  # fmt: skip
    table = pd.concat([SHEET_SCORES.typed(rows) for rows in (held_out, *below)], ignore_index=True)
    parts = {"test": hold_out(table, "test"), "out_of_fold": out_of_fold(table)}
    return table, {
        **calibration.model_dump(),
        "threshold": threshold,
        "fitted_on": fitted_on,
        "sheets": tuning["sheet_id"].nunique(),
        **{name: _calibration_effect(rows, splits) for name, rows in parts.items() if len(rows)},
    }


def _tuning_rows(
    outputs: pd.DataFrame, below: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, str]:
    validation = outputs[outputs["split"] == "validation"]
    defective = int(validation["has_defect"].sum())
    if below is not None and min(defective, len(validation) - defective) < FEW_OF_A_KIND:
        usable = below[below["split"].isin(["train", "validation"])]
        if len(usable):
            return usable, "out_of_fold"
    return validation, "validation"


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
    """Choose thresholds by a backbone's ``sheet_scores``, and check them once on the test split.

    Scores of the cross-validation leave out the test sheets, which the check would otherwise have
    seen. Look-alikes (``splits``: ``sheet_id, group_id``) are no independent evidence.
    """
    crossed, calibration = out_of_fold(scores), hold_out(scores, "calibration")
    source, reason = _source(calibration, crossed, config, splits)
    rows = evidence_rows(scores, source)
    labels, values = labels_and_scores(rows) if len(rows) else _NO_SCORES
    groups = groups_of(rows, splits)
    point = choose_operating_point(labels, values, config, source, groups)
    evidence = _evidence_in_words(point, len(values), len(np.unique(groups))) + reason
    if point.tied_clean_sheets:
        evidence += (
            f" {point.tied_clean_sheets:,} of the clean sheets score exactly the lower threshold "
            "and are not cleared."
        )
    test = hold_out(scores, "test").sort_values("sheet_id")
    labels, values = test["has_defect"].to_numpy(bool), test["score"].to_numpy(float)
    checked = measure_rates(labels, values, point.thresholds, groups_of(test, splits))
    return point.model_copy(update={"evidence": evidence, "test": checked})


def _source(
    calibration: pd.DataFrame,
    crossed: pd.DataFrame,
    config: OperatingPointConfig,
    splits: pd.DataFrame,
) -> tuple[Evidence, str]:
    """Choose the scores; say why where that is not what one would expect."""
    if crossed.empty or config.evidence == "calibration":
        asked = config.evidence == "out_of_fold"
        reason = " There is no cross-validation of this backbone to choose by." if asked else ""
        return "calibration", reason
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


def _evidence_in_words(point: OperatingPoint, repeats: int, groups: int) -> str:
    sheets = point.defective_sheets + point.clean_sheets
    alike = f" in {groups:,} groups of look-alikes that count as one" if groups < sheets else ""
    counts = f"{point.defective_sheets:,} defective and {point.clean_sheets:,} clean sheets{alike}"
    if point.evidence_from == "calibration":
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
