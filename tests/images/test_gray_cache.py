import hashlib
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.images import gray_cache
from steel_defects.images.folder import SheetFolder
from steel_defects.images.gray_cache import open_gray_cache

SIZES = [(16, 40), (32, 24), (16, 40)]


def write_picture(path: Path, seed: int, size: tuple[int, int]) -> None:
    image = np.random.default_rng(seed).integers(0, 256, size).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())


@pytest.fixture
def folder(tmp_path: Path) -> SheetFolder:
    root = tmp_path / "raw"
    for number, size in enumerate(SIZES):
        write_picture(
            root / "train_images" / f"coil/{number}.{'jpg' if number else 'png'}", number, size
        )
    return SheetFolder(root)


def table(folder: SheetFolder) -> pd.DataFrame:
    rows = []
    for sheet_id in folder.sheet_ids:
        digest = hashlib.sha256(folder.path_of(sheet_id).read_bytes()).hexdigest()
        rows.append((sheet_id, folder.relative_path(sheet_id), digest, *folder[sheet_id].shape))
    return pd.DataFrame(rows, columns=["sheet_id", "path", "sha256", "height", "width"])


def assert_holds(folder: SheetFolder, sheets: pd.DataFrame, cache: object) -> None:
    for path in sheets["path"]:
        np.testing.assert_array_equal(cache.read(path), folder.read(path))


def files(cache_dir: Path) -> list[str]:
    return sorted(path.name for path in cache_dir.iterdir())


def test_cached_sheets_equal_decoded_ones(folder: SheetFolder, tmp_path: Path):
    sheets = table(folder)
    cache = open_gray_cache(folder, sheets, tmp_path / "new" / "cache")
    assert_holds(folder, sheets, cache)
    assert {cache.read(path).shape for path in sheets["path"]} == set(SIZES)
    assert not cache.read(sheets["path"][0]).flags.writeable


def test_pictures_are_decoded_once(folder: SheetFolder, tmp_path: Path, monkeypatch):
    sheets = table(folder)
    expected = {path: folder.read(path) for path in sheets["path"]}
    open_gray_cache(folder, sheets, tmp_path / "cache")
    shutil.rmtree(folder.root)
    for part in (sheets, sheets.iloc[1:]):
        cache = open_gray_cache(folder, part, tmp_path / "cache")
        for path in part["path"]:
            np.testing.assert_array_equal(cache.read(path), expected[path])


def test_a_sheet_outside_the_table_is_refused(folder: SheetFolder, tmp_path: Path):
    sheets = table(folder)
    cache = open_gray_cache(folder, sheets.iloc[:2], tmp_path / "cache")
    with pytest.raises(SteelDefectsError, match=r"2\.jpg is not in the cache"):
        cache.read(sheets["path"][2])


def test_a_changed_sheet_is_read_again_and_the_others_are_not(folder: SheetFolder, tmp_path: Path):
    old = table(folder)
    open_gray_cache(folder, old, tmp_path / "cache")
    write_picture(folder.path_of("coil/1.jpg"), 9, (48, 56))
    kept = folder.read(old["path"][2])
    new = table(folder)
    folder.path_of("coil/2.jpg").write_bytes(b"gone")
    cache = open_gray_cache(folder, new, tmp_path / "cache")
    np.testing.assert_array_equal(cache.read(new["path"][1]), folder.read(new["path"][1]))
    np.testing.assert_array_equal(cache.read(new["path"][2]), kept)


def test_a_picture_that_is_not_the_tables_is_refused(folder: SheetFolder, tmp_path: Path):
    sheets = table(folder)
    write_picture(folder.path_of("coil/1.jpg"), 9, SIZES[1])
    with pytest.raises(SteelDefectsError, match=r"coil/1\.jpg has changed since"):
        open_gray_cache(folder, sheets, tmp_path / "cache")
    assert files(tmp_path / "cache") == []


def test_an_unreadable_picture_is_named(folder: SheetFolder, tmp_path: Path):
    sheets = table(folder)
    folder.path_of("coil/1.jpg").write_bytes(b"")
    with pytest.raises(SteelDefectsError, match=r"coil/1\.jpg: empty file"):
        open_gray_cache(folder, sheets, tmp_path / "cache")


@pytest.mark.parametrize("keep", [0, 10, 120, -1])
def test_a_cut_off_cache_is_not_believed(folder: SheetFolder, tmp_path: Path, keep: int):
    sheets = table(folder)
    open_gray_cache(folder, sheets, tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(file.read_bytes()[:keep])
    assert_holds(folder, sheets, open_gray_cache(folder, sheets, tmp_path / "cache"))


@pytest.mark.parametrize(
    "header", [b"[]\n", b'{"format": "another", "sheets": []}\n', b'{"sheets": 3}\n', b"\xff\xfe\n"]
)
def test_another_file_is_not_believed(folder: SheetFolder, tmp_path: Path, header: bytes):
    sheets = table(folder)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "gray_sheets.bin").write_bytes(header + bytes(100))
    assert_holds(folder, sheets, open_gray_cache(folder, sheets, tmp_path / "cache"))


def test_a_killed_run_leaves_the_old_cache(folder: SheetFolder, tmp_path: Path, monkeypatch):
    sheets = table(folder)
    open_gray_cache(folder, sheets.iloc[:2], tmp_path / "cache")
    before = (tmp_path / "cache" / "gray_sheets.bin").read_bytes()

    def killed(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        open_gray_cache(folder, sheets, tmp_path / "cache")
    assert files(tmp_path / "cache") == ["gray_sheets.bin"]
    assert (tmp_path / "cache" / "gray_sheets.bin").read_bytes() == before


def test_many_sheets_keep_their_order(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(gray_cache, "_AT_ONCE", 3)
    for number in range(11):
        write_picture(tmp_path / "raw" / "images" / f"{number}.png", number, (8 + number, 12))
    folder = SheetFolder(tmp_path / "raw")
    sheets = table(folder)
    assert_holds(folder, sheets, open_gray_cache(folder, sheets, tmp_path / "cache"))


def test_too_little_room_is_said_beforehand(folder: SheetFolder, tmp_path: Path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SteelDefectsError, match="make room, or train with cache: false"):
        open_gray_cache(folder, table(folder), tmp_path / "cache")
    assert files(tmp_path / "cache") == []


def test_a_folder_that_cannot_be_made_is_named(folder: SheetFolder, tmp_path: Path):
    (tmp_path / "cache").write_bytes(b"a file")
    with pytest.raises(SteelDefectsError, match="cache: gray sheets can't be cached"):
        open_gray_cache(folder, table(folder), tmp_path / "cache")
