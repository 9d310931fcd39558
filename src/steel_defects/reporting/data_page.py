"""The report's pages about the data and about the run."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from steel_defects.reporting import tables
from steel_defects.reporting.tables import Table

_DATA_ROWS = 40  # of a list about the data: a page is read, not searched
_RUN_FACTS = ("run_id", "started_at", "environment", "git_revision")
#: Known only when the run has ended, and the report is written before.
_OPEN = ("status", "data_fingerprint", "finished_at")
_SPLITS = ("train", "validation", "calibration", "test")


def data_page(quality: Mapping[str, Any]) -> dict[str, Any]:
    """Sort what data engineering found into single facts, tables, and the quarantine."""
    rest = {str(key): value for key, value in quality.items() if key != "quarantined"}
    if isinstance(rest.get("splits"), list):
        rest["splits"] = sorted(rest["splits"], key=_place)
    found = {key: value for key, value in rest.items() if _is_structure(value)}
    findings = list(quality.get("quarantined") or [])
    return {
        "facts": [(tables.label(k), tables.cell(k, v)) for k, v in rest.items() if k not in found],
        "tables": [
            (tables.label(key).capitalize(), _structure(key, value)) for key, value in found.items()
        ],
        "findings": len(findings),
        "quarantined": tables.from_records("Findings and their reasons", findings),
    }


def _place(row: Mapping[str, Any]) -> int:
    """Return where a split stands in the order in which splits are used."""
    name = row.get("split")
    return _SPLITS.index(name) if name in _SPLITS else len(_SPLITS)


def _is_structure(value: object) -> bool:
    listed = isinstance(value, Sequence) and not isinstance(value, str)
    return isinstance(value, (Mapping, pd.DataFrame)) or listed


def _structure(name: str, value: Any) -> Table | None:
    caption = tables.label(name)
    if isinstance(value, pd.DataFrame):
        return tables.from_frame(caption, value)
    if isinstance(value, Mapping):
        return tables.from_mapping(caption, value)
    return tables.from_records(caption, list(value), _DATA_ROWS)


def run_line(run: Mapping[str, Any]) -> str:
    """Return the line below the report's heading."""
    words = {"run_id": "Run", "environment": "environment", "started_at": "started"}
    known = [f"{word} {_moment(run[key])}" for key, word in words.items() if run.get(key)]
    return " · ".join(known) if known else "The run was not recorded."


def _moment(value: object) -> str:
    """Write a moment as people do; anything else as it is."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    return f"{moment:%Y-%m-%d %H:%M}" + (" UTC" if moment.utcoffset() == timedelta() else "")


def provenance(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return single facts (the usual ones always), tables, and the parameters as JSON."""
    facts = {key: run.get(key) for key in _RUN_FACTS} | {
        str(key): value
        for key, value in run.items()
        if not _is_structure(value) and not (key in _OPEN and value in (None, "running"))
    }
    structures = {str(k): v for k, v in run.items() if _is_structure(v) and k != "parameters"}
    parameters = run.get("parameters")
    return {
        "facts": [(tables.label(k), _moment(v) if v else "not recorded") for k, v in facts.items()],
        "tables": [
            (tables.label(key).capitalize(), _structure(key, value))
            for key, value in structures.items()
        ],
        "parameters": json.dumps(parameters, indent=2, default=str) if parameters else "",
    }
