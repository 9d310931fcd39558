"""A CSV file that may be absent."""

import pytest
from kedro.io.core import DatasetError

from steel_defects.datasets.tables import OptionalCSVDataset
from steel_defects.errors import SteelDefectsError


@pytest.fixture
def stored(tmp_path) -> OptionalCSVDataset:
    return OptionalCSVDataset(filepath=str(tmp_path / "positions.csv"))


def write(stored: OptionalCSVDataset, content: bytes) -> None:
    stored._filepath.write_bytes(content)


def test_an_absent_file_loads_as_a_table_without_columns(stored):
    assert stored.exists()  # or the check of inputs would end the run
    table = stored.load()
    assert table.shape == (0, 0)
    assert stored.preview()["columns"] == []


def test_everything_is_text(stored):
    write(stored, "\ufeffsheet_id,coil_id,position_mm\na.jpg,007,\nb.jpg,NA,1\n".encode())
    assert stored.load().to_dict("list") == {
        "sheet_id": ["a.jpg", "b.jpg"],
        "coil_id": ["007", "NA"],
        "position_mm": ["", "1"],
    }
    assert stored.preview(nrows=1)["data"] == [["a.jpg", "007", ""]]


def test_a_file_with_a_header_alone(stored):
    write(stored, b"sheet_id,coil_id\n")
    assert list(stored.load().columns) == ["sheet_id", "coil_id"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "No columns"),
        (b"sheet_id,coil_id\na.jpg,K\xfchn\n", "can't be read as CSV in UTF-8"),
        (b"sheet_id,coil_id\na.jpg,1\nb.jpg,1,2\n", "Expected 2 fields in line 3, saw 3"),
        # A comma in every number: pandas would take the sheet for a row's name.
        (b"sheet_id,position_mm\na.jpg,1,5\nb.jpg,2,5\n", "more cells than its header"),
    ],
)
def test_a_broken_file_is_named(stored, content, reason):
    write(stored, content)
    with pytest.raises(DatasetError) as caught:
        stored.load()
    cause = caught.value.__cause__
    assert isinstance(cause, SteelDefectsError)
    assert reason in str(cause)
    assert str(stored._filepath) in str(cause)


def test_nothing_is_written(stored):
    with pytest.raises(DatasetError, match="only read"):
        stored.save("x")
    assert not stored._filepath.exists()
