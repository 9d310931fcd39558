import itertools
from collections import Counter

import cv2
import numpy as np
import pytest

from steel_defects.data.config import SampleDataConfig
from steel_defects.data.synthetic import draw_sheet

pytestmark = pytest.mark.slow

CONFIG = SampleDataConfig(seed=3, sheets=8, new_sheets=1, width=400, height=128)


def test_the_same_seed_and_number_give_the_same_sheet():
    first, second = draw_sheet(CONFIG, 5), draw_sheet(CONFIG, 5)
    np.testing.assert_array_equal(first.image, second.image)
    assert first.masks.keys() == second.masks.keys()
    for class_id, mask in first.masks.items():
        np.testing.assert_array_equal(mask, second.masks[class_id])


def test_another_number_or_seed_gives_another_sheet():
    sheet = draw_sheet(CONFIG, 5).image.astype(int)
    other_seed = CONFIG.model_copy(update={"seed": 4})
    for other in (draw_sheet(CONFIG, 7), draw_sheet(other_seed, 5)):
        assert np.abs(other.image - sheet).mean() > 5


@pytest.mark.parametrize(("width", "height"), [(1600, 256), (256, 64), (333, 97)])
def test_sheets_have_the_size_asked_for(width, height):
    sheet = draw_sheet(CONFIG.model_copy(update={"width": width, "height": height}), 1)
    assert sheet.image.shape == (height, width)
    assert all(mask.shape == (height, width) for mask in sheet.masks.values())


def test_even_sheets_are_clean_and_nearly_all_odd_ones_defective(synthetic_sheets):
    assert not any(sheet.masks for sheet in synthetic_sheets[::2])
    defective = sum(bool(sheet.masks) for sheet in synthetic_sheets[1::2])
    assert defective >= 0.95 * len(synthetic_sheets) / 2


def test_all_four_classes_appear_and_some_sheets_have_two(synthetic_sheets):
    seen = Counter(class_id for sheet in synthetic_sheets for class_id in sheet.masks)
    assert set(seen) == {1, 2, 3, 4}
    assert min(seen.values()) >= 5
    assert max(len(sheet.masks) for sheet in synthetic_sheets) == 2


def test_masks_are_binary_and_lie_on_steel(synthetic_sheets):
    for sheet in synthetic_sheets:
        for mask in sheet.masks.values():
            assert set(np.unique(mask)) == {0, 1}
            assert (sheet.image[mask > 0] >= 12).all()


def test_some_sheets_end_in_black(synthetic_sheets):
    black = [float((sheet.image < 12).mean()) for sheet in synthetic_sheets]
    assert 0.1 < np.mean([share > 0.01 for share in black]) < 0.6
    assert max(black) < 0.5


# --- how hard they are ------------------------------------------------------------------------

HALF = (800, 128)  # width, height at which the baseline works


def accuracy_of_threshold(rows: np.ndarray, labels: np.ndarray) -> float:
    """Fit a row, a threshold and its side on every other pair of sheets; score them on the rest."""
    fit = np.arange(len(labels)) // 2 % 2 == 0
    best, held_out = 0.0, 0.0
    for values, share, side in itertools.product(rows, range(0, 100, 4), (1, -1)):
        right = (side * values > side * np.percentile(values[fit], share)) == labels
        if right[fit].mean() > best:
            best, held_out = right[fit].mean(), right[~fit].mean()
    return float(held_out)


def local_contrast(image: np.ndarray) -> np.ndarray:
    """Brightness against the surroundings, in units of its usual size; 0 off the steel."""
    small = cv2.resize(image, HALF, interpolation=cv2.INTER_AREA).astype(np.float32)
    black = cv2.dilate((small < 12).astype(np.uint8), np.ones((9, 9)))
    small[black > 0] = np.median(small[black == 0])
    contrast = cv2.GaussianBlur(small, (0, 0), 1) - cv2.GaussianBlur(small, (0, 0), 10)
    contrast[black > 0] = 0
    return contrast / (1.48 * np.median(np.abs(contrast)) + 0.5)


def find_regions(contrast: np.ndarray, sign: int, threshold: float, closing: int, area: int):
    """Threshold, close gaps, drop small regions and those that run along or across the sheet."""
    signed = np.abs(contrast) if sign == 0 else sign * contrast
    above = cv2.morphologyEx(
        (signed > threshold).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((closing, closing))
    )
    _, labels, stats, _ = cv2.connectedComponentsWithStats(above)
    width, height, size = stats[:, 2], stats[:, 3], stats[:, 4]
    keep = (size >= area) & (width < 0.5 * HALF[0]) & (height < 0.95 * HALF[1])
    keep[0] = False
    return keep[labels]


SETTINGS = list(itertools.product((1, -1, 0), (2.5, 3.5, 5.0), (5, 15), (40, 150, 600)))


@pytest.fixture(scope="module")
def baseline(synthetic_sheets) -> dict[str, float]:
    """Fit local contrast, threshold, closing and area on half of the sheets; score on the rest."""
    labels = np.array([bool(sheet.masks) for sheet in synthetic_sheets])
    fit = np.arange(len(labels)) // 2 % 2 == 0
    areas = np.zeros((len(SETTINGS), len(labels)))
    dice = np.full((len(SETTINGS), len(labels), 5), np.nan)
    for number, sheet in enumerate(synthetic_sheets):
        contrast = local_contrast(sheet.image)
        truth = {
            class_id: cv2.resize(mask, HALF, interpolation=cv2.INTER_NEAREST) > 0
            for class_id, mask in sheet.masks.items()
        }
        for row, setting in enumerate(SETTINGS):
            found = find_regions(contrast, *setting)
            areas[row, number] = found.sum()
            for class_id, mask in truth.items():
                overlap = 2 * (found & mask).sum() / max(1, found.sum() + mask.sum())
                dice[row, number, class_id] = overlap
    best = [int(np.nanmean(dice[:, fit, k], axis=1).argmax()) for k in range(1, 5)]
    pairs = np.concatenate([dice[best[k - 1], ~fit, k] for k in range(1, 5)])
    return {"accuracy": accuracy_of_threshold(areas, labels), "dice": float(np.nanmean(pairs))}


def test_mean_intensity_does_not_give_defects_away(synthetic_sheets):
    labels = np.array([bool(sheet.masks) for sheet in synthetic_sheets])
    means = np.array([sheet.image[sheet.image >= 12].mean() for sheet in synthetic_sheets])
    assert accuracy_of_threshold(means[None], labels) < 0.75


def test_contrast_and_morphology_do_not_tell_defective_sheets_from_clean_ones(baseline):
    assert baseline["accuracy"] < 0.75


def test_contrast_and_morphology_do_not_outline_defects(baseline):
    assert baseline["dice"] < 0.3
