"""What is written down of a part, and what the parts of a job sum up to."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.decision.limits import VerdictConfig
from steel_defects.decision.reasons import CLEARED, UNREADABLE
from steel_defects.inspection.cascade import InspectedSheet
from steel_defects.inspection.drift import MEASURES, DriftMonitor, as_record, why_untested
from steel_defects.inspection.frames import RECENT_FRAMES
from steel_defects.inspection.store.parts import Record

# Times of sheets are counted in steps of 1 %, from 10 µs on.
_STEP = np.log(1.01)
_LEAST_MS = 0.01
# Alarmed parts that a summary names; all of them are in the records.
_NARROWEST = 1e-9  # band of a statistic
_NAMED = 20


def part_record(
    part: int, sheets: Sequence[InspectedSheet], seconds: float, monitor: DriftMonitor
) -> Record:
    """Describe a part, whatever becomes of its sheets; see :func:`judged_record` for that.

    Args:
        part: Its number.
        sheets: What was found, at least one sheet.
        seconds: How long it took.
        monitor: Compares the sheets with the package's reference.
    """
    times = Counter(_time_step(1000 * sheet.seconds) for sheet in sheets if sheet.seconds)
    return {
        "part": part,
        "first": sheets[0].sheet_id,
        "last": sheets[-1].sheet_id,
        "last_frames": [(s.frame, s.thumbnail) for s in sheets[-RECENT_FRAMES:]],
        "sheets": len(sheets),
        "files": {s.sheet_id: (*s.file, s.frame) for s in sheets if any(s.file)},
        "nearly_repeated": sum(sheet.nearly_repeated for sheet in sheets),
        "seconds": seconds,
        "times": {str(step): count for step, count in sorted(times.items())},
        "drift": as_record(monitor.compare(_measures(sheets))),
    }


def judged_record(
    verdicts: pd.DataFrame, defects: pd.DataFrame, rules: VerdictConfig, class_names: Sequence[str]
) -> Record:
    """Describe what became of a part's sheets, and by which rules."""
    return {
        "verdicts": dict(Counter(verdicts["verdict"])),
        "reviews": dict(Counter(map(_kind, verdicts["reason"][verdicts["verdict"] == "review"]))),
        "cleared": int((verdicts["reason"] == CLEARED).sum()),
        "defects": dict(Counter(map(str, defects["class_id"][~defects["ignored"]]))),
        "ignored": dict(Counter(map(str, defects["class_id"][defects["ignored"]]))),
        "rules": _rules_in_force(rules, class_names),
    }


def _rules_in_force(rules: VerdictConfig, class_names: Sequence[str]) -> Record:
    names = dict(enumerate(class_names, start=1))
    ignored = set(rules.ignore_classes)
    described = rules.model_dump(exclude_none=True)
    return {
        "limits": {
            name: rules.limits_of(number).model_dump(exclude_none=True)
            for number, name in names.items()
            if number not in ignored
        },
        "ignored_classes": [name for number, name in names.items() if number in ignored],
        "severity_area_px": described["severity_area_px"],
        "severity_by_class": {
            names[number]: limits for number, limits in described["severity_by_class"].items()
        },
    }


def _kind(reason: str) -> str:
    """Return the reason of a review without what differs from sheet to sheet."""
    return reason if reason.startswith("camera") else reason.partition(":")[0]


def _measures(sheets: Sequence[InspectedSheet]) -> dict[str, list[float]]:
    values: dict[str, list[float]] = {name: [] for name in MEASURES}
    for sheet in sheets:
        for name in values.keys() & sheet.statistics.keys():
            values[name].append(sheet.statistics[name])
        if sheet.gate_score is not None:
            values["gate_score"].append(sheet.gate_score)
    return values


