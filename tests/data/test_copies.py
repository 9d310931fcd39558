import numpy as np
import pytest
from tests.support.planting import brightened, moved, resaved

from steel_defects.data.similar import COPY_SCORE, copy_score, copy_scores
from steel_defects.images.orientations import oriented

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def images(synthetic_sheets) -> list[np.ndarray]:
    return [sheet.image for sheet in synthetic_sheets[:16]]


@pytest.mark.parametrize(
    "change",
    [
        np.copy,
        resaved,
        brightened,
        lambda image: moved(image, 4, -4),
        lambda image: moved(image, -3, 2),
    ],
    ids=["same", "resaved", "brightened", "moved far", "moved"],
)
def test_copies_score_high(images, change):
    assert min(copy_score(image, change(image), 0) for image in images) > COPY_SCORE + 0.1


def test_different_sheets_score_low(images):
    scores = [copy_score(images[k], images[k + 1], turn) for k in range(15) for turn in (0, 3)]
    assert max(scores) < COPY_SCORE - 0.2


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_a_turned_copy_needs_its_orientation(images, turn):
    image = images[0]
    copy = resaved(oriented(image, turn))
    scores = [copy_score(image, copy, number) for number in range(4)]
    assert np.argmax(scores) == turn
    assert scores[turn] > 0.7
    assert np.delete(scores, turn).max() < COPY_SCORE


@pytest.mark.parametrize("number", range(8))
def test_small_square_pictures_are_compared_in_all_orientations(images, number):
    piece = images[1][:200, 700:900]
    copy = resaved(moved(oriented(piece, number), 1, 2))
    assert copy_score(piece, copy, number) > 0.6


def test_an_oblong_copy_may_stand(images):
    standing = np.rot90(images[2])
    scores = [copy_score(images[2], standing, number) for number in range(4)]
    assert max(scores) > 0.9


def test_other_sizes_are_no_copies(images):
    assert copy_score(images[0], images[0][:, :-1], 0) == -1
    assert copy_score(images[0][:200, :200], images[0][:100, :200], 4) == -1


@pytest.mark.parametrize("shape", [(256, 1600), (40, 40), (8, 8)])
def test_flat_pictures_are_no_copies_of_each_other(shape):
    flat = np.full(shape, 90, np.uint8)
    assert copy_score(flat, flat, 0) < COPY_SCORE


def test_pictures_of_one_row_are_compared():
    thin = np.random.default_rng(0).integers(0, 256, (1, 2000), np.uint8)
    assert copy_score(thin, thin, 0) <= 1


def test_pairs_are_compared_in_order_whatever_the_threads(images):
    pairs = [(0, 1, 0), (0, 2, 0), (3, 3, 0), (4, 5, 1)]
    expected = [copy_score(images[a], images[b], turn) for a, b, turn in pairs]
    assert copy_scores(pairs, images.__getitem__) == expected
    assert copy_scores([], images.__getitem__) == []
