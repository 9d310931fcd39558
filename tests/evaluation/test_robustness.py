import numpy as np
import pandas as pd
import pytest

from steel_defects.evaluation.robustness import (
    LEVELS,
    choose_for_robustness,
    corrupt,
    robustness_row,
    shifted,
)

IMAGE = np.random.default_rng(0).integers(60, 200, (32, 128)).astype(np.uint8)


@pytest.mark.parametrize("name", LEVELS)
def test_each_level_is_worse_than_the_one_before(name):
    assert corrupt(IMAGE, name, 0) is IMAGE
    worse = [corrupt(IMAGE, name, level) for level in range(1, 6)]
    assert all(picture.shape == IMAGE.shape and picture.dtype == np.uint8 for picture in worse)
    apart = [np.abs(picture.astype(float) - IMAGE).mean() for picture in worse]
    assert apart[0] > 0
    if name != "shift":
        assert apart == sorted(apart)


def test_a_mask_moves_with_its_picture():
    mask = np.zeros((4, 64), np.uint8)
    mask[1, 20] = 1
    assert np.argwhere(shifted(mask, 1)).tolist() == [[1, 24]]
    assert (corrupt(mask, "shift", 2) == shifted(mask, 2)).all()


def test_half_of_the_chosen_are_defective():
    sheets = pd.DataFrame({"sheet_id": list("abcdefgh"), "has_defect": [True] * 2 + [False] * 6})
    assert choose_for_robustness(sheets, 4, 0)["has_defect"].sum() == 2
    assert len(choose_for_robustness(sheets, 99, 0)) == 8
    assert len(choose_for_robustness(sheets, 0, 0)) == 0


def test_figures_of_a_level():
    pairs = pd.DataFrame(
        {"sheet_id": ["a", "b"], "class_id": 1, "dice": [0.5, 1.0], "iou": 0.0, "true_px": [9, 0],
         "boundary_iou": 0.0, "boundary_f1": 0.0, "predicted_px": [9, 0]}
    )  # fmt: skip
    labels = np.array([True, False])
    row = robustness_row("blur", 2, labels, np.array([True, True]), pairs)
    assert row["strength"] == 1 and row["accuracy"] == 0.5 and row["recall"] == 1
    assert row["mean_dice"] == 0.75 and row["dice_on_positives"] == 0.5
    assert np.isnan(robustness_row("blur", 0, labels, None, pairs)["accuracy"])
