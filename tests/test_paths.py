import os
from itertools import combinations

import pytest

from steel_defects.paths import flat_name, jpeg_name, names_shown_as, shown_name


def test_plain_paths_keep_readable_names():
    assert flat_name("0002cc93b.jpg") == "0002cc93b.jpg"
    assert flat_name("coil_1/2.jpg") == "coil_1__2.jpg"
    assert flat_name("/mill/coil/2.jpg") == "mill__coil__2.jpg"


def test_no_two_paths_have_one_name():
    paths = ["a/b.jpg", "a__b.jpg", "a_/b.jpg", "a/_b.jpg", "a___b.jpg", "a/b/c.jpg", "a/b__c.jpg"]
    assert all(flat_name(one) != flat_name(two) for one, two in combinations(paths, 2))


@pytest.mark.parametrize("path", ["x" * 246 + ".jpg", "/".join(["ä" * 40] * 6) + "/1.jpg"])
def test_long_paths_have_names_that_file_systems_take(path, tmp_path):
    name = f"false_alarm_{flat_name(path)}.jpg"
    (tmp_path / name).write_bytes(b"")
    assert flat_name(path) != flat_name("y" + path[1:])


def test_endings_of_pictures_are_not_doubled_and_no_two_sheets_share_one():
    assert jpeg_name("a.jpg") == "a.jpg" and jpeg_name("coil/b.JPEG") == "coil__b.JPEG"
    assert jpeg_name("a.png") == "a.png.jpg"
    bases = ["a", "a.png", "a.jpg", "b__a", "b/a", "a.tif#2"]
    sheets = [f"{base}{ending}" for base in bases for ending in (".jpg", ".png", ".jpeg", ".jpg#2")]
    # What might be taken for the name of another sheet's picture.
    sheets += [f"{flat_name(sheet)}.jpg" for sheet in sheets]
    assert len({jpeg_name(sheet) for sheet in set(sheets)}) == len(set(sheets))


@pytest.mark.parametrize(
    "raw", [b"caf\xe9.png", b"a\tb\n\x1b\x7f.png", b"a\xe9/b\x80.png", "a\x85\x9f.png".encode()]
)
def test_names_are_found_by_how_they_are_shown(raw):
    name = os.fsdecode(raw)
    assert name in names_shown_as(shown_name(name))


@pytest.mark.parametrize(
    "shown", ["plain.png", "a\\b.png", "a\\x41.png", "a\\x00.png", "a\\xc3\\xa9.png"]
)
def test_texts_that_are_names_themselves(shown):
    assert names_shown_as(shown) == []
