import math

import numpy as np
import pytest
from sklearn import metrics

from steel_defects.evaluation.classification import classification_metrics, confusion

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
