from collections import Counter

import numpy as np
import pytest

from steel_defects.images.orientations import ORIENTATIONS, oriented
from steel_defects.training.augmentation import Augmentation
from steel_defects.training.config import SegmentationConfig
from steel_defects.training.labelled_tiles import tile_augmentation

QUIET = {"brightness": 0, "contrast": 0}


def random_image(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(20, 250, shape).astype(np.uint8)


def orientation_of(image: np.ndarray, changed: np.ndarray) -> int:
    (found,) = (o for o in ORIENTATIONS if np.array_equal(oriented(image, o), changed))
    return found


# === Orientation ===


@pytest.mark.parametrize(
    ("flips", "transposes", "expected"),
    [
        (True, True, {0, 1, 2, 3, 4, 5, 6, 7}),
        (True, False, {0, 1, 2, 3}),
        (False, True, {0, 4}),
        (False, False, {0}),
    ],
)
def test_each_orientation_comes_as_often(flips: bool, transposes: bool, expected: set[int]):
    image, rng = random_image((5, 5)), np.random.default_rng(0)
    change = Augmentation(flips, transposes=transposes, **QUIET)
    seen = Counter(orientation_of(image, change.apply(image, [], rng)[0]) for _ in range(1600))
    assert set(seen) == expected
    for count in seen.values():
        assert count / 1600 == pytest.approx(1 / len(expected), abs=0.03)


def test_masks_turn_with_the_picture():
    image = random_image((6, 6))
    masks = [(image > level).astype(np.uint8) for level in (60, 150)]
    change, seen = Augmentation(flips=True, transposes=True, **QUIET), set()
    for seed in range(60):
        picture, moved = change.apply(image, masks, np.random.default_rng(seed))
        for mask, level in zip(moved, (60, 150), strict=True):
            np.testing.assert_array_equal(mask, picture > level)
            assert mask.dtype == np.uint8
        seen.add(orientation_of(image, picture))
    assert seen == set(ORIENTATIONS)


def test_pictures_that_are_not_square_keep_their_shape():
    image, seen = random_image((4, 7)), set()
    change = Augmentation(flips=True, transposes=True, **QUIET)
    for seed in range(60):
        picture, (mask,) = change.apply(image, [image], np.random.default_rng(seed))
        np.testing.assert_array_equal(picture, mask)
        seen.add(orientation_of(image, picture))
    assert seen == {0, 1, 2, 3}


def test_coarse_masks_turn_with_the_picture():
    image = np.full((8, 8), 60, np.uint8)
    image[:4, :4] = 200
    cells = np.zeros((2, 2), np.float32)
    cells[0, 0] = 1
    change = Augmentation(flips=True, transposes=True, **QUIET)
    for seed in range(20):
        picture, (moved,) = change.turn(image, [cells], np.random.default_rng(seed))
        np.testing.assert_array_equal(picture[::4, ::4] > 130, moved > 0)
        assert moved.dtype == np.float32


# === Size and rotation ===


def disc(radius: float, size: int = 101) -> tuple[np.ndarray, np.ndarray]:
    """Return a bright disc off the centre on dark steel, and its mask."""
    y, x = np.indices((size, size))
    mask = (np.hypot(y - 60, x - 50) <= radius).astype(np.uint8)
    return np.where(mask, 200, 60).astype(np.uint8), mask


def test_zoom_changes_areas_up_to_the_square_of_the_factor_either_way():
    image, mask = disc(15)
    change = Augmentation(flips=False, zoom=0.3, **QUIET)
    shares = np.array(
        [
            change.apply(image, [mask], np.random.default_rng(seed))[1][0].sum() / mask.sum()
            for seed in range(300)
        ]
    )
    assert shares.min() == pytest.approx(1.3**-2, abs=0.03)
    assert shares.max() == pytest.approx(1.3**2, abs=0.03)
    assert np.median(shares) == pytest.approx(1, abs=0.1)


def test_rotation_is_about_the_centre_by_no_more_than_asked():
    image, mask = disc(4)
    change = Augmentation(flips=False, rotation_degrees=30, **QUIET)
    angles = []
    for seed in range(300):
        _, (moved,) = change.apply(image, [mask], np.random.default_rng(seed))
        y, x = np.argwhere(moved).mean(axis=0) - 50
        assert np.hypot(y, x) == pytest.approx(10, abs=0.6)
        angles.append(np.degrees(np.arctan2(x, y)))
    assert min(angles) == pytest.approx(-30, abs=3)
    assert max(angles) == pytest.approx(30, abs=3)


def test_masks_are_warped_with_the_picture_and_stay_binary():
    image, mask = disc(20)
    change = Augmentation(flips=True, transposes=True, zoom=0.4, rotation_degrees=45, **QUIET)
    for seed in range(30):
        picture, (moved, none) = change.apply(
            image, [mask, np.zeros_like(mask)], np.random.default_rng(seed)
        )
        assert picture.shape == moved.shape == image.shape
        assert picture.dtype == moved.dtype == np.uint8
        assert set(np.unique(moved)) <= {0, 1}
        assert not none.any()
        assert ((picture > 130) != moved).mean() < 0.02


def test_what_comes_in_at_the_edges_is_mirrored_picture_and_mask_alike():
    image, mask = np.full((40, 60), 60, np.uint8), np.zeros((40, 60), np.uint8)
    image[:, :12], mask[:, :12] = 200, 1
    change = Augmentation(flips=False, zoom=0.5, rotation_degrees=20, **QUIET)
    for seed in range(30):
        picture, (moved,) = change.apply(image, [mask], np.random.default_rng(seed))
        assert picture.min() >= 60
        assert ((picture > 130) != moved).mean() < 0.03


def test_shift_moves_picture_and_mask_by_no_more_than_asked():
    image, mask = disc(4)
    change = Augmentation(flips=False, shift=0.1, **QUIET)
    moves = []
    for seed in range(300):
        picture, (moved,) = change.apply(image, [mask], np.random.default_rng(seed))
        assert ((picture > 130) != moved).mean() < 0.01
        moves.append(np.argwhere(moved).mean(axis=0) - (60, 50))
    assert np.abs(moves).max() == pytest.approx(10.1, abs=0.6)
    assert np.mean(moves, axis=0) == pytest.approx([0, 0], abs=1)


# === Gray values ===


def test_black_stays_black_and_steel_stays_steel():
    image = random_image((16, 16))
    image[:, :5] = np.random.default_rng(0).integers(0, 12, (16, 5))
    change = Augmentation(flips=False, brightness=0.5, contrast=0.5)
    for seed in range(20):
        picture = change.shade(image, np.random.default_rng(seed))
        np.testing.assert_array_equal(picture[:, :5], image[:, :5])
        assert (picture[:, 5:] != image[:, 5:]).any()
        assert picture[:, 5:].min() >= 12
        assert picture.dtype == np.uint8


def test_contrast_stretches_around_the_mean_and_brightness_shifts():
    image = random_image((32, 32), 3) // 4 + 90
    for seed in range(20):
        change = Augmentation(flips=False, brightness=0.1, contrast=0.2)
        picture = change.shade(image, np.random.default_rng(seed)).astype(float)
        rng = np.random.default_rng(seed)
        gain, shift = 1 + rng.uniform(-0.2, 0.2), 255 * rng.uniform(-0.1, 0.1)
        expected = (image - image.mean()) * gain + image.mean() + shift
        np.testing.assert_allclose(picture, expected, atol=0.51)


def test_grain_has_at_most_the_deviation_that_was_asked_for():
    image = np.full((60, 80), 120, np.uint8)
    image[:, :10] = 5
    change = Augmentation(flips=False, noise=6.0)
    spread = []
    for seed in range(100):
        picture = change.shade(image, np.random.default_rng(seed))
        np.testing.assert_array_equal(picture[:, :10], 5)
        assert picture.dtype == np.uint8
        assert picture[:, 10:].mean() == pytest.approx(120, abs=0.5)
        spread.append(picture[:, 10:].std())
    assert max(spread) == pytest.approx(6, abs=0.4)
    assert min(spread) < 1


def test_windows_of_read_only_sheets_can_be_changed():
    sheet = random_image((40, 90))
    sheet.flags.writeable = False
    change = Augmentation(True, 0.1, 0.1, transposes=True)
    mask = np.zeros((40, 40), np.uint8)
    mask[10:14, 10:14] = 1
    for seed in range(10):
        picture, _ = change.apply(sheet[:, 30:70], [mask], np.random.default_rng(seed))
        assert picture.shape == (40, 40)


# === All of it ===


def test_the_same_chance_gives_the_same_picture():
    image = random_image((8, 8))
    change = Augmentation(flips=True, brightness=0.2, contrast=0.2)
    first, second, other = (
        change.apply(image, [image], np.random.default_rng(seed))[0] for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_nothing_is_changed_where_nothing_may():
    image = random_image((8, 8))
    picture, (mask,) = Augmentation(False, 0, 0).apply(image, [image], np.random.default_rng(0))
    np.testing.assert_array_equal(picture, image)
    np.testing.assert_array_equal(mask, image)


def test_parameters_reach_the_augmentation():
    config = SegmentationConfig(
        seed=1, epochs=1, batch_size=1, learning_rate=0.1, patience=1, steps_per_epoch=1,
        transposes=True, brightness=0.3, contrast=0.4, zoom=0.2,
        rotation_degrees=7, shift=0.05, noise=3,
    )  # fmt: skip
    assert tile_augmentation(config) == Augmentation(True, 0.3, 0.4, True, 0.2, 7, 0.05, 3)
