import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from tests.support.operating_points import operating_point

from steel_defects.decision.intervals import (
    allowed_misses,
    lower_bound,
    needed_trials,
    share_interval,
    upper_bound,
)
from steel_defects.decision.operating_point import (
    OperatingPointConfig,
    Thresholds,
    choose_operating_point,
    measure_rates,
)
from steel_defects.errors import SteelDefectsError

BAND = Thresholds(0.5, 0.95)


def config(recall=0.98, false_positive_rate=0.1) -> OperatingPointConfig:
    return OperatingPointConfig(
        target_recall=recall,
        target_false_positive_rate=false_positive_rate,
    )


def ramp(sheets: int) -> np.ndarray:
    return np.arange(sheets) / sheets


def test_what_is_below_the_lower_threshold_is_cleared():
    point = operating_point(lower_threshold=0.3)
    assert point.thresholds == (0.3, 0.6)
    assert (point.clears(0.29), point.clears(0.3)) == (True, False)
    assert point.clears(np.array([[0.1, 0.3]])).tolist() == [[True, False]]
    assert point.clears(pd.Series([0.1, np.nan])).tolist() == [True, False]


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


@pytest.mark.parametrize("sheets", [10, 20, 28, 50, 100, 1000])
@pytest.mark.parametrize("recall", [0.9, 0.95, 0.98])
def test_as_many_are_missed_as_the_target_allows_or_fewer_where_that_proves_it(sheets, recall):
    point = choose_operating_point(np.ones(sheets, bool), ramp(sheets), config(recall))
    allowed = sheets * round(1000 - 1000 * recall) // 1000
    assert point.allowed_misses <= allowed
    assert point.lower_threshold == point.allowed_misses / sheets
    assert point.recall == (sheets - point.allowed_misses) / sheets
    if not point.proven:
        assert point.allowed_misses == allowed


