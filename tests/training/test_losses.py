import numpy as np
import pytest
from keras import ops

from steel_defects.training.losses import BinaryCrossentropyDice


@pytest.fixture
def masks() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    truth = (rng.random((3, 4, 5, 2)) < 0.3).astype(np.float32)
    return truth, rng.uniform(0.02, 0.98, truth.shape).astype(np.float32)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_against_numpy(masks, weight):
    truth, predicted = (values.astype(np.float64) for values in masks)
    bce = -np.log(np.where(truth > 0, predicted, 1 - predicted)).mean()
    dice = [
        1 - 2 * (truth[..., k] * predicted[..., k]).sum() / (truth + predicted)[..., k].sum()
        for k in range(2)
    ]
    expected = weight * bce + (1 - weight) * np.mean(dice)
    assert float(BinaryCrossentropyDice(weight)(*masks)) == pytest.approx(expected, rel=1e-5)


def test_bfloat16_sums_in_float32():
    # 65,536 pixels: a sum in bfloat16 sticks at 256.
    truth = np.zeros((1, 256, 256, 1), np.float32)
    truth[:, :128] = 1
    predicted = np.where(truth > 0, 0.75, 0.25).astype(np.float32)
    loss = BinaryCrossentropyDice(0.5)
    low = loss(*(ops.cast(values, "bfloat16") for values in (truth, predicted)))
    assert ops.dtype(low) == "float32"
    assert float(low) == pytest.approx(0.5 * -np.log(0.75) + 0.5 * 0.25, rel=1e-4)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_finite_at_certain_predictions(value):
    truth = np.zeros((1, 4, 4, 2), np.float32)
    truth[..., 0] = 1
    predicted = ops.cast(np.full(truth.shape, value), "bfloat16")
    assert np.isfinite(float(BinaryCrossentropyDice()(truth, predicted)))


def test_config_round_trip(masks):
    loss = BinaryCrossentropyDice(0.2)
    again = BinaryCrossentropyDice.from_config(loss.get_config())
    assert float(again(*masks)) == float(loss(*masks))
