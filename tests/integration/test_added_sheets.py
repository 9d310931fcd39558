"""Sheets that are added to a folder which was divided before."""

import shutil
from collections.abc import Callable

import cv2
import numpy as np
import pandas as pd
import pytest
from tests.support.projects import Project

from steel_defects.images.reading import decode_gray


@pytest.fixture(scope="module")
def before_and_after(make_project: Callable[[str], Project]) -> tuple[pd.DataFrame, Project]:
    """Splits of the smallest environment, and the project after sheets were added."""
    project = make_project("test")
    project.must_run("--pipelines=sample_data")
    project.must_run("--pipelines=data_engineering")
    before = project.catalog.load("splits")
    pictures = project.data / "01_raw" / "train_images"
    first, second = before["sheet_id"].iloc[:2]
    turned = decode_gray((pictures / first).read_bytes())[::-1, ::-1]
    cv2.imwrite(str(pictures / "turned.png"), np.ascontiguousarray(turned))
    (pictures / "coil_7").mkdir()
    shutil.move(pictures / second, pictures / "coil_7" / second)
    labels = project.data / "01_raw" / "train.csv"
    rows = pd.read_csv(labels, dtype=str)
    rows["ImageId"] = rows["ImageId"].replace(second, f"coil_7/{second}")
    rows.to_csv(labels, index=False)
    for number, path in enumerate(sorted((project.data / "01_raw" / "new_sheets").glob("*.jpg"))):
        shutil.copy(path, pictures / f"added_{number}.jpg")
    project.must_run("--pipelines=data_engineering")
    return before, project


def test_old_sheets_keep_split_and_folds(before_and_after) -> None:
    before, project = before_and_after
    after = project.catalog.load("splits").set_index("sheet_id")
    assert len(after) > len(before)
    kept = after.loc[before["sheet_id"].drop(1)]
    assert kept["split"].tolist() == before["split"].drop(1).tolist()
    assert [list(fold) for fold in kept["fold"]] == [list(fold) for fold in before["fold"].drop(1)]


def test_a_moved_file_is_known_again(before_and_after) -> None:
    before, project = before_and_after
    after = project.catalog.load("splits").set_index("sheet_id")
    assert after.loc[f"coil_7/{before['sheet_id'][1]}", "split"] == before["split"][1]


def test_a_turned_copy_joins_its_original(before_and_after) -> None:
    before, project = before_and_after
    after = project.catalog.load("splits").set_index("sheet_id")
    assert after.loc["turned.png", "group_id"] == after.loc[before["sheet_id"][0], "group_id"]
    assert after.loc["turned.png", "split"] == before["split"][0]
    leakage = project.catalog.load("leakage").set_index(["division", "split"])["copies"]
    assert leakage["by group"].sum() == 0
