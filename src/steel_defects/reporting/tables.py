"""Tables and values in the form in which people read them."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from steel_defects.tables.columns import format_of, title_of

_MISSING = "–"
_NO_BREAK = "\u00a0"
#: Columns whose cells are names of figures.
_NAMES = ("measure", "name")


@dataclass(frozen=True)
class Table:
    """A table ready to print: headings, whether each column holds numbers, and cells as text.

    The rows of the numbers in ``chosen`` are marked; ``remark`` stands below the table.
    """

    caption: str
    columns: list[tuple[str, bool]]
    rows: list[list[str]]
    chosen: frozenset[int] = field(default_factory=frozenset)
    remark: str = ""


def percent(value: float | None, digits: int = 1) -> str:
    """Write a share of 0 to 1 as a percentage; a dash where there is none."""
    number = decimal(None if value is None else 100 * value, digits)
    return number if number == _MISSING else f"{number}{_NO_BREAK}%"


def decimal(value: float | None, digits: int = 3) -> str:
    """Write a number with fixed decimals; a dash where there is none."""
    return _MISSING if value is None or missing(value) else f"{value:.{digits}f}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f}{_NO_BREAK}s"
    if seconds < 5400:
        return f"{seconds / 60:.0f}{_NO_BREAK}min"
    return f"{seconds / 3600:.1f}{_NO_BREAK}h"


def evaluation(row: Mapping[Any, Any]) -> str:
    """Return the kind of sheets that a row of figures stands on: ``test`` or ``out-of-fold``."""
    return str(row.get("evaluation", "test")).replace("_", "-")


def basis(row: Mapping[Any, Any]) -> str:
    """Say how many sheets of which kind a row of figures stands on."""
    count = "" if missing(row.get("sheets")) else f"{int(row['sheets']):,} "
    return f"{count}{evaluation(row)} sheets"


def missing(value: object) -> bool:
    """Whether a cell is empty: None, NaN or pandas' own."""
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def cell(column: str, value: Any) -> str:
    """Write a value as suits its column, by whose name it is a share, a count or a decimal."""
    if missing(value):
        return _MISSING
    if isinstance(value, bool) or str(value) in ("True", "False"):
        words = ("noted only", "set aside") if column == "set_aside" else ("no", "yes")
        return words[str(value) == "True"]
    if column in ("evaluation", "evidence_from"):
        return str(value).replace("_", " ")
    if isinstance(value, (str, list, tuple, dict)):
        return title_of(str(value), str(value)) if column in _NAMES else str(value)
    if isinstance(value, int) and abs(value) <= 1 and format_of(column) != "percent":
        return str(value)  # a count of none or one, not a share
    return _number(column, float(value)) if isinstance(value, (int, float)) else str(value)


def _number(column: str, value: float) -> str:
    form = format_of(column)
    if form in ("duration", "percent"):
        return _duration(value) if form == "duration" else percent(value)
    digits = 3 if abs(value) < 1000 else 1
    if form == "whole" or (value.is_integer() and abs(value) > 1):
        digits = 0
    return f"{value:,.{1 if form == 'tenths' else digits}f}"


def from_frame(caption: str, frame: pd.DataFrame, chosen: str | None = None) -> Table | None:
    """Turn a table into text; None for one without rows.

    Columns without any value are left out. ``x_low`` and ``x_high`` are printed in the cell of
    ``x``, as its interval. Rows that have ``chosen`` in the first column are marked.
    """
    if frame.empty:
        return None
    frame = frame.dropna(axis="columns", how="all")
    bounded = [str(x) for x in frame if f"{x}_low" in frame and f"{x}_high" in frame]
    ends = {f"{name}{end}" for name in bounded for end in ("_low", "_high")}
    shown = [str(name) for name in frame if name not in ends]
    records = frame.to_dict("records")
    return Table(
        caption=caption,
        columns=[(title_of(name), _is_numeric(frame[name])) for name in shown],
        rows=[[_with_interval(name, record) for name in shown] for record in records],
        chosen=frozenset(
            number for number, record in enumerate(records) if chosen and record[shown[0]] == chosen
        ),
    )


def _with_interval(name: str, record: Mapping[Hashable, Any]) -> str:
    """Write a value and, in brackets, its interval."""
    text = cell(name, record[name])
    low, high = record.get(f"{name}_low"), record.get(f"{name}_high")
    if missing(low) or missing(high):
        return text
    return f"{text} ({cell(name, low).removesuffix(f'{_NO_BREAK}%')}–{cell(name, high)})"


def _is_numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def from_records(
    caption: str, records: Sequence[Any] | Mapping[str, Any], most: int = 500
) -> Table | None:
    """Turn dictionaries, or plain values, in a list or by name into text, the first ``most``."""
    if isinstance(records, Mapping):
        records = [{"name": str(key)} | _as_row(value) for key, value in records.items()]
    rows = [_as_row(record) for record in records[:most]]
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    printed = from_frame(caption, pd.DataFrame(rows, columns=names, dtype=object))
    if printed is None or len(records) <= most:
        return printed
    return replace(printed, remark=f"The first {most:,} of {len(records):,}.")


def _as_row(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {"value": value}


def labelled(number: int, row: Any) -> str:
    """Start the caption of a sheet: its number, its name, and the label that people gave it."""
    return f"{number}  {row.sheet_id}: labelled {'defective' if row.has_defect else 'clean'}"
