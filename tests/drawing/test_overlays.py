"""Overlays: what is drawn, where, and of which sheets."""

import cv2
import numpy as np
import pandas as pd
import pytest

from steel_defects.drawing.overlays import class_shades, draw_comparison, draw_overlay, harmless
from steel_defects.reporting.gallery import OUTCOMES, choose_sheets, sheet_outcomes

NAMES = ("pitting", "cracks", "scratches", "scale")


def sheet(height: int = 256, width: int = 800) -> np.ndarray:
    return np.random.default_rng(4).integers(60, 160, (height, width)).astype(np.uint8)


def square(y: int, x: int, size: int = 40, shape: tuple[int, int] = (256, 800)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[y : y + size, x : x + size] = 1
    return mask


def test_pixels_away_from_masks_and_labels_stay_gray() -> None:
    image, mask = sheet(), square(100, 300)
    drawn = draw_overlay(image, {3: mask}, NAMES)
    changed = (drawn != image[:, :, None]).any(axis=2)
    assert changed[mask > 0].all()
    assert not changed[:80].any() and not changed[160:].any()
    assert not changed[:, :295].any() and not changed[:, 500:].any()


def test_a_clean_sheet_is_only_gray() -> None:
    image = sheet()
    drawn = draw_overlay(image, {1: np.zeros_like(image)}, NAMES)
    assert (drawn == image[:, :, None]).all()


def test_fill_is_translucent_and_green() -> None:
    image, mask = sheet(), square(100, 300, 60)
    inside = draw_overlay(image, {2: mask}, NAMES)[110:150, 310:350]
    assert np.corrcoef(inside[..., 1].ravel(), image[110:150, 310:350].ravel())[0, 1] > 0.95
    assert inside[..., 1].mean() > max(inside[..., 0].mean(), inside[..., 2].mean()) + 5


def test_the_outline_is_solid_in_the_class_shade() -> None:
    drawn = draw_overlay(sheet(), {4: square(100, 300)}, NAMES)
    assert (drawn[105:135, 300] == class_shades(4)[3]).all()


@pytest.mark.parametrize("classes", [1, 2, 4, 9, 15])
def test_shades_differ_in_lightness_and_are_green(classes: int) -> None:
    shades = np.array(class_shades(classes), np.uint8)
    assert (shades[:, 1] > shades[:, 0]).all() and (shades[:, 1] > shades[:, 2]).all()
    lightness = cv2.cvtColor(shades[None], cv2.COLOR_BGR2Lab)[0, :, 0].astype(int)
    assert (np.diff(lightness) < 0).all()


def test_only_large_regions_are_labelled_and_labels_do_not_cover_each_other() -> None:
    image = np.full((256, 800), 200, np.uint8)
    dark = [28, 32, 28]
    speck = draw_overlay(image, {1: square(100, 300, 4)}, NAMES)
    assert not (speck == dark).all(axis=2).any()
    drawn = draw_overlay(image, {1: square(100, 300), 2: square(100, 300)}, NAMES)
    boxes, _ = cv2.findContours(
        (drawn == dark).all(axis=2).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    assert len([box for box in boxes if cv2.contourArea(box) > 200]) == 2


def test_a_region_at_the_corner_and_a_class_without_a_name_are_drawn() -> None:
    mask = square(216, 760)
    assert draw_overlay(sheet(), {7: mask}, ()).shape == (256, 800, 3)


def test_a_comparison_shows_truth_above_prediction() -> None:
    image, mask = np.full((256, 800), 100, np.uint8), square(100, 300)
    drawn = draw_comparison(image, {1: mask}, {1: 0 * mask}, NAMES, "a.jpg  Dice 0.00  miss")
    assert drawn.shape[1] == 800 and drawn.shape[0] > 2 * 256
    prediction = drawn[-256:]
    assert (prediction == 100).all()
    assert not (drawn[-2 * 256 - 30 : -256 - 30] == 100).all()


def test_small_sheets_are_enlarged() -> None:
    small = np.full((200, 200), 90, np.uint8)
    assert draw_comparison(small, {}, {}, NAMES, "x").shape[1] == 600


@pytest.mark.slow
@pytest.mark.parametrize("caption", ["", "ü中\n\x00\u202e<img>" * 40, "a" * 5000])
def test_hostile_captions_are_drawn(caption: str) -> None:
    assert draw_comparison(sheet(), {}, {}, ("ä%s",), caption).shape[1] == 800


def test_harmless_keeps_ascii_only() -> None:
    assert harmless("a ü\n\u202e~\udcff") == "a ???~?"


def pairs(each: int = 10) -> pd.DataFrame:
    kinds = {
        "hit": (0.8, 50, 50),
        "weak": (0.2, 50, 50),
        "miss": (0.0, 50, 0),
        "false alarm": (0.0, 0, 50),
        "clean": (1.0, 0, 0),
    }
    rows = []
    for kind, (dice, truth, found) in kinds.items():
        for number in range(each):
            name = f"{kind}_{number}.jpg"
            rows += [(name, 1, dice, truth, found), (name, 2, 1.0, 0, 0)]
    return pd.DataFrame(rows, columns=["sheet_id", "class_id", "dice", "true_px", "predicted_px"])


def test_choice_has_as_many_of_each_outcome() -> None:
    chosen = choose_sheets(pairs(), 10, 0)
    assert [outcome for _, outcome in chosen] == [kind for kind in OUTCOMES for _ in range(2)]
    assert all(sheet_id.startswith(outcome) for sheet_id, outcome in chosen)
    assert len({sheet_id for sheet_id, _ in chosen}) == 10


def test_outcomes_that_run_out_leave_their_places_to_others() -> None:
    table = pairs()
    table = table[~table["sheet_id"].str.startswith(("hit", "weak", "miss"))]
    chosen = choose_sheets(table, 12, 0)
    assert [o for _, o in chosen] == ["false alarm"] * 6 + ["clean"] * 6
    assert len(choose_sheets(table, 500, 0)) == 20


def test_choice_depends_on_the_seed_only() -> None:
    table = pairs()
    shuffled = table.sample(frac=1, random_state=1)
    assert choose_sheets(table, 10, 3) == choose_sheets(shuffled, 10, 3)
    assert choose_sheets(table, 10, 3) != choose_sheets(table, 10, 4)


def test_a_sheet_is_judged_by_the_classes_that_it_has() -> None:
    table = pd.DataFrame(
        [("a", 1, 0.4, 9, 9), ("a", 2, 1.0, 0, 0), ("a", 3, 1.0, 0, 0)],
        columns=["sheet_id", "class_id", "dice", "true_px", "predicted_px"],
    )
    assert sheet_outcomes(table).loc["a"].to_dict() == {"dice": 0.4, "outcome": "weak"}


def test_nothing_to_choose_from() -> None:
    assert choose_sheets(pd.DataFrame(), 8, 0) == []
