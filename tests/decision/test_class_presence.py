import numpy as np
import pytest
from scipy.special import expit, logit

from steel_defects.decision.fusion import (
    ClassPresence,
    PresenceEvidence,
    fit_presence,
    probability_at_area,
)
from steel_defects.decision.postprocessing import (
    ClassPostprocessing,
    PostprocessingGrid,
    SheetPrediction,
    class_presence,
    sheet_masks,
)
from steel_defects.decision.postprocessing_tuning import ClassTuner, best_settings


@pytest.mark.parametrize("area", [1, 2, 5, 60, 96, 1000])
def test_the_probability_that_an_area_reaches_is_a_rank(area: int):
    values = np.random.default_rng(0).integers(0, 256, (8, 12)).astype(np.uint8)
    ranked = np.sort(values.ravel())[::-1]
    assert probability_at_area(values, area) == ranked[min(area, values.size) - 1] / 255


def test_an_area_may_be_of_a_non_contiguous_map():
    maps = np.random.default_rng(0).integers(0, 256, (8, 12, 3)).astype(np.uint8)
    assert probability_at_area(maps[..., 1], 1) == maps[..., 1].max() / 255


def test_probability_by_hand():
    presence = ClassPresence(head_weight=1, map_weight=0.5, gate_weight=2, bias=-1)
    found = presence.probability(np.array([[0.5, 0.8], [0.5, 0.9], [0.5, 0.6]]))
    expected = expit(logit(0.8) + 0.5 * logit(0.9) + 2 * logit(0.6) - 1)
    np.testing.assert_allclose(found, [expit(-1), expected])


def test_without_a_gate_its_score_makes_no_difference():
    presence = ClassPresence(head_weight=1, map_weight=0, bias=0)
    assert presence.probability(np.array([0.7, 0.1, np.nan])) == pytest.approx(0.7)


def drawn(seed: int, sheets: int, share: float, gate: bool = True) -> PresenceEvidence:
    """Logits that say as much as can be said: 2 for the class, -2 against it, with noise."""
    rng = np.random.default_rng(seed)
    occurs = rng.random(sheets) < share
    head, on_map = expit(np.where(occurs, 2, -2) + rng.normal(0, 2, (2, sheets)))
    scores = rng.random(sheets) if gate else head * np.nan
    return PresenceEvidence(np.array([head, on_map, scores]), occurs)


def test_fitted_probabilities_are_calibrated_and_better_than_the_head():
    evidence = [drawn(0, 800, 0.5), drawn(1, 800, 0.1)]
    fitted = fit_presence(evidence)
    assert fitted is not None
    assert fitted[0].bias > fitted[1].bias  # the rare class
    assert fitted[0].head_weight == fitted[1].head_weight == pytest.approx(1, abs=0.25)
    assert fitted[0].gate_weight < 0.2  # drawn at random
    for presence, seed, share in zip(fitted, (2, 3), (0.5, 0.1), strict=True):
        unseen = drawn(seed, 4000, share)
        found = presence.probability(unseen.answers)
        assert found.mean() == pytest.approx(unseen.occurs.mean(), abs=0.03)
        by_head = np.square(unseen.answers[0] - unseen.occurs)
        assert np.square(found - unseen.occurs).mean() < by_head.mean()


def test_without_a_gate_there_is_no_weight_for_it():
    fitted = fit_presence([drawn(0, 100, 0.4, gate=False)])
    assert fitted is not None
    assert fitted[0].gate_weight == 0


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_too_few_of_a_kind_give_nothing(share: float):
    assert fit_presence([drawn(0, 100, share)]) is None


def test_a_sheet_is_judged_by_head_map_and_gate():
    maps = np.zeros((40, 40, 2), np.uint8)
    maps[:30, :30, 0] = 204  # 900 pixels at 0.8
    weights = ClassPresence(head_weight=0.5, map_weight=1, gate_weight=0.5, bias=0.2)
    settings = [ClassPostprocessing(threshold=0.5, min_area_px=0, presence=weights),
                ClassPostprocessing(threshold=0.5, min_area_px=0)]  # fmt: skip
    found = class_presence(SheetPrediction(maps, np.array([0.3, 0.25], np.float32)), settings, 0.9)
    by_hand = expit(0.5 * logit(0.3) + logit(0.8) + 0.5 * logit(0.9) + 0.2)
    np.testing.assert_allclose(found, [by_hand, 0.25], rtol=1e-6)


