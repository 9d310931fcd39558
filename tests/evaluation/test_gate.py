import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.gate import (
    EVEN_ODDS,
    accuracy_threshold,
    expected_calibration_error,
    reliability_table,
)

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


@pytest.mark.slow
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


# === Reliability and calibration error ===


def two_bins() -> tuple[np.ndarray, np.ndarray]:
    """Ten sheets scored about 0.2, of which one is defective, and ten about 0.8, of which six."""
    scores = np.concatenate([np.linspace(0.15, 0.25, 10), np.linspace(0.75, 0.85, 10)])
    labels = np.zeros(20, bool)
    labels[[3, 10, 11, 12, 13, 14, 15]] = True
    return labels, scores


def test_bins_by_hand_in_any_order():
    labels, scores = two_bins()
    order = np.random.default_rng(0).permutation(20)
    table = reliability_table(labels[order], scores[order])
    assert table["sheets"].tolist() == [10, 10]
    np.testing.assert_allclose(table["mean_score"], [0.2, 0.8])
    np.testing.assert_allclose(table["defective_share"], [0.1, 0.6])
    # Clopper and Pearson's interval of 6 in 10 is 0.2624 to 0.8784.
    np.testing.assert_allclose(table.loc[1, ["low", "high"]].astype(float), [0.2624, 0.8784], 1e-3)
    assert table.loc[0, "low"] == pytest.approx(beta.ppf(0.025, 1, 10))


def test_calibration_error_by_hand():
    labels, scores = two_bins()
    assert expected_calibration_error(labels, scores) == pytest.approx((0.1 + 0.2) / 2)
    # Of unlike bins the larger one counts for more: 0.1 on 20 sheets, 0.6 on 10.
    scores = np.concatenate([np.full(20, 0.1), np.full(10, 0.4)])
    labels = np.arange(30) >= 20
    assert expected_calibration_error(labels, scores) == pytest.approx((20 * 0.1 + 10 * 0.6) / 30)


def test_equal_scores_share_a_bin():
    scores = np.array([0.0] * 25 + [1.0] * 15)
    table = reliability_table(scores > 0, scores)
    assert table["sheets"].tolist() == [25, 15]
    assert reliability_table(np.zeros(90, bool), np.full(90, 0.5))["sheets"].tolist() == [90]


@pytest.mark.parametrize(("sheets", "bins"), [(1, 1), (19, 1), (20, 2), (149, 14), (900, 15)])
def test_few_sheets_make_few_bins(sheets, bins):
    scores = np.linspace(0, 1, sheets)
    table = reliability_table(scores > 0.5, scores)
    assert len(table) == bins
    assert table["sheets"].sum() == sheets
    assert table["sheets"].max() - table["sheets"].min() <= 1


def test_no_sheets():
    nothing = np.zeros(0)
    assert reliability_table(nothing > 0, nothing).empty
    assert np.isnan(expected_calibration_error(nothing > 0, nothing))


def test_true_probabilities_are_nearly_reliable_and_sharpened_ones_are_not():
    rng = np.random.default_rng(1)
    scores = rng.uniform(size=3000)
    labels = rng.uniform(size=3000) < scores
    assert expected_calibration_error(labels, scores) < 0.03
    assert expected_calibration_error(labels, (scores > 0.5).astype(float)) > 0.2
