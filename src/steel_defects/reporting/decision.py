"""Is this model fit for the line? Each figure against its target, and one answer for all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from steel_defects.reporting.criteria import (
    Criterion,
    Stage,
    Status,
    accuracy,
    dice,
    escapes,
    false_alarms,
)
from steel_defects.reporting.tables import missing
from steel_defects.reporting.wording import chosen_rows


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
    rows = chosen_rows(frame, column, name)
    return max(rows, key=lambda row: row.get("evaluation") == "out_of_fold", default={})


def decide(evidence: Evidence) -> Decision:
    """Hold every figure against its target."""
    stages = [Stage("the gate alone", evidence.point)] if evidence.point else []
    if evidence.together:
        stages.append(Stage("gate and segmenter together", evidence.together, fitted=True))
    # Together they clear more sheets than the gate alone: that is the decision of the line.
    criteria = [
        criterion
        for stage in stages
        for criterion in (
            escapes(stage),
            false_alarms(stage, evidence.false_alarm_target if stage is stages[-1] else None),
        )
    ]
    if not stages:
        text = "without a gate, and an operating point of it, nothing is cleared unseen"
        criteria.append(Criterion("Escape rate", "not known", "", "", "not known", text))
    criteria += [*accuracy(evidence.gate), *dice(evidence.segmenter, evidence.lookup_dice)]
    return _answer(criteria)


def _answer(criteria: list[Criterion]) -> Decision:
    def named(status: Status) -> str:
        names = [c.name for c in criteria if c.status == status]
        return "; ".join(name[0].lower() + name[1:] for name in names)

    if named("not met"):
        return Decision(
            "not met", "Not fit for the line.", f"Missed: {named('not met')}.", criteria
        )
    if named("not known"):
        reason = f"Not known: {named('not known')}."
        return Decision("not known", "Not yet decided.", reason, criteria)
    if named("not proven"):
        reason = f"Reached, but not proven: {named('not proven')}."
        return Decision("not proven", "Not yet proven fit for the line.", reason, criteria)
    reason = "Every target is met, with its bound."
    return Decision("met", "Fit for the line, by the targets set.", reason, criteria)
