import numpy as np
import pytest

from steel_defects.labels import rle
from steel_defects.labels.rle import RleError
from steel_defects.training.windows import (
    Runs,
    Window,
    cut,
    place_anywhere,
    place_on_defect,
    place_on_steel,
)

HEIGHT, WIDTH = 24, 60


def random_mask(seed: int, share: float = 0.3) -> np.ndarray:
    return (np.random.default_rng(seed).random((HEIGHT, WIDTH)) < share).astype(np.uint8)


def runs_of(mask: np.ndarray) -> Runs:
    return Runs.parse(rle.encode(mask), *mask.shape)


# === Masks ===


@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
def test_a_window_of_a_mask_is_that_part_of_the_whole(share: float):
    rng = np.random.default_rng(5)
    for seed in range(40):
        mask = random_mask(seed, share)
        height, width = int(rng.integers(1, HEIGHT + 1)), int(rng.integers(1, WIDTH + 1))
        window = place_anywhere((HEIGHT, WIDTH), (height, width), rng)
        painted = runs_of(mask).paint(window)
        expected = cut(mask, window)
        if painted is None:
            assert not expected.any()
        else:
            np.testing.assert_array_equal(painted, expected)
            assert painted.dtype == np.uint8


def test_runs_that_reach_over_the_sides_of_a_window():
    mask = np.zeros((4, 10), np.uint8)
    mask[:, 2:8] = 1
    assert runs_of(mask).paint(Window(3, 1, 4, 2)).tolist() == [[1] * 4] * 2
    assert runs_of(mask).paint(Window(0, 0, 2, 4)) is None
    assert runs_of(mask).paint(Window(8, 0, 2, 4)) is None


def test_runs_that_touch_each_other():
    assert Runs.parse("1 2 3 2", 4, 2).paint(Window(0, 0, 2, 4)).tolist() == [[1, 0]] * 4


def test_a_broken_mask_is_refused():
    with pytest.raises(RleError):
        Runs.parse("9 3", 2, 5)


def test_every_defective_pixel_is_drawn_as_often():
    mask = random_mask(1, 0.02)
    runs, rng = runs_of(mask), np.random.default_rng(0)
    count = 300 * int(mask.sum())
    drawn = np.zeros(mask.shape)
    for _ in range(count):
        column, row = runs.draw_pixel(rng)
        drawn[row, column] += 1
    assert (drawn[mask == 0] == 0).all()
    np.testing.assert_allclose(drawn[mask == 1], 300, atol=100)


# === Places ===


def test_a_window_on_a_defect_shows_one_of_its_pixels_anywhere_in_it():
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[10, 30] = 1
    runs, rng = runs_of(mask), np.random.default_rng(0)
    windows = [place_on_defect(runs, mask.shape, (8, 12), rng) for _ in range(600)]
    assert all(cut(mask, window).any() for window in windows)
    assert {window.x for window in windows} == set(range(19, 31))
    assert {window.y for window in windows} == set(range(3, 11))


@pytest.mark.parametrize(("row", "column"), [(0, 0), (HEIGHT - 1, WIDTH - 1)])
def test_a_window_on_a_defect_stays_on_the_sheet(row: int, column: int):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[row, column] = 1
    window = place_on_defect(runs_of(mask), mask.shape, (8, 12), np.random.default_rng(0))
    assert cut(mask, window).shape == (8, 12)
    assert cut(mask, window).any()


def test_any_place_is_taken():
    rng = np.random.default_rng(0)
    windows = [place_anywhere((10, 13), (8, 10), rng) for _ in range(300)]
    assert {(window.y, window.x) for window in windows} == {
        (y, x) for y in range(3) for x in range(4)
    }


def half_black(height: int = 64, width: int = 640) -> np.ndarray:
    image = np.full((height, width), 90, np.uint8)
    image[:, : width // 2] = 3
    return image


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
@pytest.mark.parametrize("most", [0.0, 0.25, 0.6])
def test_windows_on_steel_keep_off_the_black_border(most: float, turn: int):
    image, rng = np.rot90(half_black(), turn), np.random.default_rng(0)
    windows = [place_on_steel(image, (64, 64), most, rng) for _ in range(400)]
    shares = [(cut(image, window) < 12).mean() for window in windows]
    assert all(cut(image, window).shape == (64, 64) for window in windows)
    # Measured at every eighth pixel: the border may lie up to 7 of 64 further in.
    assert max(shares) <= most + 0.11
    starts = [window.y if turn % 2 else window.x for window in windows]
    assert len(set(starts)) > 100
    assert max(starts) - min(starts) > 256 + 64 * most - 48


def test_a_black_sheet_has_windows_too():
    image, rng = np.zeros((64, 200), np.uint8), np.random.default_rng(0)
    starts = {place_on_steel(image, (64, 64), 0.2, rng).x for _ in range(400)}
    assert min(starts) < 10
    assert max(starts) > 126


def test_without_black_windows_lie_anywhere():
    image, rng = np.full((64, 200), 80, np.uint8), np.random.default_rng(0)
    starts = {place_on_steel(image, (64, 64), 0.0, rng).x for _ in range(2000)}
    assert starts == set(range(137))


@pytest.mark.parametrize("size", [(30, 50), (5, 7)])
def test_windows_on_steel_of_odd_sizes(size: tuple[int, int]):
    image, rng = half_black(30, 50), np.random.default_rng(0)
    for _ in range(50):
        assert cut(image, place_on_steel(image, size, 0.2, rng)).shape == size
