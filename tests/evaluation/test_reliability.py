"""Reliability and calibration error, by hand."""

import numpy as np
import pytest
from scipy.stats import beta

from steel_defects.evaluation.classification import expected_calibration_error, reliability_table


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