@pytest.mark.parametrize(("hits", "trials"), [(0, 5), (1, 5), (5, 5), (97, 100), (149, 149)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_bounds_are_those_of_scipy(hits, trials, confidence):
    def bounds(alternative: str):
        test = binomtest(hits, trials, alternative=alternative)
        return test.proportion_ci(confidence, method="exact")

    assert lower_bound(hits, trials, confidence) == pytest.approx(bounds("greater").low)
    assert upper_bound(hits, trials, confidence) == pytest.approx(bounds("less").high)
    both = bounds("two-sided")
    assert share_interval(hits, trials, confidence) == pytest.approx((both.low, both.high))


# === What proves a recall ===


@pytest.mark.parametrize(
    ("recall", "misses", "sheets"), [(0.98, 0, 149), (0.99, 0, 299), (0.9, 0, 29), (0.95, 1, 93)]
)
def test_sheets_that_prove_a_recall_by_the_book(recall, misses, sheets):
    # Tables of tolerance limits at 95 % confidence: 29 for 90/95, 59 and 93 for 95/95.
    assert needed_trials(misses, recall, 0.95) == sheets
    assert allowed_misses(sheets, recall, 0.95) == misses
    assert allowed_misses(sheets - 1, recall, 0.95) == misses - 1


@given(st.integers(0, 3000), st.floats(0.5, 0.999), st.floats(0.5, 0.99))
def test_one_more_miss_would_prove_too_little(sheets, recall, confidence):
    misses = allowed_misses(sheets, recall, confidence)
    assert misses < 0 or binom.cdf(misses, sheets, 1 - recall) <= 1 - confidence
    assert binom.cdf(misses + 1, sheets, 1 - recall) > 1 - confidence
    if misses >= 0:
        assert needed_trials(misses, recall, confidence) <= sheets


@pytest.mark.slow
def test_a_proven_recall_holds_as_often_as_its_confidence_says():
    sheets, recall = 100, 0.9
    rng = np.random.default_rng(3)
    true, bound = [], []
    for _ in range(500):
        scores = rng.random(sheets)  # a new score reaches t with probability 1 - t
        point = choose_operating_point(np.ones(sheets, bool), scores, config(recall))
        assert point.proven
        true.append(1 - point.lower_threshold)
        bound.append(point.recall_bound)
    # Exactly: the probability that 100 draws hold more misses than this threshold allows.
    exact = 1 - binom.cdf(point.allowed_misses, sheets, 1 - recall)
    held = np.mean(np.array(true) >= recall)
    assert held >= 0.95
    assert held == pytest.approx(exact, abs=0.04)
    assert np.mean(np.array(true) >= bound) == pytest.approx(0.95, abs=0.05)


@pytest.mark.slow
def test_a_bound_holds_for_scores_that_are_mostly_equal():
    rng = np.random.default_rng(4)
    values, weights = np.array([0.1, 0.2, 0.9]), np.array([0.06, 0.04, 0.9])
    held = []
    for _ in range(300):
        scores = rng.choice(values, 60, p=weights)
        point = choose_operating_point(np.ones(60, bool), scores, config(0.9))
        held.append(weights[values >= point.lower_threshold].sum() >= 0.9 - 1e-9)
    assert np.mean(held) >= 0.95


def test_what_it_would_take_is_said():
    scores = np.concatenate([ramp(100), np.zeros(4)])
    point = choose_operating_point(np.arange(104) < 100, scores, config(0.98))
    assert not point.proven
    assert (point.allowed_misses, point.needed_defective_sheets) == (2, 149)
    assert point.more_defective_sheets == 49
    assert point.more_with_these_misses == needed_trials(2, 0.98, 0.95) - 100
    assert binom.cdf(2, 100 + point.more_with_these_misses, 0.02) <= 0.05


# === Repeats of a cross-validation ===


def test_repeats_do_not_count_as_new_sheets():
    labels, scores = np.array([True] * 149 + [False] * 10), np.full(159, 0.9)
    once = choose_operating_point(labels, scores, config())
    thrice = choose_operating_point(labels, np.stack([scores] * 3), config())
    assert thrice == once
    assert thrice.defective_sheets == 149


def test_a_miss_in_one_of_three_repeats_counts_against_the_bound():
    table = np.full((3, 20), 0.9)
    table[1, 0] = 0.1
    rates = measure_rates(np.ones(20, bool), table, BAND)
    assert rates.recall == pytest.approx(59 / 60)
    assert rates.recall_bound == pytest.approx(lower_bound(19, 20, 0.95))
    clean = measure_rates(np.zeros(20, bool), 1 - table, BAND)
    assert clean.false_positive_rate == pytest.approx(1 / 60)
    assert clean.false_positive_bound == pytest.approx(upper_bound(1, 20, 0.95))


# === Look-alikes ===


def test_copies_prove_no_more_than_one_of_them():
    labels, scores = np.array([True] * 75 + [False] * 20), np.linspace(0.99, 0.5, 95)
    once = choose_operating_point(labels, scores, config(0.96))
    assert once.proven
    groups = np.repeat(np.arange(95), 4)
    copies = np.repeat(labels, 4), np.repeat(scores, 4), config(0.96), "calibration"
    fourfold = choose_operating_point(*copies, groups)
    counts = {"defective_sheets": 300, "clean_sheets": 80}
    assert fourfold == once.model_copy(update=counts)
    assert not choose_operating_point(*copies[:2], config(0.99), "calibration", groups).proven
    assert choose_operating_point(*copies[:2], config(0.99)).proven, "without knowing of copies"


def test_a_group_is_missed_where_one_of_its_sheets_is():
    labels, groups = np.ones(6, bool), np.array([4, 0, 4, 0, 7, 7])
    rates = measure_rates(labels, np.array([0.1, 0.9, 0.9, 0.8, 0.7, 0.9]), BAND, groups)
    assert rates.recall == pytest.approx(5 / 6)
    assert rates.recall_bound == pytest.approx(lower_bound(2, 3, 0.95))
    clean = measure_rates(~labels, np.array([0.1, 0.9, 0.2, 0.1, 0.2, 0.1]), BAND, groups)
    assert clean.false_positive_bound == pytest.approx(upper_bound(1, 3, 0.95))


def test_scores_of_other_models_prove_nothing():
    labels, scores = np.ones(149, bool), np.full(149, 0.9)
    point = choose_operating_point(labels, scores, config(), "out_of_fold")
    assert not point.proven
    assert point.recall_bound >= 0.98


# === The review band ===


def test_shares_of_the_review_band_by_hand():
    scores = np.array([0.1, 0.2, 0.3, 0.6, 0.8])
    rates = measure_rates(np.array([False, False, True, True, True]), scores, Thresholds(0.3, 0.7))
    assert (rates.accept_share, rates.review_share, rates.reject_share) == (0.4, 0.4, 0.2)
    assert (rates.recall, rates.false_positive_rate) == (1.0, 0.0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("labels", [[], [True], [False]])
def test_a_sheet_or_none_is_answered_without_a_warning(labels):
    flags = np.array(labels, bool)
    point = choose_operating_point(flags, np.full(len(flags), 0.4), config())
    assert not point.proven
    assert point.more_defective_sheets == 149 - sum(labels)
    assert point.review_share == (None if not labels else 1.0 if labels[0] else point.review_share)


def test_scores_that_are_not_numbers_are_refused():
    with pytest.raises(SteelDefectsError, match="1 of 2 scores are not numbers"):
        choose_operating_point(np.array([True, False]), np.array([0.3, np.nan]), config())


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
    # A higher threshold would miss too many; a proof may ask for a lower one.
    if labels.any() and not point.proven:
        assert (scores[labels] <= point.lower_threshold).sum() > (1 - recall) * labels.sum() - 1e-6