def summarise(
    records: Iterable[Record], class_names: Sequence[str], reference_sheets: int = 0
) -> dict[str, Any]:
    """Count verdicts, reasons and defects of parts, and say where sheets have drifted.

    ``reference_sheets`` is how many the package's reference stands on.
    """
    totals: dict[str, Counter[str]] = {
        name: Counter() for name in ("verdicts", "reviews", "defects", "ignored")
    }
    sheets, cleared, nearly_repeated, rules = 0, 0, 0, {}
    drift, parts = _DriftSummary(why_untested(reference_sheets)), set()
    for record in records:
        parts.add(record["part"])
        replaced = sum(part in parts for part in record.get("replaces", {}).values())
        sheets += record["sheets"] - replaced
        totals["verdicts"]["review"] -= replaced
        totals["reviews"][UNREADABLE] -= replaced
        cleared += record["cleared"]
        nearly_repeated += record["nearly_repeated"]
        for name, total in totals.items():
            total.update(record[name])
        drift.add(record)
        rules = record["rules"]
    verdicts = totals["verdicts"]

    def by_class(numbers: Counter[str]) -> dict[str, int]:
        return {name: numbers[str(k)] for k, name in enumerate(class_names, start=1)}

    return {
        "sheets": sheets,
        "verdicts": {name: verdicts[name] for name in ("accept", "review", "reject")},
        "review_share": verdicts["review"] / sheets if sheets else None,
        "review_reasons": dict(sorted((+totals["reviews"]).items())),
        "nearly_repeated_frames": nearly_repeated,
        "cleared_by_gate": cleared,
        "defects_by_class": by_class(totals["defects"]),
        "ignored_by_class": by_class(totals["ignored"]),
        "rules": rules,
        "drift": drift.result(),
    }


class _DriftSummary:
    """The worst of all parts, and the first that raised an alarm."""

    def __init__(self, untested: str) -> None:
        self._untested = untested
        self._tested = self._alarmed = self._unsure = 0
        self._named: list[dict[str, Any]] = []
        self._worst: dict[str, dict[str, Any]] = {}

    def add(self, record: Record) -> None:
        tests = {} if self._untested else record["drift"]
        self._tested += bool(tests)
        # Earlier releases noted alarms that were not sure as alarms, too.
        tests = {k: v | {"alarm": v["alarm"] and v.get("sure", True)} for k, v in tests.items()}
        alarms = [name for name, values in tests.items() if values["alarm"]]
        self._alarmed += bool(alarms)
        self._unsure += not alarms and any(_excess(values) > 1 for values in tests.values())
        if alarms and len(self._named) < _NAMED:
            place = {key: record[key] for key in ("part", "first", "last")}
            self._named.append({**place, "measures": alarms})
        for name, values in tests.items():
            if name not in self._worst or _excess(values) > _excess(self._worst[name]):
                self._worst[name] = {"part": record["part"], **values}

    def result(self) -> dict[str, Any]:
        untested = self._untested or ("" if self._tested else "no part has enough usable sheets")
        status = "not tested" if untested else "alarm" if self._alarmed else "no alarm"
        return {
            "status": status,
            "untested_because": untested,
            "alarm": self._alarmed > 0,
            "parts_tested": self._tested,
            "parts_alarmed": self._alarmed,
            "parts_unsure": self._unsure,
            "first_alarms": self._named,
            "worst": self._worst,
        }


def _excess(values: dict[str, Any]) -> float:
    """Return how many times its band the larger statistic is; a band may have no width at all."""
    pairs = [(float(values[name]), float(values[f"{name}_band"])) for name in ("psi", "ks")]
    return max(found / max(band, _NARROWEST) for found, band in pairs)


def timing(records: Iterable[Record]) -> dict[str, float | None]:
    """Return sheets a second, and percentiles (within 1 %) of a sheet's judging, milliseconds."""
    sheets, seconds = 0, 0.0
    counts: Counter[int] = Counter()
    for record in records:
        sheets += record["sheets"]
        seconds += record["seconds"]
        counts.update({int(step): count for step, count in record["times"].items()})
    steps = sorted(counts)
    reached = np.cumsum([counts[step] for step in steps])
    quantiles: dict[str, float | None] = dict.fromkeys(("ms_p50", "ms_p90", "ms_p99"))
    for name in quantiles if steps else ():
        wanted = int(name.removeprefix("ms_p")) / 100 * reached[-1]
        quantiles[name] = float(_LEAST_MS * np.exp(_STEP * steps[np.searchsorted(reached, wanted)]))
    rate = sheets / seconds if seconds else None
    return {"seconds": seconds, "sheets_per_second": rate, **quantiles}


def _time_step(milliseconds: float) -> int:
    return max(0, round(float(np.log(max(milliseconds, _LEAST_MS) / _LEAST_MS) / _STEP)))
