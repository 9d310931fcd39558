import math

import numpy as np
import pandas as pd
import pytest

from steel_defects.evaluation.model_comparison import out_of_fold_row, segmentation_rows

# Four rows, five columns; "1 4" is the first column, "1 8" the first two.
SHEETS = pd.DataFrame({"sheet_id": list("abcd"), "group_id": list("0123"), "width": 5, "height": 4})
TRUTH = pd.DataFrame(
    {"sheet_id": ["a", "b"], "class_id": 1, "rle": ["1 4", "1 8"], "area_px": [4, 8]}
)


def predictions(masks: dict[str, str], repeat: int = 0) -> pd.DataFrame:
    """Sheets a and c are in fold 0, b and d in fold 1."""
    folds = {"a": 0, "c": 0, "b": 1, "d": 1}
    rows = [(s, repeat, folds[s], 1, rle, 0.5) for s, rle in masks.items()]
    columns = ["sheet_id", "repeat", "fold", "class_id", "rle", "score"]
    return pd.DataFrame(rows, columns=columns).astype({"repeat": "Int64", "fold": "Int64"})


FIRST = predictions({"a": "1 4", "b": "5 8", "c": "20 1", "d": ""})  # Dice 1, 0.5, 0, 1
SECOND = predictions({"a": "1 8", "b": "1 8", "c": "", "d": ""}, repeat=1)  # 2/3, 1, 1, 1


def test_masks_of_cleared_sheets_are_empty_behind_the_gate():
    row, classes = segmentation_rows(FIRST, TRUTH, SHEETS, {"a", "c"})
    assert row["sheets"] == 4
    assert row["mean_dice"] == pytest.approx(2.5 / 4)
    assert row["all_empty_dice"] == pytest.approx(0.5)
    # Behind the gate a is missed, and the stray pixel of c is gone.
    assert row["mean_dice_gated"] == pytest.approx((0 + 0.5 + 1 + 1) / 4)
    assert classes["mean_dice"].tolist() == pytest.approx([2.5 / 4])
    open_gate, _ = segmentation_rows(FIRST, TRUTH, SHEETS, set())
    assert open_gate["mean_dice_gated"] == open_gate["mean_dice"]


def test_both_kinds_of_rows_pool_the_pixels_of_their_sheets():
    row, _ = segmentation_rows(FIRST, TRUTH, SHEETS, {"a", "c"})  # the gate has no part in it
    # On a 4 pixels are right, on b 4 of 8 and 4 false alarms, on c there is one false alarm.
    assert row["pooled_mean_iou"] == pytest.approx(8 / (12 + 13 - 8))
    assert row["pooled_mean_dice"] == pytest.approx(16 / (12 + 13))
    both = pd.concat([FIRST, SECOND], ignore_index=True)
    row = out_of_fold_row(both, TRUTH, SHEETS, {0: set(), 1: set()})
    assert row["pooled_mean_iou"] == pytest.approx((8 / 17 + 12 / 16) / 2)
    assert row["pooled_mean_iou_low"] < row["pooled_mean_iou"] < row["pooled_mean_iou_high"]


def test_the_spread_is_the_standard_error_over_folds():
    row = out_of_fold_row(FIRST, TRUTH, SHEETS, {0: set()})
    folds = np.array([0.5, 0.75])  # of a and c, and of b and d
    assert (row["sheets"], row["folds"]) == (4, 2)
    assert row["mean_dice"] == pytest.approx(folds.mean())
    assert row["mean_dice_error"] == pytest.approx(folds.std(ddof=1) / math.sqrt(2))
    ious = np.array([0.5, (1 / 3 + 1) / 2])
    assert row["mean_iou_error"] == pytest.approx(ious.std(ddof=1) / math.sqrt(2))
    assert row["dice_on_positives_error"] == pytest.approx(0.25)


def test_repeats_are_averaged_and_each_has_its_own_gate():
    both = pd.concat([FIRST, SECOND], ignore_index=True)
    row = out_of_fold_row(both, TRUTH, SHEETS, {0: {"a", "c"}, 1: {"b"}})
    assert row["sheets"] == 4
    assert row["mean_dice"] == pytest.approx((2.5 / 4 + (2 / 3 + 3) / 4) / 2)
    assert row["mean_dice_gated"] == pytest.approx((2.5 / 4 + (2 / 3 + 0 + 2) / 4) / 2)
    errors = [out_of_fold_row(one, TRUTH, SHEETS, {}) for one in (FIRST, SECOND)]
    assert row["mean_dice_error"] == pytest.approx(np.mean([e["mean_dice_error"] for e in errors]))


def test_without_scores_of_a_gate_in_every_repeat_nothing_is_said_of_it():
    both = pd.concat([FIRST, SECOND], ignore_index=True)
    row = out_of_fold_row(both, TRUTH, SHEETS, {0: set()})
    assert math.isnan(row["mean_dice_gated"])
    assert row["mean_dice"] > 0


def test_one_fold_has_no_spread():
    row = out_of_fold_row(FIRST[FIRST["fold"] == 0], TRUTH, SHEETS, {0: set()})
    assert row["folds"] == 1
    assert math.isnan(row["mean_dice_error"])
