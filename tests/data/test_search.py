import numpy as np
import pytest
from tests.support.planting import planted

from steel_defects.data import search as similarity
from steel_defects.data.inventory import OBLONG, SQUARE, fingerprint
from steel_defects.data.search import (
    best_orientation,
    least_band,
    nearest,
    rank_within,
    similar_pairs,
    similarity_blocks,
)
from steel_defects.images.orientations import FLIPS, ORIENTATIONS, oriented


@pytest.fixture(scope="module")
def oblong(synthetic_sheets) -> list[np.ndarray]:
    return [sheet.image for sheet in synthetic_sheets[:24]]


@pytest.fixture(scope="module")
def square(oblong) -> list[np.ndarray]:
    """Pieces of sheets that show no border."""
    return [image[:, 700:956] for image in oblong]


def prints(images: list[np.ndarray]) -> np.ndarray:
    return np.stack([fingerprint(np.ascontiguousarray(image)) for image in images])


def whole(left: np.ndarray, right: np.ndarray, shape) -> np.ndarray:
    result = np.zeros((len(left), len(right)), np.float32)
    for row, column, block in similarity_blocks(left, right, shape):
        result[row : row + block.shape[0], column : column + block.shape[1]] = block
    return result


@pytest.mark.parametrize("kind", ["oblong", "square"])
def test_the_best_of_all_orientations_is_found(request, kind):
    images, shape = request.getfixturevalue(kind), OBLONG if kind == "oblong" else SQUARE
    first, second = images[:6], images[6:12]
    found = whole(prints(first), prints(second), shape)
    turned = [prints([oriented(i, number) for i in first]) for number in ORIENTATIONS]
    right = prints(second).astype(np.float32)
    expected = np.max([left.astype(np.float32) @ right.T for left in turned], axis=0)
    np.testing.assert_allclose(found, expected, atol=5e-3)


@pytest.mark.parametrize("kind", ["oblong", "square"])
def test_the_orientation_itself_is_found(request, kind):
    images, shape = request.getfixturevalue(kind), OBLONG if kind == "oblong" else SQUARE
    for number in FLIPS if kind == "oblong" else ORIENTATIONS:
        copies = prints([oriented(image, number) for image in images])
        assert set(best_orientation(prints(images), copies, shape).tolist()) == {number}


@pytest.mark.parametrize("kind", ["oblong", "square"])
def test_a_planted_copy_is_nearest_to_its_original(request, kind):
    images, shape = request.getfixturevalue(kind), OBLONG if kind == "oblong" else SQUARE
    rng = np.random.default_rng(5)
    copies = prints([planted(image, rng) for image in images])
    number, value = nearest(copies, prints(images), shape)
    assert number.tolist() == list(range(len(images)))
    assert value.min() > 0.6


def test_nothing_is_nearest_to_itself_among_its_own(oblong):
    own = prints([*oblong[:5], oblong[2][::-1]])
    number, value = nearest(own, own, OBLONG, others_only=True)
    assert all(number != np.arange(6))
    assert (number[2], number[5]) == (5, 2)
    assert value[2] > 0.99


def test_without_others_nothing_is_near():
    number, value = nearest(np.ones((2, 384)), np.zeros((0, 384)), OBLONG)
    assert number.tolist() == [-1, -1]
    assert value.tolist() == [-1, -1]


def test_pairs_do_not_depend_on_how_much_is_compared_at_a_time(oblong, monkeypatch):
    own = prints([*oblong, *(image[:, ::-1] for image in oblong)])
    expected = similar_pairs(own, OBLONG, 0.3, -1, 50)[["first", "second"]]
    assert len(expected) > 24
    monkeypatch.setattr(similarity, "_ROWS", 5)
    monkeypatch.setattr(similarity, "_COLUMNS", 7)
    pairs = similar_pairs(own, OBLONG, 0.3, -1, 50)[["first", "second"]]
    ordered = (table.sort_values(["first", "second"]) for table in (pairs, expected))
    np.testing.assert_array_equal(*ordered)
    assert (pairs["first"] < pairs["second"]).all()


def test_only_the_most_similar_pairs_of_a_picture_are_listed():
    angles = np.array([0, 0.1, 0.2, 0.3])
    own = np.zeros((4, 384))
    own[:, 1], own[:, 2] = np.cos(angles), np.sin(angles)
    pairs = similar_pairs(own, OBLONG, 0.9, -1, most=1)
    assert pairs[["first", "second"]].to_numpy().tolist() == [[0, 1], [1, 2], [2, 3]]
    np.testing.assert_allclose(pairs["similarity"], np.cos(0.1), atol=1e-3)


def test_pictures_without_structure_are_similar_to_none():
    assert len(similar_pairs(np.zeros((30, 384)), OBLONG, 0.1, -1, 8)) == 0


@pytest.mark.parametrize("shape", [OBLONG, SQUARE])
def test_no_pictures_have_no_pairs(shape):
    assert len(similar_pairs(np.zeros((0, shape.length)), shape, 0.5, 0.4, 8)) == 0


@pytest.mark.parametrize(("kind", "shape"), [("oblong", OBLONG), ("square", SQUARE)])
def test_copies_agree_in_every_band(request, kind, shape):
    images = request.getfixturevalue(kind)
    rng = np.random.default_rng(7)
    own, copies = prints(images), prints([planted(image, rng) for image in images])
    turns = best_orientation(own, copies, shape)
    assert least_band(own, copies, turns, shape).min() > 0.5


def test_pairs_that_agree_in_coarse_structure_alone_are_left_out():
    own = np.zeros((2, *OBLONG.size))
    own[:, 1, 1] = 1
    own[0, 2, 15] = own[1, 3, 15] = own[0, 2, 25] = own[1, 3, 25] = 0.3
    flat = own.reshape(2, -1) / np.linalg.norm(own[0])
    assert len(similar_pairs(flat, OBLONG, 0.6, -1, 8)) == 1
    assert len(similar_pairs(flat, OBLONG, 0.6, 0.4, 8)) == 0


@pytest.mark.parametrize(("kind", "shape"), [("oblong", OBLONG), ("square", SQUARE)])
def test_pairs_come_with_their_orientation(request, kind, shape):
    images = request.getfixturevalue(kind)[:6]
    number = 3 if shape is OBLONG else 6
    own = prints([*images, *(oriented(image, number) for image in images)])
    pairs = similar_pairs(own, shape, 0.95, 0.9, 8)
    assert pairs["first"].tolist() == list(range(6))
    assert pairs["second"].tolist() == list(range(6, 12))
    assert set(pairs["orientation"]) == {number}


def test_ranks_count_from_the_largest_of_each_owner():
    owners = np.array([1, 0, 1, 1, 0])
    values = np.array([0.5, 0.1, 0.9, 0.2, 0.3], np.float32)
    assert rank_within(owners, values).tolist() == [1, 1, 0, 2, 0]
    assert rank_within(owners[:0], values[:0]).tolist() == []
