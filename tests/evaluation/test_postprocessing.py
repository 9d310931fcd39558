import itertools
from collections.abc import Iterable

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from steel_defects.evaluation.postprocessing import (
    ClassPostprocessing,
    ClassTuner,
    PostprocessingGrid,
    class_settings,
    sheet_masks,
    to_mask,
)

# A region of 9 pixels at 200, one of 4 at 150, and a stray pixel at 250.
MAP = np.zeros((10, 12), np.uint8)
MAP[1:4, 1:4] = 200
MAP[6:8, 5:7] = 150
MAP[9, 11] = 250


def tune(
    pairs: Iterable[tuple[np.ndarray, np.ndarray]],
    grid: PostprocessingGrid,
    pixel_share: float = 1.0,
) -> ClassPostprocessing:
    tuner = ClassTuner(grid, pixel_share)
    for probability, truth in pairs:
        tuner.add(probability, truth)
    return tuner.best()


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


def test_tuning_finds_the_threshold_and_area_that_a_made_example_asks_for():
    truth = np.zeros(MAP.shape, np.uint8)
    truth[1:4, 1:4] = 1
    clean = np.zeros_like(truth)
    stray = np.zeros_like(MAP)
    stray[5, 5] = 255
    grid = PostprocessingGrid(thresholds=(0.7, 0.3, 0.9), min_areas_px=(20, 3, 0))
    best = tune([(MAP, truth), (stray, clean)], grid)
    assert best == ClassPostprocessing(threshold=0.7, min_area_px=3, validation_dice=1.0)


def test_tuning_separates_outline_from_whether_there_is_a_defect():
    defect, doubt = np.zeros(MAP.shape, np.uint8), np.zeros(MAP.shape, np.uint8)
    defect[1:5, 1:8], defect[2:4, 3:6] = 120, 240  # its outline is uncertain, but not its core
    doubt[4:8, 2:9] = 130
    pairs = [(defect, (defect > 0).astype(np.uint8)), (doubt, np.zeros_like(doubt))]
    thresholds = (0.3, 0.5, 0.7)
    single = PostprocessingGrid(thresholds=thresholds, min_areas_px=(0,))
    both = single.model_copy(update={"seed_thresholds": (0.0, 0.4, 0.8, 1.0)})
    assert tune(pairs, single).validation_dice < 0.8
    assert tune(pairs, both) == ClassPostprocessing(
        threshold=0.3, seed_threshold=0.8, min_area_px=0, validation_dice=1.0
    )


def test_between_equals_the_lower_threshold_then_the_smaller_area():
    truth = (MAP == 200).astype(np.uint8)
    grid = PostprocessingGrid(thresholds=(0.75, 0.7, 0.65), min_areas_px=(9, 8, 2))
    best = tune([(np.where(MAP == 200, MAP, 0).astype(np.uint8), truth)], grid)
    assert (best.threshold, best.min_area_px) == (0.65, 2)


def test_areas_are_scaled_to_maps_of_half_the_size():
    truth = (MAP == 200).astype(np.uint8)
    grid = PostprocessingGrid(thresholds=(0.5,), min_areas_px=(0, 16, 20, 36, 40))
    best = tune([(MAP, truth)], grid, pixel_share=0.25)
    assert best.min_area_px == 20  # 5 pixels of the map: the region of 4 goes, that of 9 stays
    assert best.validation_dice == 1.0


def test_without_validation_sheets_the_first_values_stand_without_a_score():
    best = tune([], PostprocessingGrid(thresholds=(0.6, 0.4), min_areas_px=(30, 10)))
    assert best == ClassPostprocessing(threshold=0.4, min_area_px=10, validation_dice=None)


@pytest.fixture(scope="module")
def examples() -> list[tuple[np.ndarray, np.ndarray, float, float | None]]:
    """Map, truth, presence and gate score of noisy sheets, some of them without the class."""
    rng = np.random.default_rng(3)
    found = []
    for number in range(12):
        noise = rng.normal(0, 1, (30, 40)).astype(np.float32)
        field = cv2.GaussianBlur(noise, (0, 0), 2.5)
        clean = number % 3 == 0
        truth = (field > (9 if clean else 0.25)).astype(np.uint8)
        blurred = 128 + 350 * (field + rng.normal(0, 0.06, field.shape))
        probability = np.clip(blurred, 0, 255).astype(np.uint8)
        presence = float(np.float32(rng.uniform(0, 0.7) if clean else rng.uniform(0.3, 1)))
        found.append((probability, truth, presence, float(rng.uniform(0, 1) * (1 - 0.5 * clean))))
    return found


