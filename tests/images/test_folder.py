from pathlib import Path

import cv2
import numpy as np
import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.images.reading import UnreadableSheet
from steel_defects.inspection.config import FollowConfig
from steel_defects.inspection.follow import FolderWatch
from steel_defects.inspection.sources import FolderSource
from steel_defects.labels.mask_folder import MaskFolder


def put(path, value: int = 128) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.full((4, 6), value, np.uint8))[1].tobytes())


@pytest.mark.parametrize(
    ("where", "relative"),
    [("train_images", "train_images/a.png"), ("images", "images/a.png"), ("", "a.png")],
)
def test_pictures_lie_in_a_known_folder_or_in_the_folder_itself(tmp_path, where, relative):
    put(tmp_path / where / "a.png", 99)
    folder = SheetFolder(tmp_path)
    assert list(folder) == ["a.png"]
    assert folder.relative_path("a.png") == relative
    assert folder.path_of("a.png") == tmp_path / relative
    assert (folder["a.png"] == 99).all()
    np.testing.assert_array_equal(folder.read(relative), folder["a.png"])


def test_train_images_come_before_images_and_loose_pictures(tmp_path):
    for name in ("train_images/first.png", "images/second.png", "third.png", "test_images/x.png"):
        put(tmp_path / name)
    assert list(SheetFolder(tmp_path)) == ["first.png"]


def test_masks_beside_the_pictures_are_no_sheets(tmp_path):
    put(tmp_path / "images/a.png")
    put(tmp_path / "annotations/a.png")
    assert list(SheetFolder(tmp_path)) == ["a.png"]


def test_ids_are_sorted_paths_below_the_picture_folder(tmp_path):
    for name in ("coil_2/001.png", "coil_10/deep/002.png", "b.png", "a.png"):
        put(tmp_path / "images" / name)
    folder = SheetFolder(tmp_path)
    assert list(folder) == ["a.png", "b.png", "coil_10/deep/002.png", "coil_2/001.png"]
    assert len(folder) == 4
    assert folder["coil_10/deep/002.png"].shape == (4, 6)


def test_only_pictures_count_and_uppercase_endings_do_too(tmp_path):
    for name in (
        "a.JPG",
        "b.jpeg",
        "c.Png",
        "d.bmp",
        "e.tif",
        "f.TIFF",
        "train.csv",
        "notes",
        "g.txt",
    ):
        (tmp_path / name).write_bytes(b"anything")
    (tmp_path / "folder.jpg").mkdir()
    assert list(SheetFolder(tmp_path)) == ["a.JPG", "b.jpeg", "c.Png", "d.bmp", "e.tif", "f.TIFF"]


def test_unknown_ids_are_key_errors(tmp_path):
    put(tmp_path / "a.png")
    with pytest.raises(KeyError, match="b.png"):
        SheetFolder(tmp_path)["b.png"]
    assert SheetFolder(tmp_path).get("b.png") is None


def test_a_broken_picture_is_in_the_folder_and_says_so_when_read(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    folder = SheetFolder(tmp_path)
    assert "a.png" in folder
    assert "b.png" not in folder
    with pytest.raises(UnreadableSheet, match="truncated"):
        folder["a.png"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(SteelDefectsError, match="nowhere"):
        len(SheetFolder(tmp_path / "nowhere"))


def test_an_empty_folder_has_no_sheets(tmp_path):
    assert dict(SheetFolder(tmp_path)) == {}


#: What network drives and desktops put into folders: thumbnails, snapshots, what was deleted.
HOUSEKEEPING = (
    *("@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg", ".snapshot/hourly/a.png", "#recycle/old.png"),
    *("$RECYCLE.BIN/old.png", ".Trash-1000/files/old.png", "lost+found/x.png", "~snapshot/a.png"),
    *("System Volume Information/x.png", "._a.png", "coil/@eaDir/b.png"),
)


def test_what_drives_and_desktops_keep_for_themselves_is_no_sheet(tmp_path, caplog):
    for name in ("train_images/a.png", "train_images/coil/b@2.png", "annotations/a.png"):
        put(tmp_path / name)
    for name in HOUSEKEEPING:
        put(tmp_path / "train_images" / name)
        put((tmp_path / "annotations" / name).with_suffix(".png"))
    sheets = ["a.png", "coil/b@2.png"]
    for _ in range(2):
        assert list(SheetFolder(tmp_path)) == sheets
        assert [file.sheet_id for file in FolderSource(tmp_path).list_files()] == sheets
    assert MaskFolder(tmp_path / "annotations").files == {"a": "a.png"}
    told = [record.getMessage() for record in caplog.records]
    places = ("train_images", "train_images/coil", "annotations", "annotations/coil")
    assert [text.split(":")[0] for text in told] == [str(tmp_path / place) for place in places]
    assert "9 names are left out" in told[0]


def test_watching_leaves_the_same_names_out(tmp_path):
    put(tmp_path / "a.png")
    for name in HOUSEKEEPING:
        put(tmp_path / name)
    watch = FolderWatch(tmp_path, FollowConfig(ignore=()))
    watch.poll()
    assert watch.poll() == ["a.png"]


@pytest.fixture
def store(tmp_path) -> Path:
    """A data folder whose pictures are links into a store."""
    for number in range(3):
        put(tmp_path / "store" / "coil" / f"{number}.png")
    folder = tmp_path / "data" / "images"
    folder.mkdir(parents=True)
    (folder / "one.png").symlink_to(tmp_path / "store" / "coil" / "0.png")
    (folder / "coil_7").symlink_to(tmp_path / "store" / "coil")
    (folder / "round").symlink_to(tmp_path / "data")
    return tmp_path / "data"


def test_links_that_lead_back_through_a_store_are_not_walked_without_end(store):
    (store.parent / "store" / "coil" / "back").symlink_to(store)
    followed = SheetFolder(store, follow_links=True)
    assert list(followed) == ["coil_7/0.png", "coil_7/1.png", "coil_7/2.png", "one.png"]


def test_links_into_a_store_are_counted_or_followed(store):
    kept = SheetFolder(store)
    assert list(kept) == ["one.png"] and kept.left_out == "2 linked folders"
    assert kept.problem_of("one.png") == "symbolic link that leads out of the folder"
    followed = SheetFolder(store, follow_links=True)
    names = ["coil_7/0.png", "coil_7/1.png", "coil_7/2.png", "one.png"]
    assert list(followed) == names and followed.left_out == ""
    assert all(followed[name].shape for name in names)
    source = FolderSource(store, follow_links=True)
    assert [file.sheet_id for file in source.list_files()] == names
    masks = MaskFolder(store / "images", follow_links=True)
    assert sorted(masks.files.values()) == names
