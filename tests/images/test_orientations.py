import numpy as np
import pytest

from steel_defects.images.orientations import (
    FLIPS,
    ORIENTATIONS,
    brought_over,
    is_oblong,
    laid_down,
    oriented,
    turned,
    turned_back,
)

PICTURE = np.arange(6).reshape(2, 3)


def test_the_orientations_are_the_eight_of_the_square():
    square = np.arange(9).reshape(3, 3)
    found = {oriented(square, number).tobytes() for number in ORIENTATIONS}
    turns = {np.rot90(square, k).tobytes() for k in range(4)}
    mirrored = {np.rot90(square.T, k).tobytes() for k in range(4)}
    assert found == turns | mirrored
    assert len(found) == 8


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, [[0, 1, 2], [3, 4, 5]]),
        (1, [[2, 1, 0], [5, 4, 3]]),
        (2, [[3, 4, 5], [0, 1, 2]]),
        (3, [[5, 4, 3], [2, 1, 0]]),
        (4, [[0, 3], [1, 4], [2, 5]]),
        (6, [[2, 5], [1, 4], [0, 3]]),
    ],
)
def test_numbers_say_what_is_done(number, expected):
    np.testing.assert_array_equal(oriented(PICTURE, number), expected)


def test_flips_keep_the_shape():
    assert all(oriented(PICTURE, number).shape == (2, 3) for number in FLIPS)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(6, 6), (4, 7), (1, 5)])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_turned_is_oriented(orientation: int, shape: tuple[int, int], dtype: type):
    image = np.random.default_rng(0).integers(20, 250, shape).astype(dtype)
    result = turned(image, orientation)
    np.testing.assert_array_equal(result, oriented(image, orientation))
    assert result.dtype == dtype


@pytest.mark.parametrize("shape", [(6, 6), (4, 7, 1), (4, 7, 5)])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_turned_back_is_as_before(orientation: int, shape: tuple[int, ...]):
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    seen = np.ascontiguousarray(oriented(image, orientation))
    np.testing.assert_array_equal(turned_back(seen, orientation), image)


@pytest.mark.parametrize(
    ("height", "width", "oblong"), [(100, 200, True), (200, 100, True), (100, 199, False)]
)
def test_oblong_is_twice_as_long(height, width, oblong):
    assert is_oblong(height, width) == oblong


def test_only_oblong_pictures_that_stand_are_laid_down():
    for shape, lying in [((4, 8), (4, 8)), ((8, 4), (4, 8)), ((6, 4), (6, 4))]:
        assert laid_down(np.zeros(shape)).shape == lying


@pytest.mark.parametrize("turns", range(4))
def test_an_oblong_picture_is_brought_over_its_turned_copy(turns):
    picture = np.arange(32).reshape(4, 8)
    copy = np.rot90(picture, turns)
    found = [
        number
        for number in FLIPS
        if np.array_equal(brought_over(picture, number, copy.shape), copy)
    ]
    assert len(found) == 1
