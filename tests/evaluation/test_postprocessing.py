import itertools

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from steel_defects.evaluation.postprocessing import (
    ClassPostprocessing,
    PostprocessingGrid,
    class_settings,
    to_mask,
    tune_class,
)

# A region of 9 pixels at 200, one of 4 at 150, and a stray pixel at 250.
MAP = np.zeros((10, 12), np.uint8)
MAP[1:4, 1:4] = 200
MAP[6:8, 5:7] = 150
MAP[9, 11] = 250


@pytest.mark.parametrize(
    ("threshold", "min_area", "pixels"),
    [
        (0.5, 0, 14),
        (0.5, 2, 13),
        (0.5, 4, 13),
        (0.5, 5, 9),
        (0.5, 10, 0),
        (0.7, 0, 10),
        (0.9, 0, 1),
    ],
)
def test_uncertain_and_small_regions_are_dropped(threshold, min_area, pixels):
    mask = to_mask(MAP, threshold, min_area)
    assert mask.dtype == np.uint8
    assert mask.sum() == pixels
    assert not mask[MAP == 0].any()


def test_pixels_that_touch_at_corners_are_one_region():
    diagonal = np.eye(5, dtype=np.uint8) * 255
    assert to_mask(diagonal, 0.5, 5).sum() == 5


def test_an_area_is_that_of_a_region_and_not_of_its_box():
    diagonal = np.eye(5, dtype=np.uint8) * 255
    assert to_mask(diagonal, 0.5, 6).sum() == 0


def test_nothing_certain_is_an_empty_mask():
    assert not to_mask(np.zeros((4, 4), np.uint8), 0.01, 0).any()
    assert not to_mask(np.zeros((4, 4), np.uint8), 0.0001, 0).any()


def test_everything_certain_is_a_full_mask():
    assert to_mask(np.full((4, 4), 255, np.uint8), 0.99, 16).all()


def test_a_higher_threshold_keeps_no_new_pixel():
    rng = np.random.default_rng(0)
    probability = cv2.GaussianBlur(rng.integers(0, 256, (40, 60), dtype=np.uint8), (0, 0), 2)
    masks = [to_mask(probability, threshold, 0) for threshold in (0.3, 0.45, 0.5, 0.55)]
    sums = [int(mask.sum()) for mask in masks]
    assert sums[0] > sums[-1] > 0
    for low, high in itertools.pairwise(masks):
        assert not (high & ~low).any()


def test_tuning_finds_the_threshold_and_area_that_a_made_example_asks_for():
    truth = np.zeros(MAP.shape, np.uint8)
    truth[1:4, 1:4] = 1
    clean = np.zeros_like(truth)
    stray = np.zeros_like(MAP)
    stray[5, 5] = 255
    grid = PostprocessingGrid(thresholds=(0.7, 0.3, 0.9), min_areas_px=(20, 3, 0))
    best = tune_class([(MAP, truth), (stray, clean)], grid)
    assert best == ClassPostprocessing(threshold=0.7, min_area_px=3, validation_dice=1.0)


def test_between_equals_the_lower_threshold_then_the_smaller_area():
    truth = (MAP == 200).astype(np.uint8)
    grid = PostprocessingGrid(thresholds=(0.75, 0.7, 0.65), min_areas_px=(9, 8, 2))
    best = tune_class([(np.where(MAP == 200, MAP, 0).astype(np.uint8), truth)], grid)
    assert (best.threshold, best.min_area_px) == (0.65, 2)


def test_areas_are_scaled_to_maps_of_half_the_size():
    truth = (MAP == 200).astype(np.uint8)
    grid = PostprocessingGrid(thresholds=(0.5,), min_areas_px=(0, 16, 20, 36, 40))
    best = tune_class([(MAP, truth)], grid, pixel_share=0.25)
    assert best.min_area_px == 20  # 5 pixels of the map: the region of 4 goes, that of 9 stays
    assert best.validation_dice == 1.0


def test_without_validation_sheets_the_first_values_stand_without_a_score():
    best = tune_class([], PostprocessingGrid(thresholds=(0.6, 0.4), min_areas_px=(30, 10)))
    assert best == ClassPostprocessing(threshold=0.4, min_area_px=10, validation_dice=None)


def test_tuning_equals_brute_force():
    rng = np.random.default_rng(3)
    pairs = []
    for _ in range(6):
        noise = rng.normal(0, 1, (30, 40)).astype(np.float32)
        field = cv2.GaussianBlur(noise, (0, 0), 2.5)
        truth = (field > 0.25).astype(np.uint8)
        blurred = 128 + 350 * (field + rng.normal(0, 0.06, field.shape))
        pairs.append((np.clip(blurred, 0, 255).astype(np.uint8), truth))
    grid = PostprocessingGrid(thresholds=(0.4, 0.6, 0.8, 0.9), min_areas_px=(0, 5, 20, 80))
    best = tune_class(pairs, grid)

    def mean_dice(threshold: float, min_area: int) -> float:
        scores = []
        for probability, truth in pairs:
            mask = to_mask(probability, threshold, min_area)
            total = mask.sum() + truth.sum()
            scores.append(2 * (mask & truth).sum() / total if total else 1.0)
        return float(np.mean(scores))

    brute = {
        choice: mean_dice(*choice)
        for choice in itertools.product(grid.thresholds, grid.min_areas_px)
    }
    assert best.validation_dice == pytest.approx(max(brute.values()))
    assert brute[best.threshold, best.min_area_px] == pytest.approx(max(brute.values()))
    assert len({round(value, 6) for value in brute.values()}) > 8, "the example should matter"


@pytest.mark.parametrize(
    "wrong",
    [{"thresholds": (0.5, 1.5)}, {"thresholds": (0.0,)}, {"min_areas_px": (-1,)}],
)
def test_values_that_no_class_could_take_are_refused_before_tuning(wrong):
    with pytest.raises(ValidationError):
        PostprocessingGrid(**{"thresholds": (0.5,), "min_areas_px": (0,)} | wrong)


def test_settings_are_numbered_from_class_one():
    settings = class_settings(
        [
            ClassPostprocessing(threshold=0.5, min_area_px=10),
            ClassPostprocessing(threshold=0.6, min_area_px=0),
        ]
    )
    assert settings["1"] == {"threshold": 0.5, "min_area_px": 10, "validation_dice": None}
    assert list(settings) == ["1", "2"]
