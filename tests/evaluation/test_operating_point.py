import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from steel_defects.evaluation.operating_point import (
    OperatingPointConfig,
    choose_operating_point,
    lower_bound,
    upper_bound,
)


def config(recall=0.98, false_positive_rate=0.1, confidence=0.95) -> OperatingPointConfig:
    return OperatingPointConfig(
        target_recall=recall,
        target_false_positive_rate=false_positive_rate,
        confidence=confidence,
    )


def test_thresholds_by_hand():
    defective = [0.05, 0.40, 0.45, 0.50, 0.60, 0.70, 0.80, 0.90, 0.95, 0.99]
    clean = [0.01, 0.02, 0.03, 0.10, 0.20, 0.30, 0.35, 0.42, 0.55, 0.75]
    labels = np.array([True] * 10 + [False] * 10)
    point = choose_operating_point(labels, np.array(defective + clean), config(0.9, 0.2))
    # One of ten may be missed, so the second lowest defective score is the first one kept.
    assert point.lower_threshold == 0.40
    assert point.recall == 0.9
    # 0.42, 0.55 and 0.75 of the clean ones are not cleared.
    assert point.false_positive_rate == 0.3
    # Two of ten may alarm, 0.55 and 0.75: the threshold lies just above the third highest.
    assert 0.42 < point.upper_threshold < 0.42 + 1e-12
    assert (point.defective_sheets, point.clean_sheets) == (10, 10)
    assert point.recall_bound == pytest.approx(lower_bound(9, 10, 0.95))
    assert point.false_positive_bound == pytest.approx(upper_bound(3, 10, 0.95))
    assert not point.proven


@pytest.mark.parametrize("sheets", [10, 20, 30, 50, 100, 1000])
@pytest.mark.parametrize("recall", [0.9, 0.95, 0.98])
def test_as_many_are_missed_as_the_target_allows(sheets, recall):
    labels = np.ones(sheets, bool)
    point = choose_operating_point(labels, np.arange(sheets) / sheets, config(recall))
    allowed = sheets * round(1000 - 1000 * recall) // 1000
    assert point.lower_threshold == allowed / sheets
    assert point.recall == (sheets - allowed) / sheets


@pytest.mark.parametrize(("hits", "trials"), [(0, 5), (1, 5), (5, 5), (97, 100), (149, 149)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_bounds_are_those_of_scipy(hits, trials, confidence):
    def bounds(alternative: str):
        test = binomtest(hits, trials, alternative=alternative)
        return test.proportion_ci(confidence, method="exact")

    assert lower_bound(hits, trials, confidence) == pytest.approx(bounds("greater").low)
    assert upper_bound(hits, trials, confidence) == pytest.approx(bounds("less").high)


@pytest.mark.parametrize(("sheets", "proven"), [(148, False), (149, True)])
def test_it_takes_149_sheets_without_a_miss_to_prove_98_percent(sheets, proven):
    point = choose_operating_point(np.ones(sheets, bool), np.full(sheets, 0.9), config())
    assert point.recall == 1.0
    assert point.proven is proven
    assert point.needed_defective_sheets == 149


def test_without_defective_sheets_nothing_is_cleared_and_nothing_proven():
    scores = np.array([0.0, 0.2, 0.4])
    point = choose_operating_point(np.zeros(3, bool), scores, config())
    assert point.recall is None
    assert point.recall_bound == 0.0
    assert not point.proven
    assert not (scores < point.lower_threshold).any()
    assert point.false_positive_rate == 1.0


def test_without_clean_sheets_nothing_is_known_of_false_positives():
    point = choose_operating_point(np.ones(3, bool), np.array([0.2, 0.4, 0.6]), config())
    assert point.lower_threshold == 0.2
    assert point.upper_threshold == 1.0
    assert point.false_positive_rate is None
    assert point.false_positive_bound == 1.0


def test_no_sheets_at_all_clear_nothing():
    point = choose_operating_point(np.zeros(0, bool), np.zeros(0), config())
    assert (point.lower_threshold, point.upper_threshold) == (0.0, 1.0)
    assert not point.proven


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 0.999)), max_size=40),
    st.floats(0.5, 0.99),
    st.floats(0.01, 0.5),
)
def test_targets_hold_whatever_the_scores(sheets, recall, false_positive_rate):
    labels = np.array([label for label, _ in sheets], bool)
    scores = np.array([score for _, score in sheets])
    point = choose_operating_point(labels, scores, config(recall, false_positive_rate))
    assert 0 <= point.lower_threshold <= point.upper_threshold <= 1
    missed = (scores[labels] < point.lower_threshold).sum()
    assert missed <= (1 - recall) * labels.sum() + 1e-6
    alarms = (scores[~labels] >= point.upper_threshold).sum()
    assert alarms <= false_positive_rate * (~labels).sum() + 1e-6
    # A higher threshold would miss too many.
    if labels.any():
        assert (scores[labels] <= point.lower_threshold).sum() > (1 - recall) * labels.sum() - 1e-6
