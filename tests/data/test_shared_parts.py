import numpy as np
import pytest

from steel_defects.data.similar import quarter, shared_quarters
from steel_defects.images.orientations import oriented


@pytest.fixture(scope="module")
def pictures(synthetic_sheets) -> list[np.ndarray]:
    return [sheet.image[:200, 700:900].copy() for sheet in synthetic_sheets[:12]]


def test_quarters_tile_the_picture():
    image = np.arange(35, dtype=np.uint8).reshape(5, 7)
    assert [quarter(image, k)[0, 0] for k in range(4)] == [0, 3, 14, 17]
    assert {quarter(image, k).shape for k in range(4)} == {(2, 3)}


def test_unrelated_pictures_share_nothing(pictures):
    assert shared_quarters(pictures.__getitem__, range(len(pictures))).empty


@pytest.mark.parametrize("turn", [0, 1, 6])
def test_a_pasted_half_is_found(pictures, turn):
    stitched = pictures[3].copy()
    stitched[:, :100] = pictures[8][:, :100]
    stitched = np.ascontiguousarray(oriented(stitched, turn))
    read = [*pictures, stitched].__getitem__
    pairs = shared_quarters(read, range(len(pictures) + 1))
    assert pairs[["first", "second"]].to_numpy().tolist() == [[3, 12], [8, 12]]
    assert set(pairs["orientation"]) == {turn}
    assert pairs["score"].min() > 0.9


def test_only_the_named_pictures_are_read(pictures):
    def read(number: int) -> np.ndarray:
        assert number in (2, 5)
        return pictures[4]

    pairs = shared_quarters(read, [2, 5])
    assert pairs[["first", "second"]].to_numpy().tolist() == [[2, 5]]


@pytest.mark.parametrize("shape", [(256, 1600), (40, 40)])
def test_oblong_and_tiny_pictures_are_passed_over(shape):
    noise = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    assert shared_quarters(lambda _: noise, [0, 1]).empty
    assert shared_quarters(lambda _: noise, []).empty
