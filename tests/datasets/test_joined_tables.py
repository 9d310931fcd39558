import errno
import os
from pathlib import Path

import pandas as pd
import pytest
from kedro.io.core import DatasetError
from tests.support.sheet_jobs import config, loaded, run, write_sheets

from steel_defects import tables as schemas
from steel_defects.datasets import joined_tables
from steel_defects.datasets.image_folder import SheetSourceDataset
from steel_defects.datasets.joined_tables import (
    JoinedCSVDataset,
    JoinedParquetDataset,
    SpreadsheetDataset,
)
from steel_defects.inspection import tables
from steel_defects.inspection.sources import FolderSource, ListSource
from steel_defects.inspection.store.parts import JoinedTable
from steel_defects.tables.declared import VERDICTS

TEXT = {"dtype": str, "keep_default_na": False}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    write_sheets(folder / "sheets", 23)
    return run(folder / "sheets", folder / "jobs", config())


@pytest.mark.parametrize("rows_at_once", [1, 8, 50_000])
def test_tables_of_parts_become_one(result, tmp_path, monkeypatch, rows_at_once):
    monkeypatch.setattr(joined_tables, "_ROWS_AT_ONCE", rows_at_once)
    verdicts, defects, submission = result.tables()
    for name, table in (("verdicts", verdicts), ("defects", defects)):
        dataset = JoinedParquetDataset(filepath=str(tmp_path / "new" / f"{name}.parquet"))
        assert not dataset.exists()
        dataset.save(table)
        found = dataset.load()
        getattr(schemas, name).validate(found)
        pd.testing.assert_frame_equal(
            found.drop(columns="inspected_at", errors="ignore"), loaded(table)
        )
    csv = JoinedCSVDataset(filepath=str(tmp_path / "submission.csv"), load_args=TEXT)
    csv.save(submission)
    schemas.submission.validate(csv.load())
    assert len(csv.load()) == 23
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == [
        "defects.parquet", "submission.csv", "verdicts.parquet"
    ]  # fmt: skip


def test_no_parts_are_an_empty_table(tmp_path):
    parquet = JoinedParquetDataset(filepath=str(tmp_path / "verdicts.parquet"))
    parquet.save(JoinedTable(tmp_path, "verdicts.parquet", (), VERDICTS.empty()))
    schemas.verdicts.validate(parquet.load())
    csv = JoinedCSVDataset(filepath=str(tmp_path / "submission.csv"), load_args=TEXT)
    csv.save(JoinedTable(tmp_path, "submission.csv", (), tables.submission([])))
    schemas.submission.validate(csv.load())
    assert parquet.load().empty
    assert csv.load().empty


@pytest.mark.parametrize(
    ("dataset", "number", "writer", "function"),
    [
        (JoinedParquetDataset, 0, joined_tables.pq.ParquetWriter, "write_table"),
        (JoinedCSVDataset, 2, joined_tables.shutil, "copyfileobj"),
    ],
)
def test_a_full_disk_keeps_the_old_table(
    result, tmp_path, monkeypatch, dataset, number, writer, function
):
    table, path = result.tables()[number], tmp_path / "table"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(writer, function, full)
        with pytest.raises(
            DatasetError, match=f"cannot write to {path}: no room is left; the table"
        ):
            dataset(filepath=str(path)).save(table)
    assert path.read_bytes() == b"old"
    dataset(filepath=str(path)).save(table)
    assert path.read_bytes() != b"old"


def test_a_table_with_rows_is_not_overwritten_by_none(result, tmp_path):
    verdicts, _, _ = result.tables()
    none = JoinedTable(tmp_path, "verdicts.parquet", (), VERDICTS.empty())
    dataset = JoinedParquetDataset(filepath=str(tmp_path / "verdicts.parquet"))
    for _ in range(2):
        dataset.save(none)
    dataset.save(verdicts)
    with pytest.raises(DatasetError, match="no sheet was inspected, so .* with 23 rows; delete it"):
        dataset.save(none)
    assert len(dataset.load()) == 23


def test_a_run_reads_one_picture_folder(tmp_path):
    dataset = SheetSourceDataset(filepath=str(tmp_path))
    assert dataset.load().place == tmp_path
    (tmp_path / "images").mkdir()
    assert dataset.load().place == tmp_path
    assert SheetSourceDataset(filepath=str(tmp_path)).load().place == tmp_path / "images"


def test_sheets_come_from_a_folder_or_a_list(tmp_path):
    def dataset(path: Path) -> SheetSourceDataset:
        return SheetSourceDataset(filepath=str(path))

    assert not dataset(tmp_path / "absent").exists()
    (tmp_path / "list.txt").write_text("a.png\n", encoding="utf-8")
    assert dataset(tmp_path).exists()
    assert dataset(tmp_path / "list.txt").exists()
    assert isinstance(dataset(tmp_path).load(), FolderSource)
    assert isinstance(dataset(tmp_path / "list.txt").load(), ListSource)
    with pytest.raises(DatasetError, match="only read"):
        dataset(tmp_path).save({})


def test_a_spreadsheet_takes_no_name_for_a_formula(tmp_path):
    names = ["=1+1", "+1", "-2", "@A1", "\tx", "a=b", "ö,1", None]
    table = pd.DataFrame({"Sheet": names, "Margin": [-0.5] * len(names)})
    dataset = SpreadsheetDataset(
        filepath=str(tmp_path / "new" / "table.csv"), load_args={"encoding": "utf-8-sig"}
    )
    dataset.save(iter([table.iloc[:0], table.iloc[:3], table.iloc[3:]]))
    assert dataset.load()["Sheet"].fillna("").tolist() == [
        "'=1+1", "'+1", "'-2", "'@A1", "'\tx", "a=b", "ö,1", ""
    ]  # fmt: skip
    assert dataset.load()["Margin"].eq(-0.5).all()
    data = (tmp_path / "new" / "table.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfSheet,Margin\r\n")
    assert data.count(b"Sheet") == 1 and data.count(b"\r\n") == len(names) + 1
