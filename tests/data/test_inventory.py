import hashlib
import os

import cv2
import numpy as np
import pandas as pd
import pytest

from steel_defects import tables as schemas
from steel_defects.data import inventory as module
from steel_defects.data.inventory import (
    fingerprint,
    fingerprints_of,
    take_inventory,
    thumbnail_of,
    thumbnails_of,
)
from steel_defects.images.folder import SheetFolder
from steel_defects.tables.declared import SHEET_INVENTORY


def inventory(folder, expected_size=None) -> pd.DataFrame:
    table = take_inventory(SheetFolder(folder), expected_size)
    return schemas.sheet_inventory.validate(table).set_index("sheet_id")


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
    (images / "f_text.jpg").write_text("not a picture", encoding="utf-8")
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
    assert row["contrast"] == pytest.approx(147 * np.sqrt(0.25 * 0.75))
    assert row["saturated_fraction"] == 0
    assert row["bytes"] == len(data)


def test_small_descriptions_come_back_as_arrays(folder):
    table = inventory(folder).loc[["a.png"]]
    image = cv2.imread(str(folder / "images/a.png"), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(next(fingerprints_of(table)), fingerprint(image))
    np.testing.assert_array_equal(thumbnails_of(table)[0], thumbnail_of(image).reshape(-1))


def test_glaring_pixels_are_counted(tmp_path):
    image = np.full((20, 50), 120, np.uint8)
    image[:, :10] = 255
    cv2.imwrite(str(tmp_path / "a.png"), image)
    assert inventory(tmp_path).loc["a.png", "saturated_fraction"] == 0.2


@pytest.mark.parametrize(
    ("low", "high", "note"),
    [
        (0, 12, "black frame: 100% of its pixels are darker than 12"),
        (250, 256, "overexposed frame: 100% of its pixels are 250 or brighter"),
    ],
)
def test_dark_and_overexposed_frames_are_measured_and_noted(tmp_path, low, high, note):
    rng = np.random.default_rng(0)
    for number in range(20):
        noise = np.clip(rng.normal(low + 3, 1.5, (256, 1600)), low, high - 1).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), noise)
    table = inventory(tmp_path)
    assert set(table["note"]) == {note}
    assert table["problem"].eq("").all()
    measure = "black_fraction" if low == 0 else "saturated_fraction"
    assert table[measure].eq(1).all()


def test_an_incomplete_frame_is_noted_and_used(tmp_path):
    image = np.random.default_rng(0).normal(120, 10, (64, 256)).astype(np.uint8)
    image[40:] = 0
    cv2.imwrite(str(tmp_path / "a.png"), image)
    row = inventory(tmp_path).loc["a.png"]
    assert row["note"] == "incomplete frame: row 40 holds one gray value from column 0 to 255"
    assert row["problem"] == ""


def test_what_reading_changes_is_noted(tmp_path):
    cv2.imwrite(str(tmp_path / "red.png"), np.full((20, 50, 3), (20, 20, 200), np.uint8))
    cv2.imwrite(str(tmp_path / "gray.png"), np.full((20, 50, 3), 90, np.uint8))
    notes = inventory(tmp_path)["note"].to_dict()
    assert notes == {"gray.png": "", "red.png": "colour, read as luminance"}


def test_another_size_than_expected_is_a_problem(folder):
    table = inventory(folder, expected_size=(40, 100))
    assert table.loc["a.png", "problem"] == ""
    assert table.loc["nested/b.jpg", "problem"] == "size 80×60, expected 100×40"
    assert table.loc["f_text.jpg", "problem"] == "not a picture"


def test_a_file_that_vanishes_on_the_way_is_a_problem(folder):
    sheets = SheetFolder(folder)
    assert "a.png" in sheets.sheet_ids
    (folder / "images/a.png").unlink()
    table = take_inventory(sheets).set_index("sheet_id")
    assert table.loc["a.png", "problem"] == "cannot be read: No such file or directory"
    assert table.loc["nested/b.jpg", "problem"] == ""


