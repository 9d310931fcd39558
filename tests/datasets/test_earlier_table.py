import pandas as pd
import pytest
from kedro.io.core import DatasetError

from steel_defects.datasets.tables import EarlierTableDataset


def test_what_was_written_is_read(tmp_path):
    table = pd.DataFrame({"sheet_id": ["a.jpg"], "fold": [[1, 2]]})
    table.to_parquet(tmp_path / "t.parquet")
    loaded = EarlierTableDataset(filepath=str(tmp_path / "t.parquet")).load()
    assert loaded["sheet_id"].tolist() == ["a.jpg"]
    assert loaded["fold"][0].tolist() == [1, 2]


def test_a_first_run_finds_an_empty_table(tmp_path):
    dataset = EarlierTableDataset(filepath=str(tmp_path / "none.parquet"))
    assert dataset.exists()
    assert dataset.load().empty


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_half_written_table_counts_as_none_and_is_told(tmp_path, caplog, share):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"x": range(100)}).to_parquet(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert EarlierTableDataset(filepath=str(path)).load().empty
    assert "t.parquet can't be read and is made anew" in caplog.text


def test_nothing_is_saved(tmp_path):
    with pytest.raises(DatasetError, match="only read"):
        EarlierTableDataset(filepath=str(tmp_path / "t.parquet")).save(pd.DataFrame({"a": [1]}))
