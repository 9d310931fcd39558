"""Overlays: what is drawn, where, and of which sheets."""

from itertools import combinations

import cv2
import numpy as np
import pandas as pd
import pytest

from steel_defects.drawing.outlines import class_shades
from steel_defects.drawing.overlays import VERDICTS, draw_comparison, draw_overlay, with_banner
from steel_defects.drawing.text import DARK, harmless, text_width
from steel_defects.reporting.gallery import OUTCOMES, choose_sheets, sheet_outcomes

NAMES = ("pitting", "cracks", "scratches", "scale")


def sheet(height: int = 256, width: int = 800) -> np.ndarray:
    return np.random.default_rng(4).integers(60, 160, (height, width)).astype(np.uint8)


def square(y: int, x: int, size: int = 40, shape: tuple[int, int] = (256, 800)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[y : y + size, x : x + size] = 1
    return mask


def contrast(one: np.ndarray | tuple, other: np.ndarray | tuple) -> float:
    """Contrast of two colours in BGR, 1 to 21, as WCAG 2 defines it."""

    def luminance(colour: np.ndarray | tuple) -> float:
        parts = np.array(colour, float)[::-1] / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def label_boxes(drawn: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Find the dark boxes of labels."""
    dark = (drawn == DARK).all(axis=2).astype(np.uint8)
    found, _ = cv2.findContours(dark, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    # Lines that lead to labels are as dark.
    return [cv2.boundingRect(one) for one in found if cv2.contourArea(one) > 150]


def overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return all(one[k] < other[k] + other[k + 2] and other[k] < one[k] + one[k + 2] for k in (0, 1))


def test_pixels_away_from_masks_and_labels_stay_gray() -> None:
    image, mask = sheet(), square(100, 300)
    drawn = draw_overlay(image, {3: mask}, NAMES)
    changed = (drawn != image[:, :, None]).any(axis=2)
    assert changed[mask > 0].all()
    assert not changed[:50].any() and not changed[190:].any()
    assert not changed[:, :180].any() and not changed[:, 500:].any()


def test_a_clean_sheet_is_only_gray() -> None:
    image = sheet()
    drawn = draw_overlay(image, {1: np.zeros_like(image)}, NAMES)
    assert (drawn == image[:, :, None]).all()


def test_the_fill_is_green_and_hides_nothing() -> None:
    image, mask = sheet(), square(100, 300, 60)
    inside = draw_overlay(image, {2: mask}, NAMES)[110:150, 310:350].astype(float)
    shown = image[110:150, 310:350].astype(float)
    assert np.corrcoef(inside[..., 1].ravel(), shown.ravel())[0, 1] > 0.99
    assert np.abs(inside - shown[..., None]).mean() < 16
    assert inside[..., 1].mean() > max(inside[..., 0].mean(), inside[..., 2].mean()) + 5


@pytest.mark.parametrize("gray", [0, 40, 90, 140, 200, 255])
@pytest.mark.parametrize("class_id", [1, 4])
def test_outlines_stand_out_on_dark_and_on_bright_steel(gray: int, class_id: int) -> None:
    image, mask = np.full((256, 800), gray, np.uint8), square(100, 300)
    drawn = draw_overlay(image, {class_id: mask}, NAMES)
    across = drawn[120, 285:300]  # from the steel outside to the edge of the region
    assert (across == class_shades(4)[class_id - 1]).all(axis=1).any()
    assert max(contrast(colour, (gray,) * 3) for colour in across) >= 3


@pytest.mark.parametrize("classes", [1, 2, 4, 9, 15])
def test_shades_differ_in_lightness_are_green_and_light(classes: int) -> None:
    shades = np.array(class_shades(classes), np.uint8)
    assert (shades[:, 1] > shades[:, 0]).all() and (shades[:, 1] > shades[:, 2]).all()
    lightness = cv2.cvtColor(shades[None], cv2.COLOR_BGR2Lab)[0, :, 0].astype(int)
    assert (np.diff(lightness) < 0).all()
    assert min(contrast(shade, (0, 0, 0)) for shade in shades) >= 9


def test_icicles_are_smoothed_away_and_thin_regions_stay() -> None:
    image, mask = sheet(), square(60, 300, 80)
    mask[140:170, 320:323] = 1  # an icicle below it
    thin = np.zeros_like(mask)
    thin[200:203, 500:700] = 1
    plain = draw_overlay(image, {1: square(60, 300, 80)}, NAMES, labels=[])
    drawn = draw_overlay(image, {1: mask | thin}, NAMES, labels=[])
    changed = (drawn != plain).any(axis=2)
    assert not changed[155:190].any()
    assert changed[195:208, 500:700].mean() > 0.5


def test_an_outline_has_no_small_holes_and_is_never_in_two() -> None:
    image, mask = sheet(), square(60, 300, 80)
    mask[100:103, 340:343] = 0
    drawn = draw_overlay(image, {1: mask}, NAMES, labels=[])
    assert (drawn == draw_overlay(image, {1: square(60, 300, 80)}, NAMES, labels=[])).all()
    twins = square(60, 300, 60) | square(60, 380, 60)
    twins[88:92, 355:385] = 1  # too thin for smoothing, and half of the region beyond it
    drawn = draw_overlay(image, {1: twins}, NAMES, labels=[])
    shade = (drawn == class_shades(4)[0]).all(axis=2).astype(np.uint8)
    joined = cv2.morphologyEx(shade, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    assert len(cv2.findContours(joined, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]) == 1
    assert cv2.boundingRect(joined)[2] > 130


def test_every_region_has_a_label_that_hides_neither_regions_nor_labels() -> None:
    image = np.full((256, 800), 200, np.uint8)
    places = [(30, 60), (30, 300), (110, 310), (190, 300), (150, 700), (216, 760)]
    mask = sum(square(y, x) for y, x in places)
    boxes = label_boxes(draw_overlay(image, {1: mask, 2: square(100, 100, 3)}, NAMES))
    assert len(boxes) == 7
    regions = [(x, y, 40, 40) for y, x in places]
    assert not any(overlap(box, region) for box in boxes for region in regions)
    assert not any(overlap(one, other) for one, other in combinations(boxes, 2))


def test_crowded_regions_are_numbered_and_listed_below() -> None:
    image, mask = np.full((256, 800), 200, np.uint8), np.zeros((256, 800), np.uint8)
    for y in range(10, 250, 60):
        for x in range(10, 400, 60):
            mask[y : y + 20, x : x + 20] = 1
    drawn = draw_overlay(image, {1: mask}, NAMES)
    assert len(drawn) > 256 and (drawn[256:] == DARK).all(axis=2).mean() > 0.5
    boxes = label_boxes(drawn[:256])
    assert len(boxes) == 28
    assert not any(overlap(one, other) for one, other in combinations(boxes, 2))
    # As long a list as fits: more regions than entries are outlined, and counted in its last line.
    many = draw_overlay(image, {1: np.kron(square(0, 0, 1, (32, 80)) + 1, mask[:8, :10])}, NAMES)
    assert len(many) <= 600


def test_a_region_as_large_as_the_sheet_is_labelled_below() -> None:
    image = sheet()
    drawn = draw_overlay(image, {1: np.ones_like(image)}, NAMES)
    assert len(drawn) > 256
    assert sum(width * height for *_, width, height in label_boxes(drawn[:256])) < 1000


def test_classes_that_do_not_count_are_drawn_thin() -> None:
    image, mask = sheet(), square(100, 300, 60)
    thin = draw_overlay(image, {2: mask}, NAMES, drawn_thin={2})
    assert (thin[110:150, 310:350] == image[110:150, 310:350, None]).all()
    full = draw_overlay(image, {2: mask}, NAMES)
    shade = class_shades(4)[1]
    assert 0 < (thin == shade).all(axis=2).sum() < (full == shade).all(axis=2).sum()


def test_a_class_without_a_name_is_drawn() -> None:
    assert draw_overlay(sheet(), {7: square(216, 760)}, ()).shape == (256, 800, 3)


def test_a_comparison_shows_truth_above_prediction() -> None:
    image, mask = np.full((256, 800), 100, np.uint8), square(100, 300)
    drawn = draw_comparison(image, {1: mask}, {1: 0 * mask}, NAMES, "a.jpg  Dice 0.00  miss")
    assert drawn.shape[1] == 800 and drawn.shape[0] > 2 * 256
    prediction = drawn[-256:]
    assert (prediction == 100).all()
    assert not (drawn[-2 * 256 - 30 : -256 - 30] == 100).all()


@pytest.mark.parametrize(("height", "width"), [(200, 200), (40, 599), (300, 40), (1, 1)])
def test_small_sheets_are_enlarged(height: int, width: int) -> None:
    small = np.full((height, width), 90, np.uint8)
    drawn = draw_overlay(small, {1: np.ones_like(small)}, NAMES)
    assert drawn.shape[1] >= 600
    assert with_banner(drawn, "reject", ["1 region", "a.jpg"]).shape[1] == drawn.shape[1]
    assert draw_comparison(small, {}, {}, NAMES, "x").shape[1] >= drawn.shape[1]


def test_truth_and_prediction_of_small_sheets_stand_side_by_side() -> None:
    small = np.full((200, 200), 90, np.uint8)
    drawn = draw_comparison(small, {1: square(20, 20, 90, small.shape)}, {}, NAMES, "a.jpg")
    assert drawn.shape[1] > 1.5 * len(drawn)
    greens = (drawn[..., 1].astype(int) - drawn[..., 2] > 40)[40:]
    assert greens[:, :600].any() and not greens[:, 600:].any()


def test_tall_strips_are_enlarged_no_further_than_memory_takes() -> None:
    tall = draw_overlay(np.zeros((30_000, 20), np.uint8), {}, NAMES)
    assert tall.shape[1] < 600
    assert with_banner(tall, "accept", ["no region", "a.jpg"]).shape[1] == 600


def test_banners_differ_in_colour_and_words_and_can_be_read() -> None:
    picture = np.full((100, 1600, 3), 90, np.uint8)
    drawn = {name: with_banner(picture, name, ["why", "a.jpg"]) for name in VERDICTS}
    assert all((banner[-100:] == 90).all() for banner in drawn.values())
    colours = {name: tuple(int(part) for part in banner[0, 0]) for name, banner in drawn.items()}
    assert colours == {name: ground for name, (_, ground, _) in VERDICTS.items()}
    blue, green, red = zip(*colours.values(), strict=True)
    assert green[0] > max(blue[0], red[0]) and red[1] > green[1] > blue[1]
    assert red[2] > 3 * max(blue[2], green[2])
    assert min(contrast(ground, ink) for _, ground, ink in VERDICTS.values()) >= 4.5
    words = [
        (banner[:-100] == ink).all(axis=2)[:, :240]
        for banner, (*_, ink) in zip(drawn.values(), VERDICTS.values(), strict=True)
    ]
    assert all((one != other).any() for one, other in combinations(words, 2))


def test_long_reasons_are_wrapped_and_nothing_leaves_the_banner() -> None:
    picture = np.zeros((10, 600, 3), np.uint8)
    short = with_banner(picture, "review", ["black", "a.jpg"])
    long = with_banner(picture, "review", ["a reason of many words " * 8, "b/" * 400 + ".jpg"])
    assert long.shape[1] == 600 and len(long) > len(short) + 30
    assert (long[:-10, -8:] == VERDICTS["review"][1]).all()


@pytest.mark.slow
@pytest.mark.parametrize("caption", ["", "ü中\n\x00\u202e<img>" * 40, "a" * 5000])
def test_hostile_captions_are_drawn(caption: str) -> None:
    assert draw_comparison(sheet(), {}, {}, ("ä%s",), caption).shape[1] == 800


def test_harmless_keeps_what_the_font_has() -> None:
    assert harmless("a ü\n\u202e~\udcff中Жλ²…") == "a ü??~??Жλ²…"
    assert text_width("Größe", 16) != text_width("Gr??e", 16)


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
