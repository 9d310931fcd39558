import math

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from steel_defects.evaluation.segmentation import (
    class_metrics,
    pair_metrics,
    pair_table,
    segmentation_metrics,
)
from steel_defects.labels import rle
from steel_defects.labels.rle import dice, iou


@pytest.mark.parametrize(
    ("intersection", "truth", "predicted", "expected_dice", "expected_iou"),
    [
        (0, 0, 0, 1.0, 1.0),  # both empty
        (0, 0, 1, 0.0, 0.0),  # one stray pixel
        (0, 9, 0, 0.0, 0.0),  # missed
        (0, 4, 4, 0.0, 0.0),  # apart
        (2, 4, 4, 0.5, 1 / 3),  # half of each
        (4, 4, 8, 2 / 3, 0.5),  # twice as large
        (7, 7, 7, 1.0, 1.0),  # equal
    ],
)
def test_dice_and_iou_from_areas(intersection, truth, predicted, expected_dice, expected_iou):
    assert dice(intersection, truth, predicted) == pytest.approx(expected_dice)
    assert iou(intersection, truth, predicted) == pytest.approx(expected_iou)


# Four rows, five columns: a column is four pixels, "1 4" the first column, "1 8" the first two.
SIZE = (4, 5)


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [
        ("", "", (1.0, 1.0, 1.0, 1.0, 0, 0)),
        ("", "7 1", (0.0, 0.0, 0.0, 0.0, 0, 1)),
        ("1 4", "", (0.0, 0.0, 0.0, 0.0, 4, 0)),
        ("1 4", "1 4", (1.0, 1.0, 1.0, 1.0, 4, 4)),
        ("1 4", "1 8", (2 / 3, 0.5, 0.5, 1.0, 4, 8)),  # all outline: its IoU is the masks'
        ("1 8", "5 8", (0.5, 1 / 3, 1 / 3, 1.0, 8, 8)),
        ("1 4", "17 4", (0.0, 0.0, 0.0, 0.0, 4, 4)),
    ],
)
def test_a_pair_of_masks(truth, predicted, expected):
    names = ("dice", "iou", "boundary_iou", "boundary_f1", "true_px", "predicted_px")
    assert pair_metrics(truth, predicted, *SIZE) == pytest.approx(
        dict(zip(names, expected, strict=True))
    )


def test_the_outline_alone_counts_in_boundary_iou():
    truth = np.zeros((60, 60), np.uint8)
    truth[10:50, 10:50] = 1
    hollow = truth.copy()
    hollow[20:40, 20:40] = 0
    result = pair_metrics(rle.encode(truth), rle.encode(hollow), 60, 60)
    # The outline is 2 pixels wide (2 % of 84.85): 40² - 36² of the square, and 24² - 20² around
    # the hole besides.
    assert result["boundary_iou"] == pytest.approx(304 / (304 + 176))
    assert result["dice"] == pytest.approx(2 * 1200 / 2800)


@pytest.fixture
def pairs() -> pd.DataFrame:
    """Three sheets (one clean) and two classes.

    a, class 1: exact; a, class 2: none and none found; b, class 1: missed; b, class 2: half found;
    c: class 2 found where nothing is.
    """
    sheets = pd.DataFrame({"sheet_id": ["a", "b", "c"], "width": 5, "height": 4})
    annotations = pd.DataFrame(
        {"sheet_id": ["a", "b", "b"], "class_id": [1, 1, 2], "rle": ["1 4", "1 4", "1 8"]}
    )
    predictions = pd.DataFrame(
        {
            "sheet_id": ["a", "a", "b", "b", "c", "c"],
            "class_id": [1, 2, 1, 2, 1, 2],
            "rle": ["1 4", "", "", "5 8", "", "20 1"],
        }
    )
    return pair_table(predictions, annotations, sheets)


def test_every_predicted_pair_is_compared(pairs):
    assert pairs["sheet_id"].tolist() == ["a", "a", "b", "b", "c", "c"]
    assert pairs["class_id"].tolist() == [1, 2, 1, 2, 1, 2]
    assert pairs["dice"].tolist() == [1.0, 1.0, 0.0, 0.5, 1.0, 0.0]
    assert pairs["iou"].tolist() == pytest.approx([1.0, 1.0, 0.0, 1 / 3, 1.0, 0.0])
    assert pairs["true_px"].tolist() == [4, 0, 4, 8, 0, 0]
    assert pairs["predicted_px"].tolist() == [4, 0, 0, 8, 0, 1]


def test_sheets_of_different_sizes_are_decoded_in_their_own():
    sheets = pd.DataFrame({"sheet_id": ["a", "b"], "width": [5, 2], "height": [4, 3]})
    predictions = pd.DataFrame({"sheet_id": ["a", "b"], "class_id": 1, "rle": ["17 4", "6 1"]})
    table = pair_table(predictions, predictions, sheets)
    assert table["dice"].tolist() == [1.0, 1.0]


