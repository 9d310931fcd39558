import keras
import numpy as np
import pytest

from steel_defects.training.config import TrainingConfig
from steel_defects.training.steps import AveragingAdamW, build_optimizer


def steps(factor: float, momentum: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """How far one step of the training moves two layers, of which the first may be slowed down."""
    keras.utils.set_random_seed(3)
    first, second = keras.layers.Dense(4, use_bias=False), keras.layers.Dense(1, use_bias=False)
    model = keras.Sequential([keras.Input((3,)), first, second])
    config = TrainingConfig(
        seed=0, epochs=1, batch_size=4, learning_rate=0.01, weight_decay=0, patience=1
    )
    optimizer = build_optimizer(config, 10, warmup_share=0, ema_momentum=momentum)
    if factor != 1:
        optimizer.slow_down(first.trainable_variables, factor)
    before = [layer.get_weights()[0] for layer in (first, second)]
    model.compile(optimizer, loss="mse")
    rng = np.random.default_rng(0)
    model.train_on_batch(rng.normal(size=(4, 3)), rng.normal(size=(4, 1)))
    after = [layer.get_weights()[0] for layer in (first, second)]
    return after[0] - before[0], after[1] - before[1]


@pytest.mark.slow
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_some_variables_learn_slower(momentum):
    usual, slowed = steps(1, momentum), steps(0.25, momentum)
    np.testing.assert_allclose(slowed[0], 0.25 * usual[0], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(slowed[1], usual[1], rtol=1e-3)
    assert np.abs(usual[0]).max() == pytest.approx(0.01, rel=1e-3)


@pytest.mark.slow
def test_steps_are_those_of_adamw():
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 10)
    usual = keras.optimizers.AdamW(schedule, weight_decay=0.5, global_clipnorm=0.1)
    ours = AveragingAdamW(schedule, weight_decay=0.5, global_clipnorm=0.1, ema_momentum=0.0)
    (expected, start), (found, _) = weights_after(usual), weights_after(ours)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.abs(expected - start).min() > 1e-3


def weights_after(optimizer: keras.Optimizer) -> tuple[np.ndarray, np.ndarray]:
    """The weights of a layer after five steps, and those that it started with."""
    keras.utils.set_random_seed(5)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    (start,) = model.get_weights()
    model.compile(optimizer, loss="mse")
    rng = np.random.default_rng(1)
    for _ in range(5):
        model.train_on_batch(rng.normal(size=(4, 3)), rng.normal(size=(4, 2)))
    return model.get_weights()[0], start
