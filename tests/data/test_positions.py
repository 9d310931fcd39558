import pandas as pd
import pytest

from steel_defects import tables as schemas
from steel_defects.data.config import PositionsConfig
from steel_defects.data.positions import (
    find_positions,
    positions_from_names,
    positions_from_table,
)
from steel_defects.errors import SteelDefectsError
from steel_defects.labels.masks import Finding

SHEETS = ["C07_0.jpg", "C07_1600.jpg", "day/C12_250.5.jpg", "other.jpg"]
PATTERN = r"(?P<coil_id>C\d+)_(?P<position_mm>\d+(\.\d+)?)"
NO_FILE = pd.DataFrame()


def places(table: pd.DataFrame) -> list[tuple[object, object]]:
    schemas.sheet_positions.validate(table)
    plain = table.astype(object).where(table.notna(), None)
    return list(plain[["coil_id", "position_mm"]].itertuples(index=False, name=None))


def csv(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns, dtype="str")


# === Names ===


def test_names_tell_coil_and_position():
    table, findings = positions_from_names(SHEETS, PATTERN)
    assert table["sheet_id"].tolist() == SHEETS
    assert places(table) == [("C07", 0.0), ("C07", 1600.0), ("C12", 250.5), (None, None)]
    reason = "the pattern does not fit 1 of 4 names, first this one"
    assert findings == [Finding("positions.pattern", "other.jpg", reason, set_aside=False)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"(?P<coil_id>C\d+)", ("C07", None)),
        (r"_(?P<position_mm>\d+)", (None, 1600.0)),
        (r"(?P<coil_id>Z\d+)?_(?P<position_mm>\d+)", (None, 1600.0)),  # a group left out
        (None, (None, None)),
    ],
)
def test_either_may_be_missing(pattern, expected):
    table, findings = positions_from_names(SHEETS[1:2], pattern)
    assert places(table) == [expected]
    assert findings == []


def test_a_part_of_the_name_that_is_no_number_is_found():
    table, findings = positions_from_names(SHEETS[:1], r"(?P<position_mm>[A-Z]\d+)")
    assert places(table) == [(None, None)]
    assert findings == [
        Finding("name of the sheet", SHEETS[0], "position_mm 'C07' is not a number", False)
    ]


# === The table ===


@pytest.mark.parametrize("key", ["sheet_id", "ImageId", " sheet_id ", "\ufeffsheet_id"])
def test_rows_give_coil_and_position(key):
    rows = {key: [SHEETS[3], f" {SHEETS[0]} "], "coil_id": [" 0042 ", ""]}
    table, findings = positions_from_table(csv(**rows, position_mm=["", "-1.5e3"]), SHEETS)
    assert places(table) == [(None, -1500.0), (None, None), (None, None), ("0042", None)]
    assert findings == []


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [("coil_id", ["A"], ("A", None)), ("position_mm", ["3"], (None, 3.0))],
)
def test_one_column_will_do(column, values, expected):
    table, _ = positions_from_table(csv(sheet_id=SHEETS[:1], **{column: values}), SHEETS)
    assert places(table)[0] == expected


def test_numbers_are_taken_as_they_are():
    given = pd.DataFrame({"sheet_id": SHEETS[:2], "coil_id": [7, 8], "position_mm": [1.5, None]})
    table, findings = positions_from_table(given, SHEETS[:2])
    assert places(table) == [("7", 1.5), ("8", None)]
    assert findings == []


def test_rows_that_cannot_be_used_are_found():
    given = csv(
        sheet_id=[SHEETS[0], "absent.jpg", SHEETS[0], SHEETS[1]],
        coil_id=["A", "B", "C", "D"],
        position_mm=["1", "2", "3", "1,5"],
    )
    table, findings = positions_from_table(given, SHEETS[:2])
    assert places(table) == [("A", 1.0), ("D", None)]
    assert [(f.where, f.sheet_id, f.reason) for f in findings] == [
        ("positions.csv, row 2", "absent.jpg", "row for a sheet that is not there"),
        ("positions.csv, row 3", SHEETS[0], "second row for the same sheet, the first counts"),
        ("positions.csv, row 4", SHEETS[1], "position_mm '1,5' is not a number"),
    ]
    assert not any(finding.set_aside for finding in findings)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "1_000", "0x1F", "12 mm", "١"])
def test_what_is_no_plain_number(text):
    given = csv(sheet_id=SHEETS[:1], position_mm=[text])
    table, findings = positions_from_table(given, SHEETS[:1])
    assert places(table) == [(None, None)]
    assert [f.reason for f in findings] == [f"position_mm {text!r} is not a number"]


@pytest.mark.parametrize("text", ["0", "+12", "12.", ".5", "1.5E3", "-7"])
def test_what_is_a_number(text):
    table, findings = positions_from_table(csv(sheet_id=["a"], position_mm=[text]), ["a"])
    assert places(table) == [(None, float(text))]
    assert findings == []


@pytest.mark.parametrize(
    "columns",
    [["sheet_id;coil_id;position_mm"], ["coil_id", "position_mm"], ["sheet_id", "coil"]],
)
def test_other_columns_are_refused(columns):
    with pytest.raises(SteelDefectsError, match="expected sheet_id") as caught:
        positions_from_table(pd.DataFrame(columns=columns), SHEETS)
    assert ", ".join(columns) in str(caught.value)
    assert "\n" not in str(caught.value)


# === Both ===


def test_the_table_wins_where_it_has_a_value():
    given = csv(sheet_id=SHEETS, coil_id=["X", "", "Y", "Z"], position_mm=["", "9", "wrong", "8"])
    table, findings = find_positions(SHEETS, given, PositionsConfig(pattern=PATTERN))
    assert places(table) == [("X", 0.0), ("C07", 9.0), ("Y", 250.5), ("Z", 8.0)]
    assert [finding.where for finding in findings] == ["positions.csv, row 3", "positions.pattern"]


def test_nothing_is_known_without_either():
    table, findings = find_positions(SHEETS, NO_FILE, PositionsConfig())
    assert table["sheet_id"].tolist() == SHEETS
    assert places(table) == [(None, None)] * 4
    assert findings == []


@pytest.mark.parametrize("pattern", [None, PATTERN])
def test_no_sheets(pattern):
    table, findings = find_positions([], NO_FILE, PositionsConfig(pattern=pattern))
    assert places(table) == []
    assert findings == []
