"""The steps of an epoch; under ``KERAS_BACKEND=jax`` these are taken without waiting for each."""

from collections.abc import Iterator

import keras
import numpy as np
import pytest
from keras import layers

from steel_defects.training.steps import take_steps

STEPS = 12


def build() -> keras.Model:
    keras.utils.set_random_seed(1)
    sheet = keras.Input((3,))
    x = layers.Dropout(0.3, seed=1)(layers.BatchNormalization()(layers.Dense(4)(sheet)))
    model = keras.Model(sheet, layers.Dense(1)(x))
    model.compile(keras.optimizers.AdamW(0.1), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def batches() -> Iterator[tuple[object, object, object]]:
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        sheets = rng.normal(size=(4, 3)).astype(np.float32)
        yield sheets, sheets.sum(1, keepdims=True), rng.uniform(0.5, 2, 4).astype(np.float32)


def values_of(model: keras.Model) -> list[np.ndarray]:
    variables = [*model.variables, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


@pytest.mark.slow
def test_steps_are_those_of_train_on_batch():
    one, other = build(), build()
    for _ in range(2):  # a second epoch starts from what the first has left
        losses = []
        for sheets, target, weight in batches():
            losses.append(float(one.train_on_batch(sheets, target, weight)))
            one.reset_metrics()
        means = list(take_steps(other, batches()))
        assert means == pytest.approx([np.mean(losses[: n + 1]) for n in range(STEPS)], rel=1e-5)
        for value, expected in zip(values_of(other), values_of(one), strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_an_epoch_that_is_cut_off_leaves_the_steps_done():
    model = build()
    before = values_of(model)
    steps = take_steps(model, batches())
    next(steps), next(steps)
    steps.close()
    assert not np.array_equal(values_of(model)[0], before[0])
    assert np.isfinite(list(take_steps(model, batches()))).all()


def test_no_batches_no_steps():
    assert list(take_steps(build(), iter(()))) == []
