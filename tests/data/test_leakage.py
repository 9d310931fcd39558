import numpy as np
import pandas as pd
import pytest

from steel_defects.data.config import SampleDataConfig
from steel_defects.data.inventory import fingerprint
from steel_defects.data.leakage import (
    find_neighbours,
    leakage_table,
    lookup_baseline,
)
from steel_defects.data.synthetic import draw_sheet
from steel_defects.images.orientations import oriented
from steel_defects.labels import rle
from steel_defects.tables.declared import LEAKAGE


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """Eight sheets, and turned copies of the first four."""
    config = SampleDataConfig(seed=4, sheets=8, new_sheets=1)
    sheets = [draw_sheet(config, k).image for k in range(8)]
    return sheets + [np.ascontiguousarray(oriented(sheets[k], k)) for k in range(4)]


PARTS = ["train"] * 8 + ["test", "test", "validation", "calibration"]


def inventory_of(pictures: list[np.ndarray]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sheet_id": [f"{k}.jpg" for k in range(len(pictures))],
            "path": [str(k) for k in range(len(pictures))],
            "height": [picture.shape[0] for picture in pictures],
            "width": [picture.shape[1] for picture in pictures],
            "fingerprint": [fingerprint(picture).tobytes() for picture in pictures],
        }
    )


def masks_of(pictures: list[np.ndarray]) -> dict[str, dict[int, str]]:
    """A mark of class 2 in a corner of every sheet, turned with the picture."""
    mark = np.zeros((256, 1600), np.uint8)
    mark[10:90, 20:400] = 1
    turns = [0] * 8 + [0, 1, 2, 3]
    return {f"{k}.jpg": {2: rle.encode(oriented(mark, turn))} for k, turn in enumerate(turns)}


def test_the_nearest_training_sheet_and_its_orientation_are_found(pictures):
    found = find_neighbours(inventory_of(pictures), PARTS, "test")
    assert found.sheet.tolist() == [8, 9]
    assert found.nearest.tolist() == [0, 1]
    assert found.orientation.tolist() == [0, 1]
    assert found.similarity.min() > 0.99


def test_leaks_are_counted(pictures):
    without = [
        "train",
        "train",
        *["validation"] * 2,
        *["train"] * 4,
        "train",
        "train",
        *["test"] * 2,
    ]
    table = leakage_table(
        inventory_of(pictures),
        {"leaking": PARTS, "sound": without[:8] + ["train", "train", "validation", "validation"]},
        lambda path: pictures[int(path)],
    )
    assert list(table.columns) == list(LEAKAGE.columns)
    counts = table.set_index(["division", "split"])[["sheets", "copies"]].to_dict("index")
    assert counts == {
        ("leaking", "validation"): {"sheets": 1, "copies": 1},
        ("leaking", "calibration"): {"sheets": 1, "copies": 1},
        ("leaking", "test"): {"sheets": 2, "copies": 2},
        ("sound", "validation"): {"sheets": 4, "copies": 0},
    }
    highest = table.set_index("division")["similarity_max"]
    assert highest["leaking"].min() > 0.99
    assert highest["sound"] < 0.8


def test_a_lookup_scores_fully_where_copies_leak(pictures):
    scores = lookup_baseline(inventory_of(pictures), masks_of(pictures), PARTS, classes=3)
    assert scores == {"sheets": 2, "mean_dice": 1.0, "mean_iou": 1.0, "all_empty_dice": 0.6667}


def test_a_lookup_fails_where_the_masks_differ(pictures):
    masks = masks_of(pictures)
    masks["8.jpg"] = {1: "1 5"}
    scores = lookup_baseline(inventory_of(pictures), masks, PARTS, classes=2)
    # Sheet 8 scores 0 for both classes, sheet 9 scores 1.
    assert (scores["mean_dice"], scores["mean_iou"]) == (0.5, 0.5)
    assert scores["all_empty_dice"] == 0.5


def test_masks_of_sheets_of_other_sizes_are_fitted(pictures):
    small = [np.ascontiguousarray(picture[::2, ::2]) for picture in pictures[:8]]
    inventory = inventory_of(small + pictures[8:])
    mark = np.zeros((128, 800), np.uint8)
    mark[5:45, 10:200] = 1
    masks = masks_of(pictures) | {f"{k}.jpg": {2: rle.encode(mark)} for k in range(8)}
    scores = lookup_baseline(inventory, masks, PARTS, classes=2)
    assert scores["mean_dice"] > 0.99


def test_standing_copies_are_looked_up_too(pictures):
    standing = np.ascontiguousarray(np.rot90(pictures[5]))
    mark = rle.decode(masks_of(pictures)["5.jpg"][2], 256, 1600)
    masks = masks_of(pictures) | {"8.jpg": {2: rle.encode(np.rot90(mark))}}
    inventory = inventory_of([*pictures[:8], standing])
    assert lookup_baseline(inventory, masks, PARTS[:9], classes=2)["mean_dice"] == 1.0


@pytest.mark.parametrize("part", ["train", "test"])
def test_without_both_sides_there_is_nothing_to_look_up(pictures, part):
    inventory = inventory_of(pictures[:3])
    assert lookup_baseline(inventory, {}, [part] * 3, 2) == {
        "sheets": 0, "mean_dice": None, "mean_iou": None, "all_empty_dice": None,
    }  # fmt: skip
    table = leakage_table(inventory, {"one": [part] * 3}, lambda path: pictures[int(path)])
    assert table.empty
    assert list(table.columns) == list(LEAKAGE.columns)
