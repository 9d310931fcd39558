import itertools
from collections.abc import Iterable

import cv2
import numpy as np
import pytest
from tests.decision.test_postprocessing import MAP

from steel_defects.decision.postprocessing import (
    ClassPostprocessing,
    PostprocessingGrid,
    sheet_masks,
)
from steel_defects.decision.postprocessing_tuning import ClassTuner


def tune(
    pairs: Iterable[tuple[np.ndarray, np.ndarray]],
    grid: PostprocessingGrid,
    pixel_share: float = 1.0,
) -> ClassPostprocessing:
    tuner = ClassTuner(grid, pixel_share)
    for probability, truth in pairs:
        tuner.add(probability, truth)
    return tuner.best()


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


@pytest.mark.slow
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
