"""The decision in words: what the chosen models do, on how many sheets, and how sure that is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from steel_defects.decision.operating_point import OperatingPoint
from steel_defects.models.trained import ModelSelection
from steel_defects.reporting.context import ReportContext, Row
from steel_defects.reporting.decision import Measure, escapes, false_alarms
from steel_defects.reporting.tables import basis, decimal, missing, percent

_FEW_SHEETS = 30  # below, one sheet moves a share by more than three points


@dataclass(frozen=True)
class Fact:
    """A figure for the head of the report: what it is, its value, and what it stands on."""

    name: str
    value: str
    remark: str


@dataclass(frozen=True)
class Headline:
    """Sentences and figures about one of the two models."""

    part: str
    sentences: list[str]
    facts: list[Fact]


def headlines(context: ReportContext) -> list[Headline]:
    """Say which gate and segmenter were chosen, how good they are, and what escapes."""
    gates = [_gate_headline(context)] if context.gate.name else []
    return [*gates, _segmenter_headline(context)]


def _gate_headline(context: ReportContext) -> Headline:
    gate, rows, point = context.gate, context.gate_rows, context.gate_point
    sentences = [f"The gate is {gate.name}.", *_reason("Why", gate)]
    facts: list[Fact] = []
    if rows:
        unknown = f"needs clean and defective sheets; on {basis(rows[0])}"
        facts += _fact(
            "Gate accuracy", "accuracy", percent, rows, "at its most accurate threshold, ",
            unknown=unknown,
        )  # fmt: skip
        facts += _fact("Gate ROC-AUC", "roc_auc", decimal, rows, unknown=unknown)
    else:
        sentences.append("Its accuracy was not measured.")
    if point:
        threshold = decimal(point.thresholds.lower)
        sentences.append(f"It flags a sheet from a defect probability of {threshold}.")
        clears, passes = (
            "defective sheets that the gate clears",
            "clean sheets that the gate passes on",
        )
        facts.append(_error_fact("Escape rate", clears, point, escapes))
        facts.append(_error_fact("False alarms", passes, point, false_alarms))
    else:
        sentences.append("It has no operating point, so its escape rate is not known.")
    return Headline("Gate", sentences, facts)


def _segmenter_headline(context: ReportContext) -> Headline:
    segmenter, rows = context.segmenter, context.segmenter_rows
    if not segmenter.name:
        return Headline("Segmenter", ["There is no segmenter.", *_reason("Reason", segmenter)], [])
    sentences = [f"The segmenter is {segmenter.name}.", *_reason("Why", segmenter)]
    if not context.gate.name:
        why = f" ({context.gate.reason})" if context.gate.reason else ""
        sentences.append(f"There is no gate{why}: it sees every sheet.")
    if not rows:
        return Headline("Segmenter", [*sentences, "It has not been evaluated."], [])
    empty = rows[0].get("all_empty_dice")
    of_all, of_positives = (
        "" if missing(empty) else f"; finding nothing at all scores {score}"
        for score in (decimal(empty), "0")
    )
    everywhere, outlines = "all sheets and classes, ", "outlines only, "
    facts = [
        *_fact("Mean Dice", "mean_dice", decimal, rows, everywhere, of_all),
        *_fact("Dice on positives", "dice_on_positives", decimal, rows,
               "where there is a defect, ", of_positives),
        *_fact("Boundary IoU on positives", "boundary_iou_on_positives", decimal, rows, outlines),
    ]  # fmt: skip
    return Headline("Segmenter", sentences, facts)


def _reason(lead: str, selection: ModelSelection) -> list[str]:
    return [f"{lead}: {selection.reason.rstrip('.')}."] if selection.reason else []


def _fact(
    name: str,
    key: str,
    write: Callable[[Any], str],
    rows: Sequence[Row],
    before: str = "",
    after: str = "",
    unknown: str = "",
) -> list[Fact]:
    """Write a figure of the first row, what it stands on, and what the second row says of it."""
    first = rows[0]
    if key not in first:
        return []
    remark = f"{before}on {basis(first)}{_interval(key, first, write)}{after}"
    for other in rows[1:2]:
        if not missing(other.get(key)):
            remark += f"; {write(other[key])} on {basis(other)}{_interval(key, other, write)}"
    if missing(first[key]):
        return [Fact(name, "not known", unknown or remark)]
    return [Fact(name, write(first[key]), remark)]


def _interval(key: str, row: Row, write: Callable[[Any], str]) -> str:
    low, high = row.get(f"{key}_low"), row.get(f"{key}_high")
    if missing(low) or missing(high):
        return ""
    return f" (95 % interval {write(low)} to {write(high)})"


def _error_fact(name: str, meaning: str, point: OperatingPoint, measure: Measure) -> Fact:
    error = measure(point)
    source = point.evidence_from.replace("_", "-")
    remark = (
        f"{meaning}; at most {percent(error.bound)} with {percent(point.confidence, 0)} "
        f"confidence, from {error.sheets:,} {error.kind} {source} sheets"
    )
    return Fact(name, str(error), remark + (measure(point.test).on_test if point.test else ""))


def proof(point: OperatingPoint | None) -> str:
    """Say whether the target of an operating point is proven, and if not what it would take."""
    if point is None:
        return ""
    target, sure = percent(1 - point.target_recall), percent(point.confidence, 0)
    claim = f"that at most {target} of defective sheets escape the gate ({sure} confidence)"
    if point.proven:
        return f"The calibration sheets prove {claim}."
    needed, sheets = point.needed_defective_sheets, point.defective_sheets
    if point.evidence_from == "out_of_fold" and point.recall_bound >= point.target_recall:
        return (
            f"It is not proven {claim}, but likely: it was chosen on scores of other models than "
            f"the one in use. A calibration split of {needed:,} defective sheets could prove it."
        )
    text = f"It is not proven {claim}."
    if sheets >= needed:
        return text
    text += f" That takes at least {needed:,} defective sheets with none missed; there are"
    text += f" {sheets:,}."
    if not point.allowed_misses:
        return text
    return (
        f"{text} With {point.allowed_misses:,} missed, as now, it takes "
        f"{point.more_with_these_misses:,} more sheets, none missed."
    )


def absent_sheets(outcomes: Mapping[str, int], gate: bool = True) -> str:
    """Say which figures are missing because no test sheet is clean, or none defective.

    Takes test sheets by outcome; the sentence is empty where there are sheets of both kinds.
    """
    if not outcomes:
        return "There is no test sheet: no figure of this report stands on test sheets."
    clean = sum(outcomes.get(name, 0) for name in ("clean", "false alarm"))
    if clean == sum(outcomes.values()):
        return (
            f"No test sheet has a defect: {'what the gate misses, ROC-AUC, ' if gate else ''}Dice "
            "on positives, the detection rate and detection by size are not known on test sheets."
        )
    if not clean:
        missing_figures = "false alarms and ROC-AUC are" if gate else "false alarms are"
        return f"No test sheet is clean: {missing_figures} not known on test sheets."
    return ""


def worse_pictures(table: pd.DataFrame, gate: bool = True) -> str:
    """Say on how many sheets robustness stands, and how to read it; empty for no rows."""
    if table.empty:
        return ""
    sheets = int(table["sheets"].max())
    few = " So few tell no more than the direction." if sheets < _FEW_SHEETS else ""
    of_gate = "; accuracy, recall and false positives are those of the gate at its operating point"
    return (
        f"The same {sheets:,} test {'sheet' if sheets == 1 else 'sheets'}, made worse in five "
        f"levels{of_gate if gate else ''}. The curves stand among the figures above.{few}"
    )
