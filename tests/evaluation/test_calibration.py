import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from steel_defects.evaluation.calibration import fit_temperature, scale_scores
from steel_defects.evaluation.classification import classification_metrics


def simulate(temperature: float, sheets: int = 6000) -> tuple[np.ndarray, np.ndarray]:
    """Draw labels from true probabilities, and scores that are ``temperature`` times too sure."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 1.5, sheets)
    return rng.random(sheets) < expit(logits), expit(logits * temperature)


def test_dividing_the_logit_by_hand():
    # The logit of 0.8 is log 4, half of it log 2, whose probability is 2/3.
    assert scale_scores(np.array([0.8, 0.5, 0.2]), 2.0) == pytest.approx([2 / 3, 0.5, 1 / 3])


def test_temperature_one_changes_nothing():
    scores = np.linspace(0.01, 0.99, 50)
    assert scale_scores(scores, 1.0) == pytest.approx(scores)


def test_scores_of_zero_and_one_stay_finite_and_in_order():
    scaled = scale_scores(np.array([0.0, 0.3, 1.0], np.float32), 2.0)
    assert np.isfinite(scaled).all()
    assert (np.diff(scaled) > 0).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 3.5])
def test_a_known_temperature_is_recovered(temperature):
    labels, scores = simulate(temperature)
    assert fit_temperature(labels, scores) == pytest.approx(temperature, rel=0.1)


@pytest.mark.parametrize("label", [True, False])
def test_sheets_of_one_kind_leave_scores_as_they_are(label):
    assert fit_temperature(np.full(5, label), np.linspace(0.1, 0.9, 5)) == 1.0


def test_no_sheets_leave_scores_as_they_are():
    assert fit_temperature(np.zeros(0, bool), np.zeros(0)) == 1.0


@pytest.mark.filterwarnings("error")
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=30))
def test_log_loss_never_gets_worse_and_warns_of_nothing(sheets):
    labels = np.array([label for label, _ in sheets])
    scores = np.array([score for _, score in sheets])
    temperature = fit_temperature(labels, scores)
    assert 0.08 < temperature < 12.2
    before = classification_metrics(labels, scale_scores(scores, 1.0))["log_loss"]
    after = classification_metrics(labels, scale_scores(scores, temperature))["log_loss"]
    assert after <= before + 1e-9


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("wrong", [0.0, 1.0])
def test_one_sheet_that_is_certain_and_wrong_does_not_upset_the_fit(wrong):
    labels = np.arange(4000) % 2 == 0
    scores = np.where(labels, 0.7, 0.3)
    scores[int(wrong)] = wrong  # sheet 0 is defective, sheet 1 clean
    logits = logit(np.clip(scores, 1e-6, 1 - 1e-6))
    temperatures = np.geomspace(0.08, 12, 2000)
    sides = np.where(labels, -1, 1)
    losses = [np.logaddexp(0, sides * logits / t).mean() for t in temperatures]
    best = temperatures[int(np.argmin(losses))]
    assert fit_temperature(labels, scores) == pytest.approx(best, rel=0.01)
