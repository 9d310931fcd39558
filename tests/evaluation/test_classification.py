import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.classification import (
    EVEN_ODDS,
    accuracy_threshold,
    classification_metrics,
    confusion,
)

LABELS = np.array([True, True, True, False, False])
SCORES = np.array([0.9, 0.5, 0.2, 0.6, 0.1])


def test_figures_by_hand():
    assert classification_metrics(LABELS, SCORES) == pytest.approx(
        {
            "sheets": 5,
            "accuracy": 3 / 5,
            "balanced_accuracy": (2 / 3 + 1 / 2) / 2,
            "recall": 2 / 3,  # 0.5 counts as a defect
            "false_positive_rate": 1 / 2,
            "roc_auc": 4 / 6,  # of the six pairs, (0.5, 0.6) and (0.2, 0.6) are the wrong way
            "pr_auc": (1 / 1 + 2 / 3 + 3 / 4) / 3,
            "brier": (0.1**2 + 0.5**2 + 0.8**2 + 0.6**2 + 0.1**2) / 5,
            "log_loss": -math.log(0.9 * 0.5 * 0.2 * 0.4 * 0.9) / 5,
        }
    )


def test_figures_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    labels = rng.random(300) < 0.4
    scores = np.clip(0.4 * labels + 0.6 * rng.random(300), 0, 1)
    decisions = scores >= 0.5
    assert classification_metrics(labels, scores) == pytest.approx(
        {
            "sheets": 300,
            "accuracy": metrics.accuracy_score(labels, decisions),
            "balanced_accuracy": metrics.balanced_accuracy_score(labels, decisions),
            "recall": metrics.recall_score(labels, decisions),
            "false_positive_rate": 1 - metrics.recall_score(~labels, ~decisions),
            "roc_auc": metrics.roc_auc_score(labels, scores),
            "pr_auc": metrics.average_precision_score(labels, scores),
            "brier": metrics.brier_score_loss(labels, scores),
            "log_loss": metrics.log_loss(labels, scores),
        }
    )


def test_defective_sheets_alone():
    result = classification_metrics(np.ones(4, bool), np.array([0.9, 0.8, 0.7, 0.1]))
    assert result["accuracy"] == result["recall"] == 0.75
    for name in ("false_positive_rate", "balanced_accuracy", "roc_auc", "pr_auc"):
        assert math.isnan(result[name]), name
    assert result["log_loss"] == pytest.approx(-math.log(0.9 * 0.8 * 0.7 * 0.1) / 4)


def test_clean_sheets_alone():
    result = classification_metrics(np.zeros(4, bool), np.array([0.9, 0.2, 0.3, 0.1]))
    assert result["accuracy"] == 0.75
    assert result["false_positive_rate"] == 0.25
    for name in ("recall", "balanced_accuracy", "roc_auc", "pr_auc"):
        assert math.isnan(result[name]), name


def test_no_sheets_give_nan():
    result = classification_metrics(np.zeros(0, bool), np.zeros(0))
    assert result.pop("sheets") == 0
    assert all(math.isnan(value) for value in result.values())


def test_certain_and_wrong_has_a_finite_log_loss():
    result = classification_metrics(np.array([True, False]), np.array([0.0, 1.0]))
    assert result["log_loss"] == pytest.approx(-math.log(1e-7))


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
        classification_metrics(np.array([True, False]), np.full(2, np.nan))
