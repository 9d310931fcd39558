import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.classification import (
    EVEN_ODDS,
    accuracy_threshold,
    confusion,
)

LABELS = np.array([True, True, True, False, False])
SCORES = np.array([0.9, 0.5, 0.2, 0.6, 0.1])


def test_confusion_counts_clean_above_defective():
    assert confusion(LABELS, SCORES, threshold=0.5).tolist() == [[1, 1], [1, 2]]
    assert confusion(LABELS, SCORES, threshold=0.95).tolist() == [[2, 0], [3, 0]]
    assert confusion(LABELS[:3], SCORES[:3], threshold=0.2).tolist() == [[0, 0], [0, 3]]


def test_confusion_of_no_sheets_is_zero():
    assert confusion(np.zeros(0, bool), np.zeros(0), threshold=0.5).tolist() == [[0, 0], [0, 0]]


# === The threshold of accuracy ===


def halves(clean: list[float], defective: list[float]) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(len(clean) + len(defective)) >= len(clean), np.array(clean + defective)


def test_the_threshold_lies_in_the_middle_of_the_widest_gap():
    labels, scores = halves([0.1] * 10, [0.7] * 10)
    assert accuracy_threshold(labels, scores) == pytest.approx(0.4)
    # One mistake either at 0.1 … 0.3 or at 0.4 … 0.9: the second gap is the wider one.
    labels, scores = halves([0.1] * 10 + [0.4], [0.3] + [0.9] * 10)
    assert accuracy_threshold(labels, scores) == pytest.approx(0.65)


def test_too_few_sheets_of_a_kind_leave_even_odds():
    labels, scores = halves([0.1] * 9, [0.2] * 30)
    assert accuracy_threshold(labels, scores) == EVEN_ODDS
    assert accuracy_threshold(labels[:0], scores[:0]) == EVEN_ODDS


def test_repeats_of_a_sheet_are_not_more_sheets():
    labels, scores = halves([0.1] * 12, [0.7] * 60)  # four sheets and twenty, three times each
    assert accuracy_threshold(labels, scores) != EVEN_ODDS
    assert accuracy_threshold(labels, scores, np.full(72, 1 / 3)) == EVEN_ODDS
    labels, scores = halves([0.1] * 30 + [0.7], [0.3] * 30)
    weights = np.full(61, 1 / 3)
    assert accuracy_threshold(labels, scores, weights) == accuracy_threshold(labels, scores)


def test_where_all_are_best_flagged_or_none_the_threshold_says_so():
    labels, scores = halves([1.0] * 10, [1.0] * 30)
    assert (scores >= accuracy_threshold(labels, scores)).all()
    labels, scores = halves([1.0] * 30, [1.0] * 10)
    assert not (scores >= accuracy_threshold(labels, scores)).any()


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=20, max_size=60))
def test_no_other_threshold_is_right_more_often(sheets):
    labels = np.array([label for label, _ in sheets])
    scores = np.array([score for _, score in sheets])
    if min(labels.sum(), (~labels).sum()) < 10:
        return
    chosen = accuracy_threshold(labels, scores)
    tried = [0.0, *scores, np.nextafter(1.0, 2.0)]
    best = max(((scores >= t) == labels).mean() for t in tried)
    assert ((scores >= chosen) == labels).mean() == best


def test_scores_that_are_not_numbers_are_refused():
    with pytest.raises(SteelDefectsError, match="2 of 2 scores are not numbers"):
        accuracy_threshold(np.array([True, False]), np.full(2, np.nan))
