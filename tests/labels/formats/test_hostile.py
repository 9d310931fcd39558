"""Files that tools, scripts or people broke: cut and told, dropped and told, or refused by name."""

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from steel_defects.errors import SteelDefectsError
from steel_defects.labels import rle
from steel_defects.labels.drawn import Classes, Sheets, masks_of
from steel_defects.labels.formats.coco import Runs, decode
from steel_defects.labels.formats.recognise import READERS, LabelFolder, recognise
from steel_defects.labels.masks import Masks

NAMES = ("scratch", "pit")
HEIGHT, WIDTH = 40, 60
SHEETS = Sheets(
    {"a.png": "images/a.png", "b.png": "images/b.png", "c.png": "images/c.png"},
    dict.fromkeys(["a.png", "b.png", "c.png"], (HEIGHT, WIDTH)),
)
SQUARE = [5.0, 5, 25, 5, 25, 25, 5, 25]


def sound() -> dict[str, Any]:
    """Three pictures, of which ``c.png`` is clean."""
    images = [{"id": n, "file_name": f"{name}.png", "width": WIDTH, "height": HEIGHT}
              for n, name in enumerate("abc")]  # fmt: skip
    categories = [
        {"id": 0, "name": "defects"},
        {"id": 1, "name": "pit"},
        {"id": 2, "name": "scratch"},
    ]
    annotations = [
        {"id": 1, "image_id": 0, "category_id": 2, "segmentation": [SQUARE], "area": 400},
        {"id": 2, "image_id": 1, "category_id": 1, "segmentation": [SQUARE], "area": 400},
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def read(root: Path, content: Any, mapped: dict[str, str | None] | None = None) -> Masks:
    (root / "labels.json").write_text(json.dumps(content), encoding="utf-8")
    found = recognise(LabelFolder(root))
    return masks_of(READERS[found.kind](root, found.files), SHEETS, Classes(NAMES, mapped or {}))


def classes_of(masks: Masks) -> dict[str, list[int]]:
    return masks.table.groupby("sheet_id")["class_id"].apply(list).to_dict()


def aside(masks: Masks) -> set[str]:
    return {finding.sheet_id for finding in masks.findings if finding.set_aside}


def test_names_of_classes_decide_and_a_listed_picture_is_finished(tmp_path):
    masks = read(tmp_path, sound())
    assert classes_of(masks) == {"a.png": [1], "b.png": [2]}
    assert masks.table["area_px"].tolist() == [400, 400]
    assert masks.findings == []
    assert masks.unlabelled == set()


def test_a_picture_that_no_file_lists_is_not_clean(tmp_path):
    content = sound()
    del content["images"][2]
    masks = read(tmp_path, content)
    assert masks.unlabelled == {"c.png"} == aside(masks)
    assert "not labelled" in masks.findings[0].reason


# What is done to a sound file; the sheets that are set aside, and a word of what is told.
DAMAGES = {
    "points outside": (lambda c: c["annotations"][0]["segmentation"][0].__setitem__(0, -9.0), set(),
                       "reaches out"),
    "two points": (lambda c: c["annotations"][0].update(segmentation=[SQUARE[:4]]), {"a.png"},
                   "2 corners"),
    "outside altogether": (lambda c: c["annotations"][0].update(
        segmentation=[[70, 5, 90, 5, 90, 20]]), {"a.png"}, "covers no pixel"),
    "far outside": (lambda c: c["annotations"][0].update(segmentation=[[*SQUARE[:6], 1e7, 5]]),
                    {"a.png"}, "far outside"),
    "an empty segmentation": (lambda c: c["annotations"][0].update(segmentation=[]), {"a.png"},
                              "box"),
    "no segmentation": (lambda c: c["annotations"][0].pop("segmentation"), {"a.png"}, "box"),
    "sides swapped": (lambda c: c["images"][0].update(width=HEIGHT, height=WIDTH), {"a.png"},
                      "labels for 40×60 of a picture of 60×40"),
    "another size": (lambda c: c["images"][0].update(width=2 * WIDTH), {"a.png"}, "labels for"),
    "a picture twice": (lambda c: c["images"].append({**c["images"][0], "id": 7}), {"a.png"},
                        "two labels for one picture"),
    "a missing picture": (lambda c: c["images"].append({**c["images"][0], "id": 7,
                                                        "file_name": "other.png"}), set(),
                          "1 label names no picture"),
    "an ending lost": (lambda c: c["images"][0].update(file_name="a"), {"a.png"}, "the ending"),
    "a picture that is not listed": (lambda c: c["annotations"][0].update(image_id=9),
                                     {"a.png", "c.png"}, "does not list"),
    "a number of an annotation twice": (lambda c: c["annotations"][0].update(id=2), set(), ""),
    "runs that do not fill it": (lambda c: c["annotations"][0].update(
        segmentation={"size": [HEIGHT, WIDTH], "counts": [5, 5]}), {"a.png"}, "do not fill"),
    "runs of another size": (lambda c: c["annotations"][0].update(
        segmentation={"size": [10, 90], "counts": [0, 900]}), {"a.png"}, "a mask of 90×10"),
    "runs packed by nobody": (lambda c: c["annotations"][0].update(
        segmentation={"size": [HEIGHT, WIDTH], "counts": "zzz~~~"}), {"a.png"}, "packed"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_and_no_sheet_becomes_clean(tmp_path, damage):
    change, expected, word = DAMAGES[damage]
    content = sound()
    change(content)
    masks = read(tmp_path, content)
    assert aside(masks) == expected
    assert any(word in finding.reason for finding in masks.findings) or not word
    assert set(classes_of(masks)) | aside(masks) >= {"a.png", "b.png"}


REFUSED = {
    "a picture's number twice": (lambda c: c["images"][1].update(id=0), "the id 0"),
    "a class's number twice": (lambda c: c["categories"][1].update(id=2), "the id 2"),
    "an unknown category": (lambda c: c["annotations"][0].update(category_id=9), "category 9"),
    "a class that is none of ours": (lambda c: c["categories"][2].update(name="Kratzer"),
                                     "class Kratzer"),
    "text for a number": (lambda c: c["annotations"][0].update(segmentation=[["x"] * 6]),
                          "segmentation"),
    "not a number": (lambda c: c["annotations"][0].update(segmentation=[[float("nan")] * 6]),
                     "segmentation"),
    "no file names": (lambda c: c["images"][0].pop("file_name"), "file_name"),
}  # fmt: skip


@pytest.mark.parametrize("damage", REFUSED)
def test_what_cannot_be_trusted_is_refused_by_name(tmp_path, damage):
    change, message = REFUSED[damage]
    content = sound()
    change(content)
    with pytest.raises(SteelDefectsError, match=message):
        read(tmp_path, content)


def test_a_class_is_mapped_or_left_out(tmp_path):
    content = sound()
    content["categories"][2]["name"] = "Kratzer"
    assert classes_of(read(tmp_path, content, {"Kratzer": "scratch"})) == {
        "a.png": [1],
        "b.png": [2],
    }
    masks = read(tmp_path, content, {"Kratzer": None})
    assert classes_of(masks) == {"b.png": [2]}
    assert aside(masks) == set()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("crowd", [0, 1])
def test_runs_are_read_whatever_iscrowd_says(tmp_path, packed, crowd):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:30, 10:40], mask[10:20, 20:30] = 1, 0
    runs: dict[str, Any] = coco.encode(np.asfortranarray(mask))
    runs["counts"] = runs["counts"].decode()
    if not packed:
        flat = mask.T.ravel()
        changes = np.flatnonzero(np.diff(flat)) + 1
        runs["counts"] = np.diff([0, *changes, flat.size]).tolist()
    content = sound()
    content["annotations"][0] |= {"segmentation": runs, "iscrowd": crowd}
    masks = read(tmp_path, content)
    [row] = masks.table[masks.table["sheet_id"] == "a.png"]["rle"]
    np.testing.assert_array_equal(rle.decode(row, HEIGHT, WIDTH), mask)


repeatable = settings(derandomize=True, max_examples=150, deadline=None)


@repeatable
@given(st.lists(st.integers(0, 1), min_size=1, max_size=60), st.integers(1, 6))
def test_packed_runs_are_unpacked_as_pycocotools_does(values, height):
    flat = np.array(values * height, np.uint8)
    mask = flat.reshape(height, -1)
    packed = coco.encode(np.asfortranarray(mask))
    runs = Runs(size=mask.shape, counts=packed["counts"].decode())
    np.testing.assert_array_equal(decode(runs), mask)


@repeatable
@given(st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=30))
def test_any_text_is_runs_or_the_projects_error(text):
    with contextlib.suppress(SteelDefectsError):
        assert decode(Runs(size=(5, 7), counts=text)).shape == (5, 7)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just([])


@repeatable
@given(st.data())
def test_any_value_anywhere_ends_in_masks_or_the_projects_error(tmp_path_factory, data):
    content = copy.deepcopy(sound())
    for _ in range(data.draw(st.integers(1, 3))):
        place: Any = content
        while isinstance(place, dict | list) and place:
            keys = sorted(place) if isinstance(place, dict) else range(len(place))
            key = data.draw(st.sampled_from(keys))
            if not isinstance(place[key], dict | list) or data.draw(st.integers(0, 4)) == 0:
                place[key] = data.draw(VALUES)
                break
            place = place[key]
    try:
        masks = read(tmp_path_factory.mktemp("labels"), content)
    except SteelDefectsError as error:
        assert "\n" not in str(error)
    else:
        assert set(masks.table["class_id"]) <= {1, 2}
