import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.inspection.frames import read_frame
from steel_defects.inspection.sources import FolderSource, ListSource, SheetFile, open_source
from steel_defects.inspection.store.listing import write_list
from steel_defects.inspection.store.names import NameSet
from steel_defects.paths import natural_order

NAMES = [
    "b.png", "a/2.JPG", "a/1.bmp", "a-b/1.tif", "a.png", "a/deep/er/x.tiff", "ä.png", "z/1.jpeg",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path) -> Path:
    for level, name in enumerate(NAMES):
        path = tmp_path / "sheets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.full((6, 9), 100 + level, np.uint8)
        path.write_bytes(cv2.imencode(path.suffix.lower(), image)[1].tobytes())
    (tmp_path / "sheets" / "notes.txt").write_text("not a picture", encoding="utf-8")
    (tmp_path / "sheets" / "empty").mkdir()
    (tmp_path / "sheets" / "round").symlink_to(tmp_path / "sheets")
    with open(os.fsencode(tmp_path) + b"/sheets/a/caf\xe9.png", "wb") as file:
        file.write(b"")
    return tmp_path / "sheets"


def test_a_folder_is_listed_in_natural_order(folder):
    for name in (
        "f_9999.png",
        "f_10000.png",
        "f_010.png",
        "a/10.bmp",
        "coil 9/1.png",
        "coil 10/1.png",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    listed = [file.sheet_id for file in FolderSource(folder).list_files()]
    assert listed == sorted(SheetFolder(folder).sheet_ids, key=natural_order)
    numbered = [name for name in listed if name[:2] in ("a/", "co", "f_") and "caf" not in name]
    assert numbered == [
        "a/1.bmp", "a/2.JPG", "a/10.bmp", "a/deep/er/x.tiff",
        "coil 9/1.png", "coil 10/1.png", "f_010.png", "f_9999.png", "f_10000.png",
    ]  # fmt: skip
    assert set(NAMES) < set(listed)


def test_every_format_is_read(folder):
    source = FolderSource(folder)
    for level, name in enumerate(NAMES):
        frame = read_frame(source.read_file, name)
        assert frame.problem == ""
        assert abs(int(frame.image[0, 0]) - 100 - level) <= 1
    odd = read_frame(source.read_file, "a/caf\\xe9.png")
    assert odd.problem == "unreadable: name of the file is not plain text in UTF-8"


def test_a_list_keeps_its_order(folder, tmp_path):
    lines = ["# night shift", "b.png", "", f"{folder}/a/1.bmp", "./a/2.JPG", "b.png", "gone.png"]
    (folder / "list.txt").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    source = open_source(folder / "list.txt")
    assert isinstance(source, ListSource)
    files = list(source.list_files())
    assert [f.sheet_id for f in files] == ["b.png", f"{folder}/a/1.bmp", "a/2.JPG", "gone.png"]
    assert [f.size > 0 for f in files] == [True, True, True, False]
    frames = [read_frame(source.read_file, f.sheet_id) for f in files]
    assert [f.problem for f in frames][:3] == [""] * 3
    assert frames[3].problem == "unreadable: cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("list.txt", b"a.png\n\xff\xfe\n", "is no list of paths in UTF-8"),
        ("list.txt", b"a.png\n\0\n", "is no list of paths, it is binary"),
        ("list.txt", b"a.png\n" + b"b" * 70_000, "a line is longer than 65,536 characters"),
        ("sheet.png", b"", "is a picture; give its folder, or a list of paths"),
        ("", b"", "there is neither a folder nor a list of paths at"),
    ],
)
def test_what_is_no_list(tmp_path, name, content, message):
    if name:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SteelDefectsError, match=message):
        list(open_source(tmp_path / (name or "nothing")).list_files())


def test_a_pipe_in_a_list_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    source = ListSource(tmp_path / "list.txt")
    assert read_frame(source.read_file, "pipe.png").problem == "unreadable: not a regular file"


@pytest.mark.parametrize(("sheets", "size", "shards"), [(10, 3, 1), (10, 3, 4), (7, 100, 3)])
def test_parts_of_a_list(tmp_path, sheets, size, shards):
    ids = [f"{n}.png" for n in range(sheets)]
    listing = write_list((SheetFile(name, 1, 2) for name in ids), tmp_path)
    listing.divide(size, shards)
    shares = [listing.share(shard, shards) for shard in range(1, shards + 1)]
    assert [part for share in shares for part in share] == list(range(listing.parts))
    assert [name for part in range(listing.parts) for name in listing.ids(part)] == ids
    assert max(len(listing.ids(part)) for part in range(listing.parts)) <= size
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_list_s_digest_tells_changed_files(tmp_path):
    def digest(*files: SheetFile) -> str:
        return write_list(files, tmp_path).digest

    first = digest(SheetFile("a", 1, 2), SheetFile("b", 1, 2))
    assert first == digest(SheetFile("a", 1, 2), SheetFile("b", 1, 2))
    others = [
        digest(SheetFile("a", 1, 2)),
        digest(SheetFile("b", 1, 2), SheetFile("a", 1, 2)),
        digest(SheetFile("a", 1, 2), SheetFile("b", 9, 2)),
        digest(SheetFile("a", 1, 2), SheetFile("b", 1, 9)),
    ]
    assert first not in others
    assert len(set(others)) == 4


def test_a_set_of_names():
    names = NameSet()
    for number in range(12_000):
        assert str(number) not in names
        names.add(str(number))
        names.add(str(number))
    assert names.unknown([str(n) for n in range(11_990, 12_005)]) == [
        "12000", "12001", "12002", "12003", "12004"
    ]  # fmt: skip
    assert names.unknown([]) == []


def test_links_that_lead_nowhere_are_sheets_with_a_problem(folder):
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "file.png").symlink_to("a.png/x")
    (folder / "long.png").symlink_to("x" * 300)
    source = FolderSource(folder)
    listed = {file.sheet_id for file in source.list_files()}
    for name in ("loop.png", "file.png", "long.png"):
        assert name in listed
        assert read_frame(source.read_file, name).problem


def test_a_line_that_no_file_can_have_for_a_name_is_a_sheet_with_a_problem(tmp_path):
    (tmp_path / "list.txt").write_text("x" * 300 + ".png\n", encoding="utf-8")
    source = ListSource(tmp_path / "list.txt")
    (file,) = source.list_files()
    assert read_frame(source.read_file, file.sheet_id).problem


def test_what_lies_beside_a_folder_of_pictures_is_not_left_out_in_silence(tmp_path, caplog):
    for name in ("train_images", "test_images"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(b"")
    source = open_source(tmp_path)
    assert [file.sheet_id for file in source.list_files()] == ["a.png"]
    assert (
        "only train_images/ is inspected, not what is next to it, such as test_images/"
        in caplog.text
    )
    caplog.clear()
    open_source(tmp_path / "test_images")
    assert not caplog.text
