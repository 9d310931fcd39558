import hashlib

import cv2
import numpy as np
import pandas as pd
import pytest

from steel_defects.sheets.fingerprints import fingerprint
from steel_defects.sheets.folder import SheetFolder
from steel_defects.sheets.inventory import INVENTORY_COLUMNS, inventory_table, take_inventory


def inventory(folder, expected_size=None) -> pd.DataFrame:
    return inventory_table(take_inventory(SheetFolder(folder), expected_size)).set_index("sheet_id")


@pytest.fixture
def folder(tmp_path):
    """Two sound sheets of different sizes, and four files that are none."""
    images = tmp_path / "images"
    (images / "nested").mkdir(parents=True)
    strip = np.full((40, 100), 150, np.uint8)
    strip[:, :25] = 3
    cv2.imwrite(str(images / "a.png"), strip)
    noise = np.random.default_rng(0).integers(50, 200, (60, 80), dtype=np.uint8)
    cv2.imwrite(str(images / "nested/b.jpg"), noise)
    (images / "c_empty.jpg").write_bytes(b"")
    (images / "d_cut.jpg").write_bytes((images / "nested/b.jpg").read_bytes()[:1000])
    (images / "e_cut.png").write_bytes((images / "a.png").read_bytes()[:-12])
    (images / "f_text.jpg").write_text("not a picture")
    return tmp_path


def test_every_file_is_a_row_and_problems_are_told_in_it(folder):
    table = inventory(folder)
    assert table["problem"].to_dict() == {
        "a.png": "",
        "c_empty.jpg": "empty file",
        "d_cut.jpg": "truncated file",
        "e_cut.png": "truncated file",
        "f_text.jpg": "not a picture",
        "nested/b.jpg": "",
    }
    assert table["path"].to_dict()["nested/b.jpg"] == "images/nested/b.jpg"
    assert table.loc[table["problem"] != "", ["width", "mean_intensity"]].isna().all(axis=None)


def test_a_picture_is_measured(folder):
    row = inventory(folder).loc["a.png"]
    assert (row["width"], row["height"]) == (100, 40)
    assert row["mean_intensity"] == pytest.approx(0.25 * 3 + 0.75 * 150)
    assert row["black_fraction"] == 0.25
    data = (folder / "images/a.png").read_bytes()
    assert row["sha256"] == hashlib.sha256(data).hexdigest()
    expected = fingerprint(cv2.imread(str(folder / "images/a.png"), cv2.IMREAD_GRAYSCALE))
    np.testing.assert_array_equal(np.float32(row["fingerprint"]), expected)


def test_another_size_than_expected_is_a_problem(folder):
    table = inventory(folder, expected_size=(40, 100))
    assert table.loc["a.png", "problem"] == ""
    assert table.loc["nested/b.jpg", "problem"] == "size 80×60, expected 100×40"
    assert table.loc["f_text.jpg", "problem"] == "not a picture"


def test_a_file_that_vanishes_on_the_way_is_a_problem(folder):
    sheets = SheetFolder(folder)
    assert "a.png" in sheets.sheet_ids
    (folder / "images/a.png").unlink()
    table = inventory_table(take_inventory(sheets)).set_index("sheet_id")
    assert table.loc["a.png", "problem"] == "cannot be read: No such file or directory"
    assert table.loc["nested/b.jpg", "problem"] == ""


@pytest.mark.parametrize("pictures", [0, 1])
def test_columns_and_types_do_not_depend_on_the_rows(tmp_path, pictures):
    if pictures:
        (tmp_path / "broken.jpg").write_bytes(b"")
    table = inventory_table(take_inventory(SheetFolder(tmp_path)))
    assert len(table) == pictures
    assert {name: str(kind) for name, kind in table.dtypes.items()} == INVENTORY_COLUMNS
