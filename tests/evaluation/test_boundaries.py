import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from steel_defects.evaluation.segmentation import (
    boundary_f1,
    boundary_iou,
    boundary_width,
    inner_boundary,
)

MASK = arrays(np.uint8, (9, 13), elements=st.integers(0, 1))


def square(x: int, y: int = 10, side: int = 20) -> np.ndarray:
    mask = np.zeros((40, 60), np.uint8)
    mask[y : y + side, x : x + side] = 1
    return mask


def slow_boundary(mask: np.ndarray, width: int) -> np.ndarray:
    """Defective pixels with a clean one, or the picture's end, at most ``width`` steps away."""
    padded = np.pad(mask, width)
    size = 2 * width + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    return mask * (windows.min((2, 3)) == 0)


def slow_iou(truth: np.ndarray, predicted: np.ndarray, width: int) -> float:
    first, second = slow_boundary(truth, width), slow_boundary(predicted, width)
    return (first & second).sum() / (first | second).sum()


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(256, 1600, 32), (200, 200, 6), (3, 4, 1), (1, 1, 1)]
)
def test_width_is_two_percent_of_the_diagonal(height, width, expected):
    assert boundary_width(height, width) == expected


def test_the_boundary_of_a_square_is_a_frame():
    frame = inner_boundary(square(10), width=3)
    assert frame.sum() == 20**2 - 14**2
    assert not frame[13:27, 13:27].any()


def test_the_end_of_the_picture_is_a_boundary_too():
    assert inner_boundary(np.ones((10, 10), np.uint8), width=2).sum() == 100 - 36


@given(MASK, st.integers(1, 5))
@settings(max_examples=50)
def test_the_boundary_equals_a_brute_force_one(mask, width):
    np.testing.assert_array_equal(inner_boundary(mask, width), slow_boundary(mask, width))


def test_identical_masks_agree_fully():
    assert boundary_iou(square(10), square(10), width=2) == 1.0


def test_two_empty_masks_agree_and_one_empty_mask_does_not():
    empty = np.zeros((40, 60), np.uint8)
    assert boundary_iou(empty, empty, width=2) == 1.0
    assert boundary_iou(square(10), empty, width=2) == 0.0
    assert boundary_iou(empty, square(10), width=2) == 0.0


@pytest.mark.parametrize("shift", [1, 2, 5, 12, 30])
def test_a_shifted_square_agrees_as_much_as_brute_force_says(shift):
    result = boundary_iou(square(10), square(10 + shift), width=3)
    assert result == pytest.approx(slow_iou(square(10), square(10 + shift), 3))


def test_a_shift_hurts_the_boundary_more_than_the_area():
    truth, predicted = square(10), square(12)
    area_iou = (truth & predicted).sum() / (truth | predicted).sum()
    assert boundary_iou(truth, predicted, width=2) < 0.6 * area_iou


# === F1 of outlines ===


def slow_f1(truth: np.ndarray, predicted: np.ndarray, tolerance: float) -> float:
    """Every pixel of one outline against every pixel of the other."""
    first, second = (np.argwhere(slow_boundary(mask, 1)) for mask in (truth, predicted))
    if not len(first) or not len(second):
        return float(len(first) == len(second))
    distances = np.sqrt(((first[:, None] - second[None]) ** 2).sum(axis=2))
    recall = (distances.min(axis=1) <= tolerance + 1e-9).mean()
    precision = (distances.min(axis=0) <= tolerance + 1e-9).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@given(MASK, MASK, st.sampled_from([1.0, 1.5, 2.0, 5.0]))
@settings(max_examples=100)
def test_the_f1_of_outlines_equals_a_brute_force_one(truth, predicted, tolerance):
    found = boundary_f1(truth, predicted, tolerance)
    assert found == pytest.approx(slow_f1(truth, predicted, tolerance), abs=1e-6)
    assert found == pytest.approx(boundary_f1(predicted, truth, tolerance), abs=1e-9)


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (1, 1.0), (2, 1.0), (30, 0.0)])
def test_outlines_two_pixels_apart_agree(shift, expected):
    assert boundary_f1(square(10), square(10 + shift)) == expected


def test_outlines_three_pixels_apart_agree_along_the_shift_alone():
    found = boundary_f1(square(10), square(13))
    assert found == pytest.approx(slow_f1(square(10), square(13), 2.0))
    assert 0.4 < found < 0.7


def test_an_outline_missed_or_invented_agrees_not_at_all():
    empty = np.zeros((40, 60), np.uint8)
    assert boundary_f1(empty, empty) == 1.0
    assert boundary_f1(square(10), empty) == 0.0
    assert boundary_f1(empty, square(10)) == 0.0
