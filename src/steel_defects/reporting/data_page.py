"""The report's pages about the data and about the run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from steel_defects.reporting import tables
from steel_defects.reporting.comparison import Part
from steel_defects.tables.columns import SPLIT_NAMES

_DATA_ROWS = 40  # of a list about the data: a page is read, not searched
_RUN_FACTS = ("run_id", "started_at", "environment", "git_revision")
#: Known only when the run has ended, and the report is written before.
_OPEN = ("status", "data_fingerprint", "finished_at")


@dataclass(frozen=True)
class FactSheet:
    """Single facts with their names, and tables under their headings."""

    facts: list[tuple[str, str]]
    parts: list[Part]


def data_page(quality: Mapping[str, Any]) -> FactSheet:
    """Sort what data engineering noted into single facts and tables, without the quarantine."""
    values = {key: value for key, value in quality.items() if key != "quarantined"}
    if isinstance(values.get("splits"), list):
        order = {name: number for number, name in enumerate(SPLIT_NAMES)}
        values["splits"] = sorted(
            values["splits"], key=lambda row: order.get(row.get("split"), len(order))
        )
    facts = [
        (tables.label(key), tables.cell(key, value))
        for key, value in values.items()
        if not _is_structure(value)
    ]
    return FactSheet(facts, _parts(values))


def _is_structure(value: object) -> bool:
    return isinstance(value, (Mapping, list, tuple, pd.DataFrame))


def _parts(values: Mapping[str, Any]) -> list[Part]:
    """Turn what is no single fact into tables."""
    parts = []
    for key, value in values.items():
        caption = tables.label(key)
        if isinstance(value, pd.DataFrame):
            table = tables.from_frame(caption, value)
        elif isinstance(value, Mapping):
            table = tables.from_mapping(caption, value)
        elif _is_structure(value):
            table = tables.from_records(caption, value, _DATA_ROWS)
        else:
            continue
        parts.append(Part(caption.capitalize(), table))
    return parts


def run_line(run: Mapping[str, Any]) -> str:
    """Return the line below the report's heading."""
    words = {"run_id": "Run", "environment": "environment", "started_at": "started"}
    parts = [f"{word} {_moment(run[key])}" for key, word in words.items() if run.get(key)]
    return " · ".join(parts) or "The run was not recorded."


def _moment(value: object) -> str:
    """Write a moment as people do; anything else as it is."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    return f"{moment:%Y-%m-%d %H:%M}" + (" UTC" if moment.utcoffset() == timedelta() else "")


def provenance(run: Mapping[str, Any]) -> FactSheet:
    """Sort a run's record into single facts (the usual ones always) and tables."""
    facts = {key: run.get(key) for key in _RUN_FACTS} | {
        key: value
        for key, value in run.items()
        if not _is_structure(value) and not (key in _OPEN and value in (None, "running"))
    }
    return FactSheet(
        [(tables.label(k), _moment(v) if v else "not recorded") for k, v in facts.items()],
        _parts({key: value for key, value in run.items() if key != "parameters"}),
    )


def parameters_text(run: Mapping[str, Any]) -> str:
    """Return the parameters of a run as JSON; empty where they were not recorded."""
    parameters = run.get("parameters")
    return json.dumps(parameters, indent=2, default=str) if parameters else ""
