"""Links, pipes and file names that a folder of pictures may hold."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.images.reading import UnreadableSheet

LEADS_OUT = "symbolic link that leads out of the folder"


def put(path: Path | bytes, value: int = 128) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(cv2.imencode(".png", np.full((4, 6), value, np.uint8))[1].tobytes())


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A picture folder with one sound picture, and a picture outside of it."""
    put(tmp_path / "data/images/sound.png", 7)
    put(tmp_path / "outside/secret.png", 99)
    return tmp_path / "data/images"


def folder_of(images: Path) -> SheetFolder:
    return SheetFolder(images.parent)


def refused(folder: SheetFolder, sheet_id: str, reason: str) -> None:
    """Every way to the pixels of a sheet is closed, for one and the same reason."""
    assert sheet_id in folder.sheet_ids
    assert sheet_id in folder
    for read in (
        folder.read_file,
        folder.__getitem__,
        lambda name: folder.read(folder.relative_path(name)),
    ):
        with pytest.raises(UnreadableSheet, match=reason):
            read(sheet_id)


@pytest.mark.parametrize(
    "target",
    ["../../outside/secret.png", "/etc/hostname", "/dev/zero", "../../outside/absent.png", "/"],
)
def test_a_link_out_of_the_folder_is_listed_and_not_followed(images, target):
    (images / "link.png").symlink_to(target)
    folder = folder_of(images)
    if target == "/":  # a link to a folder
        assert folder.sheet_ids == ["sound.png"]
        return
    assert folder.sheet_ids == ["link.png", "sound.png"]
    assert folder.problem_of("link.png") == LEADS_OUT
    assert folder.problem_of("sound.png") == ""
    refused(folder, "link.png", LEADS_OUT)


def test_a_folder_whose_name_begins_alike_is_outside(images):
    put(images.with_name("images_of_others") / "a.png")
    (images / "link.png").symlink_to("../images_of_others/a.png")
    assert folder_of(images).problem_of("link.png") == LEADS_OUT


def test_an_id_that_climbs_out_of_the_folder_is_refused(images):
    folder = folder_of(images)
    with pytest.raises(UnreadableSheet, match="leads out"):
        folder["../../outside/secret.png"]
    with pytest.raises(UnreadableSheet, match="leads out"):
        folder.read("../outside/secret.png")


def test_a_link_inside_the_folder_is_followed(images):
    put(images / "deep/other.png", 31)
    (images / "link.png").symlink_to("deep/other.png")
    folder = folder_of(images)
    assert folder.problem_of("link.png") == ""
    assert (folder["link.png"] == 31).all()


@pytest.mark.parametrize("linked", ["data", "data/images"])
def test_a_whole_folder_may_be_a_link(tmp_path, images, linked):
    real = tmp_path / "elsewhere" / "kept"
    real.parent.mkdir()
    (tmp_path / linked).rename(real)
    (tmp_path / linked).symlink_to(real)
    folder = folder_of(images)
    assert folder.sheet_ids == ["sound.png"]
    assert folder.problem_of("sound.png") == ""
    assert (folder["sound.png"] == 7).all()
    assert (folder.read("images/sound.png") == 7).all()


def test_links_to_folders_are_not_followed(images):
    """Neither round in a circle, nor to the pictures of others."""
    (images / "again").symlink_to(images)
    (images / "others.png").symlink_to(images.parents[1] / "outside")
    assert folder_of(images).sheet_ids == ["sound.png"]


def test_links_to_nothing_and_to_themselves_are_told(images):
    (images / "absent.png").symlink_to("nothing.png")
    (images / "itself.png").symlink_to("itself.png")
    folder = folder_of(images)
    refused(folder, "absent.png", "cannot be read: No such file")
    refused(folder, "itself.png", "cannot be read: Too many levels")


def test_a_pipe_is_not_waited_for(images):
    os.mkfifo(images / "pipe.png")
    folder = folder_of(images)
    assert folder.problem_of("pipe.png") == "not a regular file"
    refused(folder, "pipe.png", "not a regular file")


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        (b"caf\xe9.png", r"caf\xe9.png"),
        (b"caf\xe9/deep.png", r"caf\xe9/deep.png"),
        (b"two\nlines.png", r"two\nlines.png"),
        (b"\x1b[2Jcleared.png", r"\x1b[2Jcleared.png"),
    ],
)
def test_names_that_no_table_can_hold_are_listed_as_escapes(images, name, listed):
    put(os.fsencode(images) + b"/" + name)
    folder = folder_of(images)
    assert set(folder.sheet_ids) == {listed, "sound.png"}
    assert json.dumps(folder.sheet_ids, ensure_ascii=False).encode()
    assert folder.relative_path(listed) == f"images/{listed}"
    assert folder.path_of(listed).is_file()
    refused(folder, listed, "name of the file is not plain text in UTF-8")


@pytest.mark.parametrize(
    "name", ["Blech übrig.png", "鋼板　一.png", r"back\slash.png", "a'b\"c.png"]
)
def test_unusual_names_are_read(images, name):
    put(images / name, 55)
    folder = folder_of(images)
    assert name in folder.sheet_ids
    assert folder.problem_of(name) == ""
    assert (folder[name] == 55).all()
    assert (folder.read(folder.relative_path(name)) == 55).all()


def test_two_files_that_are_shown_alike_are_listed_once(images):
    put(images / r"caf\xe9.png")
    put(os.fsencode(images) + b"/caf\xe9.png")
    folder = folder_of(images)
    assert folder.sheet_ids == [r"caf\xe9.png", "sound.png"]
    assert folder.problem_of(r"caf\xe9.png") != ""


def test_a_folder_that_cannot_be_listed_ends_the_reading(images, monkeypatch):
    put(images / "locked/a.png")
    listed = os.scandir

    def scandir(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(SteelDefectsError, match="cannot list .*locked: Permission denied"):
        len(folder_of(images))