def mean_dice(examples, values: ClassPostprocessing) -> float:
    """The competition's score, pixel by pixel and without the code under test."""
    scores = []
    for probability, truth, presence, gate in examples:
        number, labels = cv2.connectedComponents(
            (probability / 255 >= values.threshold - 1 / 510).astype(np.uint8)
        )
        least = values.min_area_px
        if gate is not None:
            least += values.min_area_px * values.gate_area_factor * (1 - gate)
        mask = np.zeros(truth.shape, bool)
        for label in range(1, number):
            region = labels == label
            seeded = probability[region].max() / 255 >= values.seed_threshold - 1 / 510
            if region.sum() >= least and seeded and presence >= values.presence_cut:
                mask |= region
        both = mask.sum() + truth.sum()
        scores.append(2 * (mask & (truth > 0)).sum() / both if both else 1.0)
    return float(np.mean(scores))


FULL_GRID = PostprocessingGrid(
    thresholds=(0.4, 0.6, 0.8, 0.92),
    seed_thresholds=(0, 0.7, 0.95),
    min_areas_px=(0, 5, 20, 80),
    presence_cuts=(0, 0.35, 0.5, 0.8),
    gate_area_factors=(0, 1, 4),
)


def every_setting(grid: PostprocessingGrid) -> list[ClassPostprocessing]:
    names = ("threshold", "seed_threshold", "min_area_px", "presence_cut", "gate_area_factor")
    values = (
        grid.thresholds, grid.seed_thresholds, grid.min_areas_px, grid.presence_cuts,
        grid.gate_area_factors,
    )  # fmt: skip
    return [
        ClassPostprocessing(**dict(zip(names, one, strict=True)))
        for one in itertools.product(*values)
    ]


@pytest.mark.parametrize("gate", [True, False])
def test_tuning_equals_brute_force(examples, gate):
    shown = [(*one[:3], one[3] if gate else None) for one in examples]
    tuner = ClassTuner(FULL_GRID)
    for one in shown:
        tuner.add(*one)
    best = tuner.best()
    brute = {values: mean_dice(shown, values) for values in every_setting(FULL_GRID)}
    assert best.validation_dice == pytest.approx(max(brute.values()), abs=1e-9)
    assert brute[best.model_copy(update={"validation_dice": None})] == pytest.approx(
        max(brute.values()), abs=1e-9
    )
    assert best.presence_cut > 0, "the example should matter"
    assert len({round(value, 6) for value in brute.values()}) > 30, "the example should matter"
    if not gate:
        assert best.gate_area_factor == 0


def test_what_was_tuned_is_what_is_applied(examples):
    for values in every_setting(FULL_GRID)[::7]:
        tuner, scores = ClassTuner(values.grid), []
        for probability, truth, presence, gate in examples:
            tuner.add(probability, truth, presence, gate)
            maps, present = probability[..., None], np.array([presence], np.float32)
            (mask,) = sheet_masks(maps, present, [values], gate)
            total = int(mask.sum()) + int(truth.sum())
            scores.append(2 * int((mask & truth).sum()) / total if total else 1.0)
        assert tuner.best().validation_dice == pytest.approx(np.mean(scores), abs=1e-9)


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


def test_settings_are_numbered_from_class_one():
    settings = class_settings(
        [
            ClassPostprocessing(threshold=0.5, min_area_px=10),
            ClassPostprocessing(threshold=0.6, min_area_px=0),
        ]
    )
    assert settings["1"] == {
        "threshold": 0.5, "seed_threshold": 0.0, "min_area_px": 10, "presence_cut": 0.0,
        "gate_area_factor": 0.0, "presence": None, "validation_dice": None,
    }  # fmt: skip
    assert list(settings) == ["1", "2"]
