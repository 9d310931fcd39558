"""The figures that decide whether a model is fit for the line, each against its target."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from steel_defects.reporting.tables import decimal, missing, percent

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
class Stage:
    """Who clears sheets, and at which operating point.

    Attributes:
        name: Of whom, to be put behind "of".
        point: Fields of :class:`steel_defects.decision.operating_point.OperatingPoint`.
        fitted: Whether its score was fitted to the sheets that set the point. Then they prove
            nothing alone: the test sheets must reach the target, too.
    """

    name: str
    point: Mapping[str, Any]
    fitted: bool = False

    @property
    def crossed(self) -> bool:
        """Whether the point stands on out-of-fold scores, of other models than the one in use."""
        return bool(self.point.get("evidence_from") == "out_of_fold")

    def on_test(self, key: str, otherwise: float) -> float:
        """Return a figure of the test sheets; ``otherwise`` where they were not looked at."""
        value = (self.point.get("test") or {}).get(key)
        return otherwise if value is None or missing(value) else float(value)


def escapes(stage: Stage) -> Criterion:
    """Hold the share of defective sheets that are cleared against ``target_recall``."""
    point = stage.point
    recall, target = point.get("recall"), point.get("target_recall")
    bound = f"at most {percent(1 - point.get('recall_bound', 0.0))}"
    wanted = "none set" if target is None else f"at most {percent(1 - target)}"
    basis, name = _sheets(stage, "defective"), f"Escape rate of {stage.name}"
    if recall is None or missing(recall):
        return Criterion(name, "not known", bound, wanted, "not known", basis)
    status: Status = "no target" if target is None else "not proven"
    seen = stage.on_test("recall_bound", 0.0)
    if target is not None and point.get("proven") and (not stage.fitted or seen >= target):
        status = "met"
    elif target is not None and 1 - float(recall) > 1 - target + 1e-9:
        status = "not met"
    return Criterion(name, percent(1 - recall), bound, wanted, status, basis)


def false_alarms(stage: Stage, target: float | None) -> Criterion:
    """Hold the share of clean sheets that are not cleared against a target; None for none."""
    point = stage.point
    rate, bound = point.get("false_positive_rate"), point.get("false_positive_bound", 1.0)
    name, basis = f"False alarms of {stage.name}", _sheets(stage, "clean")
    sure = f"at most {percent(bound)}"
    wanted = "none set" if target is None else f"at most {percent(target)}"
    if rate is None or missing(rate):
        return Criterion(name, "not known", sure, wanted, "not known", basis)
    status: Status = "no target"
    if target is not None:
        status = "met" if bound <= target else "not met" if rate > target else "not proven"
        seen = stage.on_test("false_positive_bound", 1.0)
        if status == "met" and (stage.crossed or (stage.fitted and seen > target)):
            status = "not proven"
    return Criterion(name, percent(rate), sure, wanted, status, basis)


def _sheets(stage: Stage, kind: str) -> str:
    source = "validation and calibration" if stage.fitted else "calibration"
    source = "out-of-fold" if stage.crossed else source
    sure = percent(stage.point.get("confidence", 0.95), 0)
    text = f"{stage.point.get(f'{kind}_sheets', 0):,} {kind} {source} sheets, {sure} confidence"
    if stage.fitted:
        text += ", to which their common score was fitted"
    test = stage.point.get("test") or {}
    key = "recall" if kind == "defective" else "false_positive_rate"
    value = test.get(key)
    if value is None or missing(value):
        return text
    share = 1 - value if kind == "defective" else value
    return f"{text}; on {test[f'{kind}_sheets']:,} {kind} test sheets {percent(share)}"


def accuracy(row: Mapping[str, Any]) -> list[Criterion]:
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
    basis = f"{_on(row)}, at its most accurate threshold"
    return [Criterion("Accuracy of the gate", percent(value), interval, wanted, status, basis)]


def dice(row: Mapping[str, Any], lookup: float | None) -> list[Criterion]:
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
    if value == baseline == 1:  # sheets of one kind, or copies: nothing can lie above
        return "not known"
    if value <= baseline:
        return "not met"
    # Without an interval nothing says how far chance goes.
    return "met" if not missing(low) and low > baseline else "not proven"


def _on(row: Mapping[str, Any]) -> str:
    kind = str(row.get("evaluation", "test")).replace("_", "-")
    return f"{int(row.get('sheets') or 0):,} {kind} sheets"
