import json
from pathlib import Path

import pandas as pd
import pytest
from kedro.io.core import DatasetError

from steel_defects.datasets.model_versions import ModelVersions, ModelVersionsDataset
from steel_defects.errors import SteelDefectsError

FIRST, SECOND, THIRD = (f"2026-01-0{day}T00.00.00.000Z" for day in (1, 2, 3))
BETWEEN = "2026-01-02T12.00.00.000Z"


def save(folder: Path, name: str, version: str, content: object) -> Path:
    path = folder / name / version / name
    path.parent.mkdir(parents=True)
    if isinstance(content, pd.DataFrame):
        content.to_parquet(path)
    else:
        path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def versions(tmp_path: Path) -> ModelVersions:
    for number, version in enumerate((FIRST, SECOND)):
        save(tmp_path, "a.scores.parquet", version, pd.DataFrame({"x": [number]}))
    save(tmp_path, "a.point.json", SECOND, {"x": 5})
    save(tmp_path, "b.scores.parquet", THIRD, pd.DataFrame({"x": [9]}))
    save(tmp_path, "other.parquet", BETWEEN, pd.DataFrame())
    (tmp_path / "a.scores.parquet" / BETWEEN).mkdir()  # of a run that was killed
    patterns = ["*.scores.parquet", "*.point.json"]
    return ModelVersionsDataset(filepath=str(tmp_path), tables=patterns).load()


def test_versions_with_a_file_of_the_tables_are_listed(versions):
    assert versions.names == [FIRST, SECOND, THIRD]


def test_a_table_is_read_as_it_was_in_use(versions):
    assert versions.load("a.scores", FIRST)["x"].tolist() == [0]
    for version in (SECOND, BETWEEN, THIRD):
        assert versions.version_of("a.scores", version) == SECOND
        assert versions.load("a.scores", version)["x"].tolist() == [1]
    assert versions.load("a.point", THIRD) == {"x": 5}


def test_what_was_not_there_yet_is_none(versions):
    assert versions.load("a.point", FIRST) is None
    assert versions.version_of("b.scores", SECOND) is None
    assert versions.load("c.scores", THIRD) is None


def test_the_version_that_is_meant(versions):
    assert versions.resolve("previous") == SECOND
    assert versions.resolve("previous", SECOND) == FIRST
    assert versions.resolve(FIRST) == FIRST


@pytest.mark.parametrize(
    ("asked", "later", "message"),
    [
        ("yesterday", None, f"no version yesterday .*; there are {FIRST}, {SECOND}, {THIRD}$"),
        (FIRST, "tomorrow", "there is no version tomorrow"),
        (THIRD, None, f"not earlier than {THIRD}, .* there are {FIRST}, {SECOND}$"),
        (THIRD, SECOND, f"not earlier than {SECOND}, .* there are {FIRST}$"),
        ("previous", FIRST, f"no version before {FIRST}"),
    ],
)
def test_a_version_that_cannot_be_compared_is_refused(versions, asked, later, message):
    with pytest.raises(SteelDefectsError, match=message):
        versions.resolve(asked, later)


def test_without_any_version(tmp_path):
    dataset = ModelVersionsDataset(filepath=str(tmp_path / "none"), tables=["*.json"])
    assert dataset.exists()
    with pytest.raises(SteelDefectsError, match="no version of any model yet"):
        dataset.load().resolve("previous")
    with pytest.raises(SteelDefectsError, match="there are none"):
        dataset.load().check(FIRST)


def test_a_damaged_table_is_named(versions, tmp_path):
    (tmp_path / "a.scores.parquet" / FIRST / "a.scores.parquet").write_bytes(b"PAR1")
    with pytest.raises(SteelDefectsError, match=r"cannot read .*a\.scores\.parquet: "):
        versions.load("a.scores", FIRST)


def test_nothing_is_saved(tmp_path):
    with pytest.raises(DatasetError, match="only read"):
        ModelVersionsDataset(filepath=str(tmp_path), tables=[]).save(pd.DataFrame())
