"""Replacing files and folders as a whole."""

import os
import shutil
import time
from pathlib import Path

import pytest

from steel_defects import files
from steel_defects.files import replaced, replaced_contents, visible, was_replacing

LAST = ".complete.json"


class Killed(BaseException):
    """What a test throws where a process would be killed."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill(folder: Path, *contents: str) -> None:
    with replaced_contents(folder, LAST) as temporary:
        for name in (*contents, LAST):
            (temporary / name).write_text("new", encoding="utf-8")


# === Files ===


def test_a_file_is_there_once_it_is_whole(tmp_path):
    path = tmp_path / "deep" / "table.csv"
    with replaced(path) as temporary:
        temporary.write_text("new", encoding="utf-8")
        assert not path.exists()
    assert path.read_text(encoding="utf-8") == "new"
    assert names(path.parent) == ["table.csv"]


def test_the_old_file_lives_if_writing_fails(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(OSError, match="No space"), replaced(path) as temporary:
        temporary.write_text("ne", encoding="utf-8")
        raise OSError(28, "No space left on device")
    assert path.read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["table.csv"]


def test_two_writers_never_share_a_temporary_file(tmp_path):
    path = tmp_path / "table.csv"
    with replaced(path) as one, replaced(path) as other:
        one.write_text("one", encoding="utf-8")
        other.write_text("other", encoding="utf-8")
        assert one.read_text(encoding="utf-8") == "one"
    assert path.read_text(encoding="utf-8") == "one"


def test_what_killed_processes_left_is_deleted_once_it_is_old(tmp_path):
    old, young, foreign = (tmp_path / name for name in (".t.csv.1.tmp", ".t.csv.2.tmp", "x.tmp"))
    for path in (old, young, foreign):
        path.touch()
    for path in (old, foreign):
        os.utime(path, (time.time() - 1e6,) * 2)
    with replaced(tmp_path / "t.csv") as temporary:
        temporary.touch()
    assert names(tmp_path) == [young.name, "t.csv", foreign.name]


# === Contents of folders ===


def test_contents_are_replaced_in_a_folder_that_stays(tmp_path):
    disk, link = tmp_path / "disk", tmp_path / "overlays"
    (disk / "lost+found").mkdir(parents=True)
    link.symlink_to(disk)
    fill(link, "a.png", "b.png")
    fill(link, "c.png")
    assert link.is_symlink()
    assert names(disk) == [LAST, "c.png", "lost+found"]


def test_old_contents_live_if_making_the_new_ones_fails(tmp_path):
    fill(tmp_path, "a.png")
    with pytest.raises(OSError, match="No space"), replaced_contents(tmp_path, LAST) as temporary:
        (temporary / "b.png").touch()
        raise OSError(28, "No space left on device")
    assert names(tmp_path) == [LAST, "a.png"]


@pytest.mark.parametrize("renamed", range(5))
def test_contents_are_repaired_after_a_kill(tmp_path, monkeypatch, renamed):
    fill(tmp_path, "a.png", "b.png")
    rename, left = Path.rename, iter(range(renamed))

    def rename_or_die(self: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise Killed
        return rename(self, target)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Path, "rename", rename_or_die)
        # A killed process tidies nothing up.
        patch.setattr(files.shutil, "rmtree", lambda folder: None)
        fill(tmp_path, "c.png", "d.png")
    assert (tmp_path / LAST).exists() or was_replacing(tmp_path, LAST)
    fill(tmp_path, "e.png")
    assert names(tmp_path) == [LAST, "e.png"]


def test_a_kill_while_old_contents_are_deleted_leaves_the_new_ones(tmp_path, monkeypatch):
    def die(folder: Path) -> None:
        raise Killed

    fill(tmp_path, "a.png")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(shutil, "rmtree", die)
        fill(tmp_path, "b.png")
    assert [path.name for path in visible(tmp_path)] == ["b.png"]
    assert (tmp_path / LAST).exists()
