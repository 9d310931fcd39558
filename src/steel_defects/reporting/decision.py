"""Is this model fit for the line? Each figure against its target, and one answer for all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from steel_defects.reporting.tables import decimal, missing, percent
from steel_defects.reporting.wording import chosen_row

Status = Literal["met", "not proven", "not met", "not known", "no target"]

_MARKS: Mapping[Status, str] = {
    "met": "✓",
    "not proven": "?",
    "not met": "✗",
    "not known": "–",
    "no target": "–",
}
_TWO_SIDED = 1.96  # standard errors to either end of a 95 % interval


@dataclass(frozen=True)
class Criterion:
    """One figure against its target.

    Attributes:
        name: What is measured.
        value: The figure.
        bound: How sure it is.
        target: What it is held against.
        status: How it stands to that.
        basis: The sheets that it stands on.
    """

    name: str
    value: str
    bound: str
    target: str
    status: Status
    basis: str

    @property
    def mark(self) -> str:
        """A sign beside the word, so that the status is not told by colour alone."""
        return _MARKS[self.status]


@dataclass(frozen=True)
class Decision:
    """The answer, the reason for it, and the figures behind it."""

    status: Status
    answer: str
    reason: str
    criteria: list[Criterion]


@dataclass(frozen=True)
class Evidence:
    """What the decision is taken from; anything may be empty.

    Attributes:
        gate: Figures of the chosen gate, a row of ``classification_comparison``.
        segmenter: Figures of the chosen segmenter, a row of ``segmentation_comparison``.
        point: Operating point of the gate.
        together: That of gate and segmenter together (``operating_point`` of ``stacking``).
        lookup_dice: Mean Dice of copying the nearest training sheet's masks; None if not measured.
        false_alarm_target: Share of clean sheets that may not be cleared; None for no target.
    """

    gate: Mapping[str, Any]
    segmenter: Mapping[str, Any]
    point: Mapping[str, Any]
    together: Mapping[str, Any]
    lookup_dice: float | None
    false_alarm_target: float | None


def evidence_from(
    classification_comparison: pd.DataFrame,
    segmentation_comparison: pd.DataFrame,
    names: tuple[object, object],
    points: tuple[Mapping[str, Any], Mapping[str, Any]],
    lookup_baseline: pd.DataFrame,
    false_alarm_target: float | None,
) -> Evidence:
    """Pick the chosen models' figures.

    Args:
        classification_comparison: The table of all gates.
        segmentation_comparison: The table of all segmenters.
        names: The chosen gate and segmenter; None for none.
        points: Operating points of the gate, and of gate and segmenter together.
        lookup_baseline: ``division, mean_dice``; look-alikes kept together is ``by group``.
        false_alarm_target: Share of clean sheets that may not be cleared.
    """
    apart = lookup_baseline
    if "division" in apart:
        apart = apart[apart["division"] == "by group"]
    lookup = float(apart["mean_dice"].iloc[0]) if len(apart) and "mean_dice" in apart else None
    return Evidence(
        _broadest(classification_comparison, "backbone", names[0]),
        _broadest(segmentation_comparison, "architecture", names[1]),
        *points,
        None if missing(lookup) else lookup,
        false_alarm_target,
    )


def _broadest(frame: pd.DataFrame, column: str, name: object) -> dict[str, Any]:
    """Return the figures on the most sheets: out of fold where there was a cross-validation."""
    if "evaluation" in frame:
        crossed = frame[frame["evaluation"] == "out_of_fold"]
        return chosen_row(crossed, column, name) or chosen_row(frame, column, name)
    return chosen_row(frame, column, name)


def decide(evidence: Evidence) -> Decision:
    """Hold every figure against its target."""
    stages = [("The gate alone", evidence.point)] if evidence.point else []
    if evidence.together:
        stages.append(("Gate and segmenter together", evidence.together))
    # Together they clear more sheets than the gate alone: that is the decision of the line.
    last = len(stages) - 1
    criteria = [
        criterion
        for number, (name, point) in enumerate(stages)
        for criterion in (
            _escapes(name, point),
            _false_alarms(name, point, evidence.false_alarm_target if number == last else None),
        )
    ]
    if not stages:
        text = "without a gate, and an operating point of it, nothing is cleared unseen"
        criteria.append(Criterion("Escape rate", "not known", "", "", "not known", text))
    criteria += [*_accuracy(evidence.gate), *_dice(evidence.segmenter, evidence.lookup_dice)]
    return _answer(criteria)


def _answer(criteria: list[Criterion]) -> Decision:
    def named(status: Status) -> str:
        return "; ".join(c.name for c in criteria if c.status == status)

    if named("not met"):
        return Decision(
            "not met", "Not fit for the line.", f"Missed: {named('not met')}.", criteria
        )
    if named("not known"):
        reason = f"Not known: {named('not known')}."
        return Decision("not known", "Not yet decided.", reason, criteria)
    if named("not proven"):
        reason = f"Reached, or likely, but not proven: {named('not proven')}."
        return Decision("not proven", "Not yet proven fit for the line.", reason, criteria)
    reason = "Every target is met, with its bound."
    return Decision("met", "Fit for the line, by the targets set.", reason, criteria)


def _escapes(stage: str, point: Mapping[str, Any]) -> Criterion:
    recall, target = point.get("recall"), point.get("target_recall")
    bound = f"at most {percent(1 - point.get('recall_bound', 0.0))}"
    wanted = "none set" if target is None else f"at most {percent(1 - target)}"
    basis, name = _sheets(point, "defective"), f"{stage}: escape rate"
    if recall is None or missing(recall):
        return Criterion(name, "not known", bound, wanted, "not known", basis)
    status: Status = "no target" if target is None else "not proven"
    if point.get("proven"):
        status = "met"
    elif target is not None and _excluded(point, 1 - target):
        status = "not met"
    return Criterion(name, percent(1 - recall), bound, wanted, status, basis)


def _excluded(point: Mapping[str, Any], target: float) -> bool:
    """Whether the share that escaped is above the target where it was chosen to hold it."""
    return 1 - float(point["recall"]) > target + 1e-9


def _false_alarms(stage: str, point: Mapping[str, Any], target: float | None) -> Criterion:
    rate, bound = point.get("false_positive_rate"), point.get("false_positive_bound", 1.0)
    name, basis = f"{stage}: false alarms", _sheets(point, "clean")
    sure = f"at most {percent(bound)}"
    wanted = "none set" if target is None else f"at most {percent(target)}"
    if rate is None or missing(rate):
        return Criterion(name, "not known", sure, wanted, "not known", basis)
    status: Status = "no target"
    if target is not None:
        status = "met" if bound <= target else "not met" if rate > target else "not proven"
        if status == "met" and point.get("evidence_from") == "out_of_fold":
            status = "not proven"  # scores of other models than the one in use
    return Criterion(name, percent(rate), sure, wanted, status, basis)


def _sheets(point: Mapping[str, Any], kind: str) -> str:
    out_of_fold = point.get("evidence_from") == "out_of_fold"
    source = "out-of-fold" if out_of_fold else "calibration"
    sure = percent(point.get("confidence", 0.95), 0)
    text = f"{point.get(f'{kind}_sheets', 0):,} {kind} {source} sheets, {sure} confidence"
    test = point.get("test") or {}
    key = "recall" if kind == "defective" else "false_positive_rate"
    value = test.get(key)
    if value is None or missing(value):
        return text
    share = 1 - value if kind == "defective" else value
    return f"{text}; on {test[f'{kind}_sheets']:,} {kind} test sheets {percent(share)}"


def _accuracy(row: Mapping[str, Any]) -> list[Criterion]:
    """Hold the gate's accuracy against always saying what most sheets are."""
    sheets, defective = row.get("sheets"), row.get("defective_sheets")
    value = row.get("accuracy")
    if missing(value) or missing(sheets) or missing(defective) or not sheets:
        return []
    share = float(defective or 0) / float(sheets)
    usual = max(share, 1 - share)
    low, high = row.get("accuracy_low"), row.get("accuracy_high")
    status = _above(value, low, usual)
    kind = "defective" if share >= 0.5 else "clean"
    interval = "" if missing(low) else f"{percent(low)} to {percent(high)}"
    wanted = f"above {percent(usual)}, of calling every sheet {kind}"
    return [Criterion("Accuracy of the gate", percent(value), interval, wanted, status, _on(row))]


