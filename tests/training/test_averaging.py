"""Averaged weights, on a network of a single layer."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers

from steel_defects.errors import Stopped
from steel_defects.training.checkpoints import Checkpoint
from steel_defects.training.config import TrainingConfig
from steel_defects.training.loader import Loader
from steel_defects.training.loop import fit
from steel_defects.training.steps import averaged, build_optimizer

pytestmark = pytest.mark.slow

STEPS = 5


CONFIG = TrainingConfig(seed=1, epochs=3, batch_size=2, learning_rate=0.1, patience=9)


def build(seed: int, momentum: float = 0.5, eager: bool = True) -> keras.Model:
    keras.utils.set_random_seed(seed)
    sheet = keras.Input((3,))
    x = layers.Dropout(0.3, seed=seed)(layers.BatchNormalization()(layers.Dense(4)(sheet)))
    model = keras.Model(sheet, layers.Dense(1, activation="sigmoid")(x))
    optimizer = build_optimizer(CONFIG, 3 * STEPS, ema_momentum=momentum)
    model.compile(optimizer, "binary_crossentropy", run_eagerly=eager)
    return model


def loader() -> Loader:
    def read(index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        sheet = rng.normal(index % 2, 1, 3).astype(np.float32)
        return {"sheet": sheet, "score": np.array([index % 2], np.float32)}

    return Loader(read, lambda rng: rng.permutation(2 * STEPS).tolist(), 2, seed=1, threads=1)


def unpack(batch: dict[str, np.ndarray]) -> tuple[object, object, object]:
    return batch["sheet"], batch["score"], None


def trainable(model: keras.Model) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(value).copy() for value in model.trainable_variables]


def steps(model: keras.Model) -> list[list[np.ndarray]]:
    """Train for an epoch; return the weights after each step."""
    seen = []
    for batch in loader().epoch(0):
        model.train_on_batch(*unpack(batch)[:2])
        seen.append(trainable(model))
    return seen


def assert_same(first: list[np.ndarray], second: list[np.ndarray]) -> None:
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_averages_against_numpy():
    model = build(1)
    model.optimizer.build(model.trainable_variables)
    expected: list[np.ndarray] = []
    for step, weights in enumerate(steps(model)):
        momentum = min(0.5, (1 + step) / (10 + step)) if step else 0.0
        expected = [
            momentum * average + (1 - momentum) * weight
            for average, weight in zip(expected or weights, weights, strict=True)
        ]
    own, others = trainable(model), model.non_trainable_variables[0].numpy()
    with averaged(model):
        for found, value in zip(trainable(model), expected, strict=True):
            np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(model.non_trainable_variables[0].numpy(), others)
    assert_same(trainable(model), own)
    with averaged(model, active=False):
        assert_same(trainable(model), own)


def test_averages_do_not_change_the_training():
    assert_same(steps(build(1))[-1], steps(build(1, momentum=0.0))[-1])


def test_the_weights_come_back_after_an_error():
    model = build(1)
    own = steps(model)[-1]
    with pytest.raises(KeyboardInterrupt), averaged(model):
        assert not np.array_equal(trainable(model)[0], own[0])
        raise KeyboardInterrupt
    assert_same(trainable(model), own)


@pytest.mark.parametrize(("keep_last", "eager"), [(True, True), (False, False)])
def test_averages_are_measured_and_kept(tmp_path: Path, keep_last: bool, eager: bool):
    """And a training that was killed ends with the same ones."""
    measured, kill_at = [], 0

    def evaluate(model: keras.Model) -> dict[str, float]:
        model.predict_on_batch(np.zeros((2, 3), np.float32))
        measured.append(trainable(model))
        if len(measured) == kill_at:
            raise KeyboardInterrupt
        return {"validation_loss": float(np.square(measured[-1][0]).sum())}

    def train(model: keras.Model, checkpoint: Checkpoint | None = None) -> pd.DataFrame:
        return fit(
            model, loader(), unpack, evaluate, CONFIG, "tiny", checkpoint, False, keep_last, True
        )

    whole, resumed = build(1, eager=eager), build(99, eager=eager)
    history = train(whole)
    best = -1 if keep_last else int(history["validation_loss"].idxmin())
    assert_same(trainable(whole), measured[best])

    checkpoint = Checkpoint(tmp_path / "a.npz", "f")
    kill_at = len(measured) + 2
    with pytest.raises(Stopped):
        train(build(1, eager=eager), checkpoint)
    again = train(resumed, checkpoint)
    columns = ["epoch", "loss", "validation_loss"]
    pd.testing.assert_frame_equal(again[columns], history[columns])
    assert_same(whole.get_weights(), resumed.get_weights())
