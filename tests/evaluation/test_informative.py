import numpy as np
import pytest

from steel_defects.evaluation.informative import informative_order, uncertainty


def directions(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def flags(*places: int, of: int) -> np.ndarray:
    return np.isin(np.arange(of), places)


def test_of_sheets_alike_the_uncertain_one_comes_first():
    scores = np.array([[0.9], [0.5], [0.1], [0.65]])
    order = informative_order(scores, directions(0, 90, 90, 90), flags(0, of=4), 1)
    assert order.tolist() == [1]


def test_of_equally_uncertain_sheets_the_farthest_comes_first():
    scores = np.full((4, 2), 0.4)
    order = informative_order(scores, directions(0, 10, 120, 60), flags(0, of=4), 3)
    assert order.tolist() == [2, 3, 1]


def test_picked_sheets_lie_apart_from_each_other():
    # Two bundles of three, both far from what is labelled.
    features = directions(0, 90, 91, 92, 270, 271, 272)
    order = informative_order(np.full((7, 1), 0.5), features, flags(0, of=7), 2)
    assert {int(place) > 3 for place in order} == {True, False}


def test_without_a_label_and_without_doubt_distance_decides():
    scores = np.array([[0.0], [0.0], [1.0]])
    order = informative_order(scores, directions(0, 5, 90), flags(of=3), 2)
    assert order.tolist() == [0, 2]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [0, 3, 1500])
def test_each_unlabelled_sheet_is_named_once_and_no_other(seed, count):
    rng = np.random.default_rng(seed)
    labelled = rng.random(1400) < 0.9
    features, scores = rng.normal(size=(1400, 4)), rng.random((1400, 3))
    features[rng.random(1400) < 0.1] = 0  # pictures without structure
    order = informative_order(scores, features, labelled, count)
    assert len(order) == min(count, (~labelled).sum()) == len(set(order.tolist()))
    assert not labelled[order].any()
    assert order.tolist() == informative_order(scores, 7 * features, labelled, count).tolist()


def test_the_least_certain_class_counts_and_the_cut_may_lie_anywhere():
    scores = np.array([[0.0, 1.0], [0.5, 0.0], [0.75, 0.25], [0.2, 0.0]])
    assert uncertainty(scores).tolist() == pytest.approx([0, 1, 0.5, 0.4])
    assert uncertainty(scores, cut=0.2).tolist() == pytest.approx([0, 0.625, 0.9375, 1])