def test_tuning_cuts_at_the_fitted_presence():
    """The head knows nothing and the map is always there: only its height tells."""
    rng = np.random.default_rng(0)
    grid = PostprocessingGrid(thresholds=(0.1,), min_areas_px=(0,), presence_cuts=(0, 0.5))
    tuner, head_alone = ClassTuner(grid), ClassTuner(grid)
    for number in range(60):
        truth, height = np.zeros((40, 40), np.uint8), 60 + 10 * rng.random()
        if number % 3 == 0:
            truth[5:35, 5:35], height = 1, 200
        probability = np.zeros((40, 40), np.uint8)
        probability[5:35, 5:35] = height
        for one in (tuner, head_alone):
            one.add(probability, truth, presence=0.5)
    (best,) = best_settings([tuner])
    assert best.presence is not None
    assert best.presence_cut == 0.5
    assert best.validation_dice == 1.0
    assert head_alone.best().validation_dice == pytest.approx(1 / 3)
    assert best.presence.map_weight > best.presence.head_weight


FITTED = ClassPresence(head_weight=1, map_weight=0, bias=0)


def shown(gate_score: float | None, heads: tuple[float, ...], fitted: bool = True) -> list[int]:
    """Return the pixels of each class; the map shows 100 pixels of classes 1 and 3, none of 2."""
    maps = np.zeros((40, 40, 3), np.uint8)
    maps[:10, :10, [0, 2]] = 200
    settings = [
        ClassPostprocessing(
            threshold=0.5, min_area_px=0, presence_cut=0.6, presence=FITTED if fitted else None
        )
    ] * 3
    masks = sheet_masks(maps, np.array(heads, np.float32), settings, gate_score)
    return [int(mask.sum()) for mask in masks]


@pytest.mark.parametrize(
    ("gate_score", "heads", "pixels"),
    [
        (0.5, (0.2, 0.5, 0.3), [0, 0, 100]),  # the likeliest that the map shows
        (0.5, (0.4, 0.5, 0.3), [100, 0, 0]),
        (0.49, (0.4, 0.5, 0.3), [0, 0, 0]),  # more likely clean
        (None, (0.4, 0.5, 0.3), [0, 0, 0]),  # there is no gate
        (0.9, (0.7, 0.5, 0.3), [100, 0, 0]),  # a class is there already
        (0.9, (0.2, 0.7, 0.3), [0, 0, 100]),  # it has nothing on the map
    ],
)
def test_the_likeliest_class_of_a_defective_sheet_is_outlined(gate_score, heads, pixels):
    assert shown(gate_score, heads) == pixels
    below_its_cut = 100 if heads[0] >= 0.6 else 0
    assert shown(gate_score, heads, fitted=False) == [below_its_cut, 0, 0]


@pytest.mark.parametrize(
    ("height", "seed_threshold", "pixels"),
    [(200, 0, 100), (70, 0, 100), (60, 0, 0), (120, 0.9, 100), (110, 0.9, 0)],
)
def test_a_faint_map_is_cut_at_half_its_thresholds(height: int, seed_threshold: float, pixels: int):
    maps = np.zeros((40, 40, 1), np.uint8)
    maps[:10, :10] = height
    settings = [
        ClassPostprocessing(
            threshold=0.5, seed_threshold=seed_threshold, min_area_px=200, presence=FITTED
        )
    ]
    maps[20:, 20:] = 20
    (mask,) = sheet_masks(maps, np.array([0.9], np.float32), settings, 0.8)
    assert mask.sum() == pixels
    (mask,) = sheet_masks(maps, np.array([0.9], np.float32), settings, 0.4)
    assert mask.sum() == 0
