"""Is this model fit for the line? Each figure against its target, and one answer for all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from steel_defects.decision.operating_point import OperatingPoint, Rates
from steel_defects.reporting.context import ReportContext, Row
from steel_defects.reporting.tables import decimal, evaluation, missing, percent

Status = Literal["met", "not proven", "not met", "not known", "no target"]

_MARKS: Mapping[Status, str] = {
    "met": "✓",
    "not proven": "?",
    "not met": "✗",
    "not known": "–",
    "no target": "–",
}
#: The answer to the worst status, and what leads the list of the figures that have it.
_ANSWERS: Mapping[Status, tuple[str, str]] = {
    "not met": ("Not fit for the line.", "Missed"),
    "not known": ("Not yet decided.", "Not known"),
    "not proven": ("Not yet proven fit for the line.", "Reached, but not proven"),
}
_TWO_SIDED = 1.96  # standard errors to either end of a 95 % interval
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Criterion:
    """One figure against its target: its value, how sure it is, and the sheets it stands on."""

    name: str
    value: str
    bound: str
    target: str
    status: Status
    basis: str

    @property
    def mark(self) -> str:
        """A sign with the word, so that the status is not told by colour alone."""
        return _MARKS[self.status]


@dataclass(frozen=True)
class Decision:
    """The answer, the reason for it, and the figures behind it."""

    status: Status
    answer: str
    reason: str
    criteria: list[Criterion]


@dataclass(frozen=True)
class ErrorRate:
    """The share of sheets of a kind that is decided wrongly; None without any such sheet."""

    kind: Literal["defective", "clean"]
    rate: float | None
    bound: float
    sheets: int

    def __str__(self) -> str:
        return "not known" if self.rate is None else percent(self.rate)

    @property
    def on_test(self) -> str:
        """The rate of test sheets, to be put behind what others say; empty without any."""
        share = "" if self.rate is None else percent(self.rate)
        return share and f"; {share} of {self.sheets:,} {self.kind} test sheets"


Measure = Callable[[Rates], ErrorRate]


def escapes(rates: Rates) -> ErrorRate:
    """Return the share of defective sheets that are cleared."""
    rate = None if rates.recall is None else 1 - rates.recall
    return ErrorRate("defective", rate, 1 - rates.recall_bound, rates.defective_sheets)


def false_alarms(rates: Rates) -> ErrorRate:
    """Return the share of clean sheets that are not cleared."""
    rate, bound = rates.false_positive_rate, rates.false_positive_bound
    return ErrorRate("clean", rate, bound, rates.clean_sheets)


@dataclass(frozen=True)
class _Stage:
    """Who clears sheets, at which operating point.

    A score that was fitted to the sheets that set the point proves nothing there alone: the test
    sheets must reach the target, too.
    """

    name: str
    point: OperatingPoint
    fitted: bool = False

    @property
    def out_of_fold(self) -> bool:
        """Whether the scores are those of other models than the one in use."""
        return self.point.evidence_from == "out_of_fold"

    def criteria(self, alarm_target: float | None) -> list[Criterion]:
        point, alarms = self.point, false_alarms
        proven = alarm_target is not None and alarms(point).bound <= alarm_target
        return [
            self._hold("Escape rate", escapes, 1 - point.target_recall, point.proven),
            self._hold("False alarms", alarms, alarm_target, proven and not self.out_of_fold),
        ]

    def _hold(self, name: str, measure: Measure, target: float | None, proven: bool) -> Criterion:
        error = measure(self.point)
        test = measure(self.point.test) if self.point.test else None
        status: Status = "not proven"
        if error.rate is None:
            status = "not known"
        elif target is None:
            status = "no target"
        elif proven and (not self.fitted or (test is not None and test.bound <= target)):
            status = "met"
        elif error.rate > target + _TOLERANCE:
            status = "not met"
        return Criterion(
            f"{name} of {self.name}",
            str(error),
            f"at most {percent(error.bound)}",
            "none set" if target is None else f"at most {percent(target)}",
            status,
            self._basis(error) + (test.on_test if test else ""),
        )

    def _basis(self, error: ErrorRate) -> str:
        source = "validation and calibration" if self.fitted else "calibration"
        source = "out-of-fold" if self.out_of_fold else source
        sure = percent(self.point.confidence, 0)
        text = f"{error.sheets:,} {error.kind} {source} sheets, {sure} confidence"
        return f"{text}, to which their common score was fitted" if self.fitted else text


def decide(context: ReportContext) -> Decision:
    """Hold every figure against its target."""
    gate, cascade, target = context.gate_point, context.cascade_point, context.false_alarm_target
    criteria = []
    # The cascade clears more sheets than the gate alone: its false alarms are those of the line.
    if gate:
        criteria += _Stage("the gate alone", gate).criteria(None if cascade else target)
    if cascade:
        stage = _Stage("gate and segmenter together", cascade, fitted=True)
        criteria += stage.criteria(target)
    if not criteria:
        text = "without a gate, and an operating point of it, nothing is cleared unseen"
        criteria.append(Criterion("Escape rate", "not known", "", "", "not known", text))
    criteria += _accuracy(_broadest(context.gate_rows))
    criteria += _dice(_broadest(context.segmenter_rows), _lookup_dice(context.data.lookup_baseline))
    for status, (answer, lead) in _ANSWERS.items():
        names = [criterion.name for criterion in criteria if criterion.status == status]
        if names:
            reason = "; ".join(name[0].lower() + name[1:] for name in names)
            return Decision(status, answer, f"{lead}: {reason}.", criteria)
    answer, reason = "Fit for the line, by the targets set.", "Every target is met, with its bound."
    return Decision("met", answer, reason, criteria)


def _broadest(rows: Sequence[Row]) -> Row:
    """Return the figures on the most sheets: out of fold where there was a cross-validation."""
    return max(rows, key=lambda row: row.get("evaluation") == "out_of_fold", default={})


def _lookup_dice(baseline: pd.DataFrame) -> float | None:
    """Return mean Dice of copying the nearest training sheet, look-alikes kept in one split."""
    if "division" in baseline:
        baseline = baseline[baseline["division"] == "by group"]
    values = baseline.get("mean_dice", pd.Series(dtype=float)).dropna()
    return float(values.iloc[0]) if len(values) else None


def _accuracy(row: Row) -> list[Criterion]:
    """Hold the gate's accuracy against always saying what most sheets are."""
    value, sheets, defective = (row.get(k) for k in ("accuracy", "sheets", "defective_sheets"))
    if missing(value) or missing(sheets) or missing(defective) or not sheets:
        return []
    share = float(defective or 0) / float(sheets)
    usual, kind = max(share, 1 - share), "defective" if share >= 0.5 else "clean"
    low, high = row.get("accuracy_low"), row.get("accuracy_high")
    return [
        Criterion(
            "Accuracy of the gate",
            percent(value),
            "" if missing(low) else f"{percent(low)} to {percent(high)}",
            f"above {percent(usual)}, of calling every sheet {kind}",
            _above(value, low, usual),
            f"{_basis(row)}, at its most accurate threshold",
        )
    ]


def _dice(row: Row, lookup: float | None) -> list[Criterion]:
    """Hold mean Dice against finding nothing, and against copying the nearest training sheet."""
    value, error = row.get("mean_dice"), row.get("mean_dice_error")
    if value is None or missing(value):
        return [Criterion("Mean Dice", "not known", "", "", "not known", "no segmenter")]
    spread = None if missing(error) else _TWO_SIDED * float(error or 0)
    low = None if spread is None else value - spread
    interval = "" if spread is None else f"{decimal(low)} to {decimal(value + spread)}"
    baselines = {
        "of finding nothing": row.get("all_empty_dice"),
        "of copying the most similar training sheet": lookup,
    }
    return [
        Criterion(
            f"Mean Dice, against that {words}",
            decimal(value),
            interval,
            f"above {decimal(baseline)}",
            _above(value, low, float(baseline)),
            _basis(row),
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


def _basis(row: Row) -> str:
    return f"{int(row.get('sheets') or 0):,} {evaluation(row)} sheets"
