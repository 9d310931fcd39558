"""Which coil a sheet was taken from, and where along it: from a table or from the sheets' names.

Positions are millimetres along the strip, of a sheet's left edge.
"""

import math
import re
from collections.abc import Mapping, Sequence

import pandas as pd

from steel_defects.data.config import PositionsConfig
from steel_defects.errors import SteelDefectsError
from steel_defects.labels.masks import Finding
from steel_defects.tables.declared import SHEET_POSITIONS

# Narrower than float(), which also takes "nan", "inf" and "1_000".
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

#: Coil and position, each None where unknown.
_Place = tuple[str | None, float | None]


def find_positions(
    sheet_ids: Sequence[str], table: pd.DataFrame, config: PositionsConfig
) -> tuple[pd.DataFrame, list[Finding]]:
    """Find coil and position of each sheet; the table wins where it has a value, then names do.

    Returns:
        ``sheet_id`` and ``coil_id`` (text), ``position_mm`` (float64, finite), one row per sheet in
        the order given, null where unknown; and what is wrong with the table and the names.
    """
    given, faults = positions_from_table(table, sheet_ids)
    named, further = positions_from_names(sheet_ids, config.pattern)
    return given.fillna(named), faults + further


def positions_from_table(
    table: pd.DataFrame, sheet_ids: Sequence[str]
) -> tuple[pd.DataFrame, list[Finding]]:
    """Take coil and position of each sheet from a table.

    Args:
        table: ``sheet_id`` (or ``ImageId``) with ``coil_id``, ``position_mm`` (millimetres) or
            both, best as text, so that a coil's leading zeros stay; empty cells are unknown. A
            table without any column stands for a file that is not there.
        sheet_ids: The sheets, each once.

    Returns:
        As :func:`find_positions`, with a finding for each row of an unknown sheet, each further row
        of a sheet, and each position that is no number.

    Raises:
        SteelDefectsError: The columns are others.
    """
    known = set(sheet_ids)
    places: dict[str, _Place] = {}
    findings = []
    for number, row in enumerate(with_plain_columns(table).to_dict("records"), start=1):
        sheet_id = _text(row["sheet_id"])
        if sheet_id not in known:
            reason = "row for a sheet that is not there"
        elif sheet_id in places:
            reason = "second row for the same sheet, the first counts"
        else:
            places[sheet_id], reason = _place(row)
        if reason:
            where = f"positions.csv, row {number}"
            findings.append(Finding(where, sheet_id, reason, set_aside=False))
    return _one_row_per_sheet(sheet_ids, places), findings


def positions_from_names(
    sheet_ids: Sequence[str], pattern: str | None
) -> tuple[pd.DataFrame, list[Finding]]:
    """Read coil and position of each sheet out of its name.

    Returns:
        As :func:`find_positions`, with a finding for each position that is no number, and one if
        there are names that the pattern, that of :class:`PositionsConfig`, does not fit.
    """
    places: dict[str, _Place] = {}
    others, findings = [], []
    for sheet_id in dict.fromkeys(sheet_ids) if pattern else ():
        match = re.search(str(pattern), sheet_id)
        if match is None:
            others.append(sheet_id)
            continue
        places[sheet_id], reason = _place(match.groupdict())
        if reason:
            findings.append(Finding("name of the sheet", sheet_id, reason, set_aside=False))
    if others:
        reason = f"the pattern does not fit {len(others)} of {len(sheet_ids)} names, first this one"
        findings.append(Finding("positions.pattern", others[0], reason, set_aside=False))
    return _one_row_per_sheet(sheet_ids, places), findings


def with_plain_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Give a table of :func:`positions_from_table` its columns' plain names, or refuse it."""
    if table.columns.empty:
        return table
    table = table.rename(columns=lambda name: str(name).strip().lstrip("\ufeff"))
    if "sheet_id" not in table.columns:
        table = table.rename(columns={"ImageId": "sheet_id"})
    known = set(table.columns) & set(SHEET_POSITIONS.columns)
    if "sheet_id" not in known or len(known) < 2:
        raise SteelDefectsError(
            f"positions.csv has columns {', '.join(table.columns)}; expected sheet_id (or ImageId) "
            "and coil_id, position_mm or both, separated by commas"
        )
    return table


def _place(fields: Mapping[str, object]) -> tuple[_Place, str]:
    coil_id = _text(fields.get("coil_id")) or None
    text = _text(fields.get("position_mm"))
    if not text:
        return (coil_id, None), ""
    position = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(position):
        return (coil_id, None), f"position_mm {text!r} is not a number"
    return (coil_id, position), ""


def _text(value: object) -> str:
    return "" if pd.isna(value) else str(value).strip()


def _one_row_per_sheet(sheet_ids: Sequence[str], places: Mapping[str, _Place]) -> pd.DataFrame:
    rows = [(sheet_id, *places.get(sheet_id, (None, None))) for sheet_id in sheet_ids]
    return SHEET_POSITIONS.typed(rows)