def test_summary_by_hand(pairs):
    assert segmentation_metrics(pairs) == pytest.approx(
        {
            "sheets": 3,
            "mean_dice": 3.5 / 6,
            "mean_iou": (3 + 1 / 3) / 6,
            "dice_on_positives": 1.5 / 3,
            "iou_on_positives": (1 + 1 / 3) / 3,
            "boundary_iou_on_positives": (1 + 1 / 3) / 3,
            "boundary_f1_on_positives": 2 / 3,
            "detection_rate": 2 / 3,
            "false_positive_rate": 1.0,  # one clean sheet, c, and it has a stray pixel
        }
    )


def test_summary_by_class_by_hand(pairs):
    first, second = class_metrics(pairs).to_dict("records")
    assert first == pytest.approx(
        {
            "class_id": 1,
            "positives": 2,
            "mean_dice": 2 / 3,
            "mean_iou": 2 / 3,
            "dice_on_positives": 0.5,
            "boundary_iou_on_positives": 0.5,
            "boundary_f1_on_positives": 0.5,
            "detection_rate": 0.5,
            "false_positive_rate": 0.0,
        }
    )
    assert second == pytest.approx(
        {
            "class_id": 2,
            "positives": 1,
            "mean_dice": 0.5,
            "mean_iou": (1 + 1 / 3 + 0) / 3,
            "dice_on_positives": 0.5,
            "boundary_iou_on_positives": 1 / 3,
            "boundary_f1_on_positives": 1.0,
            "detection_rate": 1.0,
            "false_positive_rate": 0.5,  # of a and c
        }
    )


def test_a_model_that_finds_nothing_scores_high_on_the_mean_and_zero_on_positives(pairs):
    nothing = pairs[["sheet_id", "class_id"]].assign(rle="")
    truth = pd.DataFrame({"sheet_id": ["b"], "class_id": [2], "rle": ["1 8"]})
    sheets = pd.DataFrame({"sheet_id": ["a", "b", "c"], "width": 5, "height": 4})
    summary = segmentation_metrics(pair_table(nothing, truth, sheets))
    assert summary["mean_dice"] == pytest.approx(5 / 6)
    assert summary["dice_on_positives"] == summary["detection_rate"] == 0
    assert summary["false_positive_rate"] == 0


def test_what_cannot_be_averaged_is_nan(pairs):
    clean = segmentation_metrics(pairs[pairs["sheet_id"] == "c"])
    assert math.isnan(clean["dice_on_positives"])
    assert math.isnan(clean["detection_rate"])
    defective = segmentation_metrics(pairs[pairs["sheet_id"] == "a"])
    assert math.isnan(defective["false_positive_rate"])


def test_no_pairs_at_all_give_nan_and_an_empty_table():
    nothing = pd.DataFrame({"sheet_id": [], "class_id": [], "rle": []})
    sheets = pd.DataFrame({"sheet_id": ["a"], "width": 5, "height": 4})
    empty = pair_table(nothing, nothing, sheets)
    summary = segmentation_metrics(empty)
    assert summary.pop("sheets") == 0
    assert all(math.isnan(value) for value in summary.values())
    assert len(class_metrics(empty)) == 0
    assert "dice_on_positives" in class_metrics(empty)


def test_the_summary_agrees_with_a_computation_pixel_by_pixel_and_with_scikit_learn():
    rng = np.random.default_rng(5)
    sizes = {f"{k}.jpg": (int(rng.integers(20, 60)), int(rng.integers(20, 60))) for k in range(12)}
    rows, dices, ious, positives = [], [], [], []
    for sheet_id, size in sizes.items():
        for class_id in (1, 2, 3):
            field = cv2.GaussianBlur(rng.normal(0, 1, size), (0, 0), 3) / 0.15
            first, second = (field > rng.choice([0.5, 1.0, 99]) for _ in range(2))
            rows.append(
                (sheet_id, class_id, *(rle.encode(m.astype(np.uint8)) for m in (first, second)))
            )
            both, either = np.logical_and(first, second).sum(), np.logical_or(first, second).sum()
            f1 = metrics.f1_score(first.ravel(), second.ravel(), zero_division=1.0)
            dices.append(f1)
            ious.append(both / either if either else 1.0)
            if first.any():
                positives.append(f1)
    table = pd.DataFrame(rows, columns=["sheet_id", "class_id", "truth", "rle"])
    sheets = pd.DataFrame(
        [(k, *size) for k, size in sizes.items()], columns=["sheet_id", "height", "width"]
    )
    truth = table[table["truth"] != ""].assign(rle=table["truth"])
    summary = segmentation_metrics(pair_table(table, truth, sheets))
    assert summary["mean_dice"] == pytest.approx(np.mean(dices), abs=1e-6)
    assert summary["mean_iou"] == pytest.approx(np.mean(ious), abs=1e-6)
    assert summary["dice_on_positives"] == pytest.approx(np.mean(positives), abs=1e-6)
    assert len({round(value, 6) for value in dices}) > 10, "the example should matter"
