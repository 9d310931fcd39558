"""Is this model fit for the line? Each figure against its target, and one answer for all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from steel_defects.decision.operating_point import OperatingPoint, Rates
from steel_defects.reporting.context import ReportContext, Row
from steel_defects.reporting.tables import basis, decimal, missing, percent

Status = Literal["met", "not proven", "not met", "not known", "no target"]

_MARKS: Mapping[Status, str] = {"met": "✓", "not proven": "?", "not met": "✗"}
#: The answer to the worst status, and what leads the list of the figures that have it.
_ANSWERS: Mapping[Status, tuple[str, str]] = {
    "not met": ("Not fit for the line.", "Missed"),
    "not known": ("Not yet decided.", "Not known"),
    "not proven": ("Not yet proven fit for the line.", "Reached, but not proven"),
}
_TWO_SIDED = 1.96  # standard errors to either end of a 95 % interval
_TOLERANCE = 1e-9
_UNKNOWN = float("nan")


@dataclass(frozen=True)
class Criterion:
    """One figure against its target: its value, how sure it is, and the sheets it stands on."""

    name: str
    value: str = "not known"
    bound: str = ""
    target: str = ""
    status: Status = "not known"
    basis: str = ""

    @property
    def mark(self) -> str:
        """A sign with the word, so that the status is not told by colour alone."""
        return _MARKS.get(self.status, "–")


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
        return "" if self.rate is None else f"; {self} of {self.sheets:,} {self.kind} test sheets"


Measure = Callable[[Rates], ErrorRate]


def escapes(rates: Rates) -> ErrorRate:
    """Return the share of defective sheets that are cleared."""
    rate = None if rates.recall is None else 1 - rates.recall
    return ErrorRate("defective", rate, 1 - rates.recall_bound, rates.defective_sheets)


def false_alarms(rates: Rates) -> ErrorRate:
    """Return the share of clean sheets that are not cleared."""
    rate, bound = rates.false_positive_rate, rates.false_positive_bound
    return ErrorRate("clean", rate, bound, rates.clean_sheets)


def decide(context: ReportContext) -> Decision:
    """Hold every figure against its target."""
    gate, cascade, target = context.gate_point, context.cascade_point, context.false_alarm_target
    criteria = []
    # The cascade clears more sheets than the gate alone: its false alarms are those of the line.
    if gate:
        criteria += _error_rates("the gate alone", gate, None if cascade else target)
    if cascade:
        criteria += _error_rates("gate and segmenter together", cascade, target, fitted=True)
    if not criteria:
        text = "without a gate, and an operating point of it, nothing is cleared unseen"
        criteria.append(Criterion("Escape rate", basis=text))
    criteria += _accuracy(_broadest(context.gate_rows))
    criteria += _dice(_broadest(context.segmenter_rows), _lookup_dice(context.data.lookup_baseline))
    for status, (answer, lead) in _ANSWERS.items():
        names = [criterion.name for criterion in criteria if criterion.status == status]
        if names:
            reason = "; ".join(name[0].lower() + name[1:] for name in names)
            return Decision(status, answer, f"{lead}: {reason}.", criteria)
    answer, reason = "Fit for the line, by the targets set.", "Every target is met, with its bound."
    return Decision("met", answer, reason, criteria)


def _error_rates(
    name: str, point: OperatingPoint, alarm_target: float | None, fitted: bool = False
) -> list[Criterion]:
    """Hold what is cleared at an operating point against both targets.

    A score that was ``fitted`` to the sheets that set the point proves nothing there alone: the
    test sheets must reach the target, too.
    """
    # Scores out of fold are those of other models than the one in use.
    crossed = point.evidence_from == "out_of_fold"
    source = "validation and calibration" if fitted else "calibration"
    source = "out-of-fold" if crossed else source

    def hold(figure: str, measure: Measure, target: float | None, proven: bool) -> Criterion:
        error, test = measure(point), measure(point.test) if point.test else None
        status: Status = "not proven"
        if error.rate is None:
            status = "not known"
        elif target is None:
            status = "no target"
        elif proven and (not fitted or (test is not None and test.bound <= target)):
            status = "met"
        elif error.rate > target + _TOLERANCE:
            status = "not met"
        stands_on = f"{error.sheets:,} {error.kind} {source} sheets, {percent(point.confidence, 0)}"
        stands_on += " confidence" + (", to which their common score was fitted" if fitted else "")
        return Criterion(
            f"{figure} of {name}",
            str(error),
            f"at most {percent(error.bound)}",
            "none set" if target is None else f"at most {percent(target)}",
            status,
            stands_on + (test.on_test if test else ""),
        )

    quiet = alarm_target is not None and false_alarms(point).bound <= alarm_target
    return [
        hold("Escape rate", escapes, 1 - point.target_recall, point.proven),
        hold("False alarms", false_alarms, alarm_target, quiet and not crossed),
    ]


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
    figures = [row.get(key, _UNKNOWN) for key in ("accuracy", "sheets", "defective_sheets")]
    if any(map(missing, figures)) or not figures[1]:
        return []
    value, sheets, defective = map(float, figures)
    share = defective / sheets
    usual, kind = max(share, 1 - share), "defective" if share >= 0.5 else "clean"
    return [
        _above(
            "Accuracy of the gate",
            percent,
            value,
            (row.get("accuracy_low", _UNKNOWN), row.get("accuracy_high", _UNKNOWN)),
            (usual, f", of calling every sheet {kind}"),
            f"{basis(row)}, at its most accurate threshold",
        )
    ]


def _dice(row: Row, lookup: float | None) -> list[Criterion]:
    """Hold mean Dice against finding nothing, and against copying the nearest training sheet."""
    value = row.get("mean_dice", _UNKNOWN)
    if missing(value):
        return [Criterion("Mean Dice", basis="no segmenter")]
    spread = _TWO_SIDED * row.get("mean_dice_error", _UNKNOWN)
    baselines = {
        "of finding nothing": row.get("all_empty_dice"),
        "of copying the most similar training sheet": lookup,
    }
    return [
        _above(
            f"Mean Dice, against that {words}",
            decimal,
            value,
            (value - spread, value + spread),
            (float(baseline), ""),
            basis(row),
        )
        for words, baseline in baselines.items()
        if baseline is not None and not missing(baseline)
    ]


def _above(
    name: str,
    write: Callable[[float | None], str],
    value: float,
    interval: tuple[float, float],
    target: tuple[float, str],
    stands_on: str,
) -> Criterion:
    """Hold a figure against a baseline, which it should lie above."""
    low, high = interval
    baseline, words = target
    # Without an interval nothing says how far chance goes.
    status: Status = "met" if low > baseline else "not proven"
    if value == baseline == 1:  # sheets of one kind, or copies: nothing can lie above
        status = "not known"
    elif value <= baseline:
        status = "not met"
    return Criterion(
        name,
        write(value),
        "" if missing(low) else f"{write(low)} to {write(high)}",
        f"above {write(baseline)}{words}",
        status,
        stands_on,
    )
