import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, logit

from steel_defects.decision.calibration import (
    Calibration,
    class_balance_bias,
    fit_calibration,
    scale_scores,
)
from steel_defects.errors import SteelDefectsError

EVEN = np.array([True, False] * 50)


def simulate(
    temperature: float, sheets: int = 6000, seed: int = 1, bias: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw labels from true probabilities, and scores that are ``temperature`` times too sure."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, sheets)
    return rng.random(sheets) < expit(logits + bias), expit(logits * temperature)


def brier(labels: np.ndarray, scores: np.ndarray) -> float:
    return float(((scores - labels) ** 2).mean())


def log_loss(labels: np.ndarray, scores: np.ndarray) -> float:
    return float(-np.log(np.where(labels, scores, 1 - scores)).mean())


def test_dividing_the_logit_by_hand():
    # The logit of 0.8 is log 4, half of it log 2, whose probability is 2/3.
    assert scale_scores(np.array([0.8, 0.5, 0.2]), 2.0) == pytest.approx([2 / 3, 0.5, 1 / 3])
    # Odds of 4 times odds of 2 are 8.
    assert scale_scores(np.array([0.8]), 1.0, np.log(2)) == pytest.approx([8 / 9])


def test_nothing_changes_by_default():
    scores = np.linspace(0.01, 0.99, 50)
    assert Calibration().apply(scores) == pytest.approx(scores)


def test_scores_of_zero_and_one_stay_finite_and_in_order():
    scaled = scale_scores(np.array([0.0, 0.3, 1.0], np.float32), 2.0)
    assert np.isfinite(scaled).all()
    assert (np.diff(scaled) > 0).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 3.5])
def test_a_known_temperature_is_recovered(temperature):
    labels, scores = simulate(temperature)
    found = fit_calibration(labels, scores, EVEN)
    assert found.temperature == pytest.approx(temperature, rel=0.1)
    assert found.bias == pytest.approx(0.0, abs=0.1)


def test_a_known_class_balance_is_recovered_although_training_had_another():
    labels, scores = simulate(2.0, bias=-1.5)
    found = fit_calibration(labels, scores, EVEN)
    assert found.bias == pytest.approx(-1.5, abs=0.15)
    assert found.temperature == pytest.approx(2.0, rel=0.1)


def test_few_sheets_take_the_class_balance_from_training():
    rng = np.random.default_rng(2)
    training = np.arange(1000) < 100  # one of ten is defective, the loss made them even
    assert class_balance_bias(training) == pytest.approx(np.log(1 / 9), rel=0.01)
    gains = []
    for _ in range(30):
        logits = rng.normal(0, 2, 512)
        labels = rng.random(512) < expit(logits + np.log(1 / 9))
        few = fit_calibration(labels[:12], expit(logits[:12]), training)
        before, after = expit(logits[12:]), few.apply(expit(logits[12:]))
        gains.append(log_loss(labels[12:], before) - log_loss(labels[12:], after))
    assert np.mean(gains) > 0.1


@pytest.mark.parametrize("sheets", [12, 30, 100])
def test_scores_too_sure_get_better_on_new_sheets_however_few_there_were(sheets):
    new_labels, new_scores = simulate(2.5, seed=99)
    after = [
        fit_calibration(*simulate(2.5, sheets, seed), EVEN).apply(new_scores) for seed in range(30)
    ]
    for measure in (brier, log_loss):
        mean = np.mean([measure(new_labels, scores) for scores in after])
        assert mean < measure(new_labels, new_scores), measure


def test_scores_that_were_right_hardly_get_worse():
    new_labels, new_scores = simulate(1.0, seed=99)
    after = [
        fit_calibration(*simulate(1.0, 12, seed), EVEN).apply(new_scores) for seed in range(30)
    ]
    mean = np.mean([brier(new_labels, scores) for scores in after])
    assert mean < brier(new_labels, new_scores) + 0.004


@pytest.mark.parametrize("label", [True, False])
def test_sheets_of_one_kind_leave_the_class_balance_alone(label):
    found = fit_calibration(np.full(5, label), np.linspace(0.1, 0.9, 5), EVEN)
    assert found == Calibration(temperature=1.0, bias=0.0)


@pytest.mark.filterwarnings("error")
def test_no_sheets_leave_scores_as_they_are():
    none = np.zeros(0, bool)
    assert fit_calibration(none, np.zeros(0), none) == Calibration()


def test_outputs_that_are_not_numbers_are_refused():
    with pytest.raises(SteelDefectsError, match="the network has diverged"):
        fit_calibration(np.array([True, False]), np.array([np.nan, 0.2]), EVEN)


def test_a_sheet_scored_twice_counts_once():
    labels, scores = simulate(2.0, 40)
    once = fit_calibration(labels, scores, EVEN)
    twice = fit_calibration(np.tile(labels, 2), np.tile(scores, 2), EVEN, np.full(80, 0.5))
    assert (twice.temperature, twice.bias) == pytest.approx((once.temperature, once.bias), rel=1e-4)
    assert fit_calibration(np.tile(labels, 2), np.tile(scores, 2), EVEN).temperature > (
        once.temperature
    )


@pytest.mark.filterwarnings("error")
@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=30))
def test_it_finds_the_highest_posterior_and_warns_of_nothing(sheets):
    labels = np.array([label for label, _ in sheets])
    scores = np.array([score for _, score in sheets])
    if labels.all() or not labels.any():
        return
    found = fit_calibration(labels, scores, labels)
    logits = logit(np.clip(scores, 1e-6, 1 - 1e-6))
    balance = class_balance_bias(labels)

    def minus_log_posterior(log_temperature: float, bias: float) -> float:
        shifted = logits / np.exp(log_temperature) + bias
        loss = np.logaddexp(0, np.where(labels, -shifted, shifted)).sum()
        return loss + 2 * log_temperature**2 + 2 * (bias - balance) ** 2

    best = minimize(lambda p: minus_log_posterior(*p), [0, balance], method="Nelder-Mead").fun
    assert minus_log_posterior(np.log(found.temperature), found.bias) <= best + 1e-3
