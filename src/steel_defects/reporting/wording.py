"""The decision in words: what the chosen models do, on how many sheets, and how sure that is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from steel_defects.reporting.tables import decimal, missing, percent

_FEW_SHEETS = 30  # below, one sheet moves a share by more than three points
#: Test sheets from which their figures stand for a model, whatever there is out of fold.
_ENOUGH = 100
_EVALUATIONS = {"test": "test", "out_of_fold": "out-of-fold"}


@dataclass(frozen=True)
class Fact:
    """A figure for the head of the report: what it is, its value, and what it stands on."""

    name: str
    value: str
    remark: str


@dataclass(frozen=True)
class Headline:
    """Sentences and figures about one of the two models."""

    sentences: list[str]
    facts: list[Fact]


def chosen_rows(frame: pd.DataFrame, column: str, name: object) -> list[dict[str, Any]]:
    """Return the figures of a model, those that stand for it first.

    That is the test split, unless it is a handful of sheets, and then what has the most.
    """
    if frame.empty or column not in frame:
        return []
    rows: list[dict[str, Any]] = [
        {str(k): v for k, v in row.items()}
        for row in frame[frame[column] == name].to_dict("records")
    ]

    def standing(row: Mapping[str, Any]) -> tuple[bool, int]:
        sheets = 0 if missing(row.get("sheets")) else int(row["sheets"])
        return row.get("evaluation") == "test" and sheets >= _ENOUGH, sheets

    return sorted(rows, key=standing, reverse=True)


def gate_headline(
    selection: Mapping[str, Any], comparison: pd.DataFrame, points: Mapping[str, Mapping[str, Any]]
) -> Headline:
    """Say which gate was chosen, how good it is, and what escapes at its operating point.

    Args:
        selection: ``name`` (None for no gate) and ``reason``.
        comparison: The table of all backbones.
        points: Fields of the operating point of each backbone.
    """
    name, reason = selection.get("name"), str(selection.get("reason") or "")
    if not name:
        text = "There is no gate: every sheet goes to the segmenter."
        return Headline([text, *_sentence("Reason", reason)], [])
    rows = chosen_rows(comparison, "backbone", name)
    sentences = [f"The gate is {name}.", *_sentence("Why", reason)]
    if not rows:
        sentences.append("Its accuracy was not measured.")
    point = points.get(str(name))
    facts = _gate_facts(*rows[:2]) if rows else []
    if not point:
        sentences.append("It has no operating point, so its escape rate is not known.")
        return Headline(sentences, facts)
    threshold = decimal(point.get("lower_threshold"))
    sentences.append(f"It flags a sheet from a defect probability of {threshold}.")
    return Headline(sentences, facts + _escape_facts(point))


def _gate_facts(row: Mapping[str, Any], beside: Mapping[str, Any] | None = None) -> list[Fact]:
    basis = _basis(row)
    facts = {"accuracy": ("Gate accuracy", percent), "roc_auc": ("Gate ROC-AUC", decimal)}
    at = {"accuracy": "at its most accurate threshold, "}
    return [
        Fact(text, write(row[key]), at.get(key, "") + _with_interval(key, row, beside or {}, write))
        if not missing(row[key])
        else Fact(text, "not known", f"needs clean and defective sheets; {basis}")
        for key, (text, write) in facts.items()
        if key in row
    ]


def _with_interval(
    key: str, row: Mapping[str, Any], beside: Mapping[str, Any], write: Callable[[Any], str]
) -> str:
    """Say what a figure stands on, its interval, and what the other evaluation gave."""
    return _basis(row) + _interval(key, row, write) + _elsewhere(key, beside, write)


def _elsewhere(key: str, beside: Mapping[str, Any], write: Callable[[Any], str]) -> str:
    if missing(beside.get(key)):
        return ""
    return f"; {write(beside[key])} {_basis(beside)}{_interval(key, beside, write)}"


def _interval(key: str, row: Mapping[str, Any], write: Callable[[Any], str]) -> str:
    low, high = row.get(f"{key}_low"), row.get(f"{key}_high")
    if missing(low) or missing(high):
        return ""
    return f" (95 % interval {write(low)} to {write(high)})"


def _escape_facts(point: Mapping[str, Any]) -> list[Fact]:
    """Turn recall into what escapes, which is what a mill counts."""
    recall, alarms = point.get("recall"), point.get("false_positive_rate")
    escapes = "not known" if recall is None or missing(recall) else percent(1 - recall)
    sure = percent(point.get("confidence"), 0)
    source = "out-of-fold" if point.get("evidence_from") == "out_of_fold" else "calibration"
    test = point.get("test") or {}
    return [
        Fact(
            "Escape rate",
            escapes,
            f"defective sheets that the gate clears; at most "
            f"{percent(1 - point.get('recall_bound', 0.0))} with {sure} confidence, from "
            f"{point.get('defective_sheets', 0):,} defective {source} sheets"
            + _on_test(test, "recall", "defective"),
        ),
        Fact(
            "False alarms",
            "not known" if missing(alarms) else percent(alarms),
            f"clean sheets that the gate passes on; at most "
            f"{percent(point.get('false_positive_bound', 1.0))} with {sure} confidence, from "
            f"{point.get('clean_sheets', 0):,} clean {source} sheets"
            + _on_test(test, "false_positive_rate", "clean"),
        ),
    ]


def _on_test(test: Mapping[str, Any], key: str, kind: str) -> str:
    value = test.get(key)
    if value is None or missing(value):
        return ""
    share = 1 - value if key == "recall" else value
    return f"; {percent(share)} of {test[f'{kind}_sheets']:,} {kind} test sheets"


def proof(point: Mapping[str, Any]) -> str:
    """Say whether the target of an operating point is proven, and if not what it would take.

    Args:
        point: Its fields; empty text comes of an empty one.
    """
    if "proven" not in point:
        return ""
    target = percent(1 - point.get("target_recall", 1.0))
    sure = percent(point.get("confidence"), 0)
    claim = f"that at most {target} of defective sheets escape the gate ({sure} confidence)"
    if point["proven"]:
        return f"The calibration sheets prove {claim}."
    needed, sheets = point.get("needed_defective_sheets"), point.get("defective_sheets", 0)
    reached = point.get("recall_bound", 0.0) >= point.get("target_recall", 1.0)
    if point.get("evidence_from") == "out_of_fold" and reached:
        return (
            f"It is not proven {claim}, but likely: it was chosen on scores of other models than "
            f"the one in use. A calibration split of {needed:,} defective sheets could prove it."
        )
    if needed is None or sheets >= needed:
        return f"It is not proven {claim}."
    wanted = f"That takes at least {needed:,} defective sheets with none missed"
    text = f"It is not proven {claim}. {wanted}; there are {sheets:,}."
    misses, more = point.get("allowed_misses", 0), point.get("more_with_these_misses", 0)
    if not misses:
        return text
    return f"{text} With {misses:,} missed, as now, it takes {more:,} more sheets, none missed."


def absent_sheets(outcomes: Mapping[str, int]) -> str:
    """Say which figures are missing because no test sheet is clean, or none defective.

    Args:
        outcomes: Test sheets by outcome, as in :data:`steel_defects.reporting.selection.OUTCOMES`.

    Returns:
        A sentence; empty where there are sheets of both kinds.
    """
    clean = sum(outcomes.get(name, 0) for name in ("clean", "false alarm"))
    if not outcomes:
        return "There is no test sheet: no figure of this report stands on test sheets."
    if clean == sum(outcomes.values()):
        return (
            "No test sheet has a defect: what the gate misses, ROC-AUC, Dice on positives, the "
            "detection rate and detection by size are not known on test sheets."
        )
    if not clean:
        return "No test sheet is clean: false alarms and ROC-AUC are not known on test sheets."
    return ""


def worse_pictures(table: pd.DataFrame) -> str:
    """Say on how many sheets robustness stands, and how to read it.

    Args:
        table: ``sheets`` and the figures, one row a corruption and level; empty for none.
    """
    if table.empty:
        return ""
    sheets = int(table["sheets"].max())
    few = " So few tell no more than the direction." if sheets < _FEW_SHEETS else ""
    return (
        f"The same {sheets:,} test {'sheet' if sheets == 1 else 'sheets'}, made worse in five "
        f"levels; accuracy, recall and false positives are those of the gate at its operating "
        f"point. The curves stand among the figures above.{few}"
    )


def segmenter_headline(selection: Mapping[str, Any], comparison: pd.DataFrame) -> Headline:
    """Say which segmenter was chosen and how well it outlines defects.

    Args:
        selection: ``name`` (None for no segmenter) and ``reason``.
        comparison: The table of all architectures.
    """
    name, reason = selection.get("name"), str(selection.get("reason") or "")
    if not name:
        return Headline(["There is no segmenter.", *_sentence("Reason", reason)], [])
    sentences = [f"The segmenter is {name}.", *_sentence("Why", reason)]
    rows = chosen_rows(comparison, "architecture", name)
    if not rows:
        return Headline([*sentences, "It has not been evaluated."], [])
    return Headline(sentences, _segmenter_facts(*rows[:2]))


def _segmenter_facts(row: Mapping[str, Any], other: Mapping[str, Any] | None = None) -> list[Fact]:
    basis, empty = _basis(row), row.get("all_empty_dice")
    beside = "" if missing(empty) else f"; finding nothing at all scores {decimal(empty)}"
    nothing = "" if missing(empty) else "; finding nothing at all scores 0"
    wanted = {
        "mean_dice": ("Mean Dice", f"all sheets and classes, {basis}{beside}"),
        "dice_on_positives": ("Dice on positives", f"where there is a defect, {basis}{nothing}"),
        "boundary_iou_on_positives": ("Boundary IoU on positives", f"outlines only, {basis}"),
    }
    return [
        Fact(
            text, "not known" if missing(row[key]) else decimal(row[key]),
            remark + _elsewhere(key, other or {}, decimal),
        )
        for key, (text, remark) in wanted.items()
        if key in row
    ]  # fmt: skip


def _basis(row: Mapping[str, Any]) -> str:
    kind = _EVALUATIONS.get(str(row.get("evaluation", "test")), str(row.get("evaluation")))
    sheets = row.get("sheets")
    count = "" if missing(sheets) else f"{int(sheets or 0):,} "
    return f"on {count}{kind} sheets"


def _sentence(lead: str, text: str) -> list[str]:
    return [f"{lead}: {text.rstrip('.')}."] if text else []