def test_a_picture_that_memory_does_not_hold_is_a_problem(folder, monkeypatch):
    """OpenCV says so in an error of its own."""
    decode = cv2.imdecode

    def starved(data: np.ndarray, flags: int) -> np.ndarray:
        if data[:4].tobytes() == b"\x89PNG":
            raise cv2.error("(-4:Insufficient memory) Failed to allocate 134217728 bytes")
        return decode(data, flags)

    monkeypatch.setattr(cv2, "imdecode", starved)
    table = inventory(folder)
    assert table.loc["a.png", "problem"] == "too large for the memory of this machine"
    assert table.loc["nested/b.jpg", "problem"] == ""


@pytest.mark.parametrize("pictures", [0, 1])
def test_columns_and_types_do_not_depend_on_the_rows(tmp_path, pictures):
    if pictures:
        (tmp_path / "broken.jpg").write_bytes(b"")
    table = take_inventory(SheetFolder(tmp_path))
    assert len(table) == pictures
    assert {name: str(kind) for name, kind in table.dtypes.items()} == SHEET_INVENTORY.types


class Reads:
    """Counts the pictures that are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        read = SheetFolder.read_file

        def counted(folder: SheetFolder, sheet_id: str) -> bytes:
            self.names.append(sheet_id)
            return read(folder, sheet_id)

        monkeypatch.setattr(SheetFolder, "read_file", counted)


@pytest.fixture
def reads(monkeypatch) -> Reads:
    return Reads(monkeypatch)


def test_a_rerun_reads_only_what_is_new_changed_or_broken(folder, reads):
    first = take_inventory(SheetFolder(folder))
    reads.names.clear()
    cv2.imwrite(str(folder / "images/new.png"), np.full((40, 100), 90, np.uint8))
    cv2.imwrite(str(folder / "images/a.png"), np.full((41, 100), 90, np.uint8))
    again = take_inventory(SheetFolder(folder), earlier=first)
    broken = ["c_empty.jpg", "d_cut.jpg", "e_cut.png", "f_text.jpg"]
    assert sorted(reads.names) == sorted(["a.png", "new.png", *broken])
    pd.testing.assert_frame_equal(again, take_inventory(SheetFolder(folder)))


def test_a_file_of_the_same_size_that_was_written_later_is_read_again(tmp_path, reads):
    path = tmp_path / "a.bmp"
    cv2.imwrite(str(path), np.full((40, 100), 90, np.uint8))
    first = take_inventory(SheetFolder(tmp_path))
    before = path.stat()
    cv2.imwrite(str(path), np.full((40, 100), 99, np.uint8))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert path.stat().st_size == before.st_size
    again = take_inventory(SheetFolder(tmp_path), earlier=first)
    assert again["mean_intensity"].tolist() == [99]


def test_rows_of_another_version_are_not_trusted(folder, reads, monkeypatch):
    first = take_inventory(SheetFolder(folder))
    reads.names.clear()
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    take_inventory(SheetFolder(folder), earlier=first)
    assert len(reads.names) == 6


@pytest.mark.parametrize("earlier", [pd.DataFrame(), pd.DataFrame({"sheet_id": ["a.png"]})])
def test_an_earlier_table_of_another_kind_is_no_hindrance(folder, earlier):
    table = take_inventory(SheetFolder(folder), earlier=earlier)
    pd.testing.assert_frame_equal(table, take_inventory(SheetFolder(folder)))


def test_the_expected_size_may_change_between_runs(folder):
    first = take_inventory(SheetFolder(folder), (40, 100))
    again = take_inventory(SheetFolder(folder), (60, 80), first).set_index("sheet_id")
    assert again.loc["a.png", "problem"] == "size 100×40, expected 80×60"
    assert again.loc["nested/b.jpg", "problem"] == ""
