import keras
import numpy as np
import pytest
from keras import ops

from steel_defects.training.segmentation import MaskLoss

REGIONS = ("dice", "sheet_dice", "focal_tversky")


@pytest.fixture
def masks() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    truth = (rng.random((3, 4, 5, 2)) < 0.3).astype(np.float32)
    truth[0, ..., 1] = 0
    return truth, rng.uniform(0.02, 0.98, truth.shape).astype(np.float32)


def crossentropy(truth: np.ndarray, predicted: np.ndarray, weights: tuple[float, ...]) -> float:
    return -(np.where(truth > 0, np.log(predicted) * weights, np.log(1 - predicted))).mean()


def dice(truth: np.ndarray, predicted: np.ndarray) -> float:
    over = (0, 1, 2)
    return (1 - 2 * (truth * predicted).sum(over) / (truth + predicted).sum(over)).mean()


def focal_tversky(truth: np.ndarray, predicted: np.ndarray) -> float:
    over = (0, 1, 2)
    both = (truth * predicted).sum(over)
    missed, extra = (truth * (1 - predicted)).sum(over), ((1 - truth) * predicted).sum(over)
    return ((1 - both / (both + 0.7 * missed + 0.3 * extra)) ** 0.75).mean()


def sheet_dice(truth: np.ndarray, predicted: np.ndarray) -> float:
    pixels, loss = truth[0, ..., 0].size, 0.0
    for true, guess in zip(np.moveaxis(truth, -1, 1), np.moveaxis(predicted, -1, 1), strict=True):
        for of_class, of_guess in zip(true, guess, strict=True):
            small = 1e-3 * pixels
            found = 2 * (of_class * of_guess).sum() + small
            value = 1 - found / (of_class.sum() + of_guess.sum() + small)
            loss += value if of_class.any() else value / 6
    return loss / (truth.shape[0] * truth.shape[-1])


NUMPY = {"dice": dice, "sheet_dice": sheet_dice, "focal_tversky": focal_tversky}


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_against_numpy(masks, weight, region):
    truth, predicted = (values.astype(np.float64) for values in masks)
    expected = weight * crossentropy(truth, predicted, (1, 1))
    expected += (1 - weight) * NUMPY[region](truth, predicted)
    assert float(MaskLoss(weight, region)(*masks)) == pytest.approx(expected, rel=1e-5)


def test_positive_weights_are_of_each_class(masks):
    truth, predicted = (values.astype(np.float64) for values in masks)
    expected = crossentropy(truth, predicted, (1, 5))
    assert expected > 1.2 * crossentropy(truth, predicted, (1, 1))
    found = MaskLoss(1.0, positive_weights=(1, 5))(*masks)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_class_weights_are_of_both_kinds_of_pixels(masks):
    truth, predicted = (values.astype(np.float64) for values in masks)
    of_each = [crossentropy(truth[..., [k]], predicted[..., [k]], (1,)) for k in (0, 1)]
    found = MaskLoss(1.0, class_weights=(2, 0.5))(*masks)
    assert float(found) == pytest.approx(of_each[0] + of_each[1] / 4, rel=1e-5)


def test_a_class_that_is_absent_costs_a_sixth_of_a_missed_one():
    truth = np.zeros((1, 40, 40, 1), np.float32)
    absent = float(MaskLoss(0.0, "sheet_dice")(truth, np.ones_like(truth)))
    missed = float(MaskLoss(0.0, "sheet_dice")(truth + 1, np.zeros_like(truth)))
    assert absent == pytest.approx(missed / 6, rel=1e-3)
    assert float(MaskLoss(0.0, "sheet_dice")(truth, truth)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("region", REGIONS)
def test_a_whole_sheet_in_16_bits(region):
    """409,600 pixels: a sum in bfloat16 sticks at 256, one in float16 ends at 65,504."""
    rng = np.random.default_rng(3)
    truth = np.zeros((1, 256, 1600, 4), np.float32)
    truth[:, :128, :800, :2] = 1
    predicted = np.where(truth > 0, 0.7, 0.2) + rng.uniform(-0.15, 0.15, truth.shape)
    loss = MaskLoss(0.5, region)
    exact = float(loss(truth, predicted.astype(np.float32)))
    for dtype in ("bfloat16", "float16"):
        low = loss(ops.cast(truth, dtype), ops.cast(predicted, dtype))
        assert ops.dtype(low) == "float32"
        assert float(low) == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_finite_at_certain_predictions(value, region):
    truth = np.zeros((1, 4, 4, 2), np.float32)
    truth[..., 0] = 1
    predicted = ops.cast(np.full(truth.shape, value), "bfloat16")
    assert np.isfinite(float(MaskLoss(region=region)(truth, predicted)))


@pytest.mark.slow
@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("start", [-2.0, 2.0])
def test_descent_ends_in_the_true_mask(region, start):
    """Also for a class that isn't there, and from a wrong start."""
    truth = np.zeros((2, 4, 4, 2), np.float32)
    truth[0, :2, 1:, 0] = 1

    def init(shape: tuple[int, ...], dtype: str) -> object:
        return ops.full(shape, start, dtype)

    pixels = keras.layers.Dense(32, "sigmoid", use_bias=False, kernel_initializer=init)
    model = keras.Sequential([keras.Input((2,)), pixels, keras.layers.Reshape((4, 4, 2))])
    model.compile(keras.optimizers.Adam(0.5), MaskLoss(0.1, region), run_eagerly=True)
    for _ in range(40):
        model.train_on_batch(np.eye(2, dtype=np.float32), truth)
    found = ops.convert_to_numpy(model(np.eye(2, dtype=np.float32)))
    np.testing.assert_array_equal(found > 0.5, truth > 0)