def _dice(row: Mapping[str, Any], lookup: float | None) -> list[Criterion]:
    """Hold mean Dice against finding nothing, and against copying the nearest training sheet."""
    value, empty = row.get("mean_dice"), row.get("all_empty_dice")
    if value is None or missing(value):
        return [Criterion("Mean Dice", "not known", "", "", "not known", "no segmenter")]
    error = row.get("mean_dice_error")
    low = None if missing(error) else value - _TWO_SIDED * float(error or 0)
    high = None if missing(error) else value + _TWO_SIDED * float(error or 0)
    interval = "" if low is None else f"{decimal(low)} to {decimal(high)}"
    baselines = {"of finding nothing": empty, "of copying the most similar training sheet": lookup}
    return [
        Criterion(
            f"Mean Dice, against that {words}",
            decimal(value),
            interval,
            f"above {decimal(baseline)}",
            _above(value, low, float(baseline)),
            _on(row),
        )
        for words, baseline in baselines.items()
        if baseline is not None and not missing(baseline)
    ]


def _above(value: Any, low: Any, baseline: float) -> Status:
    if value <= baseline:
        return "not met"
    # Without an interval nothing says how far chance goes.
    return "met" if not missing(low) and low > baseline else "not proven"


def _on(row: Mapping[str, Any]) -> str:
    kind = str(row.get("evaluation", "test")).replace("_", "-")
    return f"{int(row.get('sheets') or 0):,} {kind} sheets"
