"""A table without rows leaves no file that says nothing."""

from pathlib import Path

import pandas as pd
import pytest

from steel_defects.datasets.tables import RowsIfAnyDataset
from steel_defects.tables.declared import VOID_PIXELS


@pytest.fixture
def dataset(tmp_path: Path) -> RowsIfAnyDataset:
    declared = "steel_defects.tables.declared.VOID_PIXELS"
    return RowsIfAnyDataset(filepath=str(tmp_path / "deep/t.parquet"), table=declared)


def test_rows_come_back(dataset: RowsIfAnyDataset):
    table = VOID_PIXELS.typed([("a.jpg", "1 2", 2)])
    dataset.save(table)
    pd.testing.assert_frame_equal(dataset.load(), table)


def test_without_rows_there_is_no_file_and_an_empty_table(dataset: RowsIfAnyDataset):
    pd.testing.assert_frame_equal(dataset.load(), VOID_PIXELS.empty())
    dataset.save(VOID_PIXELS.typed([("a.jpg", "1 2", 2)]))
    dataset.save(VOID_PIXELS.empty())
    assert not dataset._filepath.exists()
    pd.testing.assert_frame_equal(dataset.load(), VOID_PIXELS.empty())
    assert dataset.exists()  # a run that saved nothing is done
