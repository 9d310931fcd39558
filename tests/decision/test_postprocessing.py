import itertools

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from steel_defects.decision.postprocessing import (
    ClassPostprocessing,
    Postprocessing,
    PostprocessingGrid,
    sheet_masks,
    to_mask,
)
from steel_defects.decision.postprocessing_tuning import ClassTuner

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


def test_a_region_needs_a_pixel_that_reaches_the_seed_threshold():
    ramp = np.zeros((5, 8), np.uint8)
    ramp[2, 1:7] = [102, 128, 153, 178, 128, 102]  # 0.4 to 0.7 and back
    assert to_mask(ramp, 0.4, 0).sum() == 6
    assert to_mask(ramp, 0.4, 0, seed_threshold=0.7).sum() == 6  # the whole region, down to 0.4
    assert to_mask(ramp, 0.4, 0, seed_threshold=0.705).sum() == 0
    assert to_mask(ramp, 0.6, 0, seed_threshold=0.1).sum() == 2  # below the threshold: of no effect
    assert to_mask(ramp, 0.4, 7, seed_threshold=0.7).sum() == 0


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


# === Masks of a sheet ===

TWO = np.stack([MAP, MAP[::-1]], axis=-1)
SURE = np.array([0.7, 0.7], np.float32)


def settings(**values) -> ClassPostprocessing:
    return ClassPostprocessing(**{"threshold": 0.5, "min_area_px": 2} | values)


def test_every_class_has_its_own_settings_and_map():
    first, second = sheet_masks(TWO, SURE, [settings(), settings(min_area_px=5)])
    np.testing.assert_array_equal(first, to_mask(MAP, 0.5, 2))
    np.testing.assert_array_equal(second, to_mask(MAP[::-1], 0.5, 5))
    assert (first.sum(), second.sum()) == (13, 9)


def test_a_class_is_emptied_below_its_cut_and_not_at_it():
    # 0.7 is no float32: the cut is compared with what the network said, to the last bit.
    at, above = float(SURE[0]), float(np.nextafter(SURE[0], np.float32(1)))
    first, second = sheet_masks(
        TWO, SURE, [settings(presence_cut=at), settings(presence_cut=above)]
    )
    assert first.sum() == 13
    assert second.sum() == 0
    assert second.shape == MAP.shape
    assert second.dtype == np.uint8
    tuner = ClassTuner(
        PostprocessingGrid(thresholds=(0.5,), min_areas_px=(2,), presence_cuts=(0.7,))
    )
    tuner.add(MAP, np.zeros_like(MAP), float(SURE[0]))
    emptied = tuner.best().validation_dice == 1.0
    assert emptied == (sheet_masks(TWO, SURE, [settings(presence_cut=0.7)])[0].sum() == 0)


@pytest.mark.parametrize(
    ("gate", "factor", "pixels"),
    [
        (None, 9.0, 13),  # without a gate the factor makes no difference
        (1.0, 9.0, 13),
        (0.5, 0.0, 13),
        (0.5, 2.0, 13),  # 2 * (1 + 2 * 0.5) = 4
        (0.5, 2.1, 9),
        (0.0, 3.5, 9),  # 2 * (1 + 3.5) = 9
        (0.0, 3.6, 0),
    ],
)
def test_a_gate_that_sees_no_defect_asks_for_larger_regions(gate, factor, pixels):
    (mask,) = sheet_masks(TWO, SURE, [settings(gate_area_factor=factor)], gate)
    assert mask.sum() == pixels


@pytest.mark.parametrize(
    "wrong",
    [
        {"thresholds": (0.5, 1.5)},
        {"thresholds": (0.0,)},
        {"thresholds": ()},
        {"seed_thresholds": (1.1,)},
        {"seed_thresholds": ()},
        {"min_areas_px": (-1,)},
        {"min_areas_px": ()},
        {"presence_cuts": (1.1,)},
        {"presence_cuts": (-0.1,)},
        {"presence_cuts": ()},
        {"gate_area_factors": (-1,)},
        {"gate_area_factors": ()},
    ],
)
def test_values_that_no_class_could_take_are_refused_before_tuning(wrong):
    with pytest.raises(ValidationError):
        PostprocessingGrid(**{"thresholds": (0.5,), "min_areas_px": (0,)} | wrong)


def test_records_of_earlier_releases_numbered_the_classes():
    classes = (
        ClassPostprocessing(threshold=0.5, min_area_px=10, validation_dice=0.5),
        ClassPostprocessing(threshold=0.6, min_area_px=0, validation_dice=1.0),
    )
    earlier = {"1": classes[0].model_dump(), "2": classes[1].model_dump(), "models": {"a": "b"}}
    record = Postprocessing.model_validate(earlier)
    assert record == Postprocessing(classes=classes, models={"a": "b"})
    assert Postprocessing.model_validate(record.model_dump(mode="json")) == record
    assert record.validation_dice == 0.75
    unknown = Postprocessing(classes=(ClassPostprocessing(threshold=0.5, min_area_px=1),))
    assert unknown.validation_dice is None and Postprocessing().validation_dice is None
