import numpy as np
import pandas as pd
import pytest

from steel_defects.data.quality import conflicting_masks
from steel_defects.images.orientations import oriented
from steel_defects.labels import rle
from steel_defects.labels.masks import masks_by_sheet

MASK = np.zeros((20, 30), np.uint8)
MASK[2:9, 3:12] = 1
OTHER = np.zeros((20, 30), np.uint8)
OTHER[12:18, 20:28] = 1
SIZES = {"a": (20, 30), "b": (20, 30)}


def conflicts(masks, orientation=0, relation="copy", score=0.95, sizes=SIZES):
    columns = ["sheet_id", "other_id", "relation", "orientation", "score"]
    similar = pd.DataFrame([("a", "b", relation, orientation, score)], columns=columns)
    return conflicting_masks(similar, masks, sizes)


def test_masks_are_sorted_by_sheet_and_class():
    rows = [("a", 1, "1 2"), ("a", 3, "4 1"), ("b", 1, "9 9")]
    table = pd.DataFrame(rows, columns=["sheet_id", "class_id", "rle"])
    assert masks_by_sheet(table) == {"a": {1: "1 2", 3: "4 1"}, "b": {1: "9 9"}}


@pytest.mark.parametrize("orientation", [0, 1, 2, 3])
def test_masks_that_turn_with_the_picture_agree(orientation):
    turned = oriented(MASK, orientation)
    assert conflicts({"a": {1: rle.encode(MASK)}, "b": {1: rle.encode(turned)}}, orientation) == []


def test_masks_that_did_not_turn_with_the_picture_are_in_conflict():
    both = {"a": {1: rle.encode(MASK)}, "b": {1: rle.encode(MASK)}}
    assert conflicts(both) == []
    (found,) = conflicts(both, orientation=3)
    assert (found["class_id"], found["iou"]) == (1, 0.0)


@pytest.mark.parametrize("relation", ["copy", "same file"])
def test_a_class_that_only_one_copy_has_is_a_conflict(relation):
    masks = {"a": {1: rle.encode(MASK), 2: rle.encode(OTHER)}, "b": {1: rle.encode(MASK)}}
    (found,) = conflicts(masks, relation=relation)
    assert found == {"sheet_id": "a", "other_id": "b", "score": 0.95, "class_id": 2, "iou": 0.0}


def test_a_defective_and_a_clean_copy_are_in_conflict():
    assert len(conflicts({"b": {1: rle.encode(MASK)}})) == 1


@pytest.mark.parametrize(("shift", "expected"), [(1, 0), (6, 1)])
def test_small_differences_are_no_conflict(shift, expected):
    moved = np.roll(MASK, shift, axis=1)
    assert len(conflicts({"a": {1: rle.encode(MASK)}, "b": {1: rle.encode(moved)}})) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"relation": "look-alike", "score": np.nan},
        {"relation": "shared part"},
        {"relation": "different"},
        {"score": 0.6},
        {"sizes": {"a": (20, 30)}},
    ],
    ids=["look-alike", "shared part", "different", "partial copy", "set aside"],
)
def test_only_copies_of_whole_sheets_are_compared(options):
    assert conflicts({"a": {1: rle.encode(MASK)}}, **options) == []
