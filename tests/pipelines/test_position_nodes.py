import logging

import pandas as pd
import pytest
from tests.support.data import Data

from steel_defects import tables as schemas
from steel_defects.data.config import PositionsConfig
from steel_defects.errors import SteelDefectsError
from steel_defects.pipelines.data_engineering.nodes import locate_sheets

PATTERN = PositionsConfig(pattern=r"_(?P<position_mm>\d+)\.")
NO_FILE = pd.DataFrame()


def test_every_sound_sheet_has_a_row(data: Data, caplog):
    sheets = data.sheets.drop(index=2)
    aside = data.sheets.loc[2, "sheet_id"]
    # The picture that was set aside is there all the same, so its row is no mistake.
    csv = pd.DataFrame({"sheet_id": [aside, "absent.jpg"], "coil_id": ["A", "B"]}, dtype="str")
    with caplog.at_level(logging.WARNING):
        table, findings = locate_sheets(sheets, data.inventory, csv, PATTERN)
    schemas.sheet_positions.validate(table)
    assert table["sheet_id"].tolist() == sheets["sheet_id"].tolist()
    numbers = sheets["sheet_id"].str.extract(r"(\d+)")[0].astype(float)
    assert table["position_mm"].tolist() == numbers.tolist()
    assert table["coil_id"].isna().all()
    assert findings == [
        {
            "where": "positions.csv, row 2",
            "sheet_id": "absent.jpg",
            "reason": "row for a sheet that is not there",
            "set_aside": False,
        }
    ]
    assert "1 findings" in caplog.text


def test_nothing_known(data: Data, caplog):
    table, findings = locate_sheets(data.sheets, data.inventory, NO_FILE, PositionsConfig())
    schemas.sheet_positions.validate(table)
    assert len(table) == 16
    assert table[["coil_id", "position_mm"]].isna().all(axis=None)
    assert findings == []
    assert caplog.text == ""


def test_a_file_of_something_else_ends_the_run(data: Data):
    csv = pd.DataFrame({"name": ["a.jpg"]})
    with pytest.raises(SteelDefectsError, match=r"positions\.csv has columns name"):
        locate_sheets(data.sheets, data.inventory, csv, PATTERN)
