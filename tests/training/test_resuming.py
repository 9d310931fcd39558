"""Checkpoints and the training loop, on a network of a few weights."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers

from steel_defects.errors import SteelDefectsError, Stopped
from steel_defects.training.checkpoints import Checkpoint, Progress, fingerprint_of, state_of
from steel_defects.training.config import TrainingConfig
from steel_defects.training.loader import Loader
from steel_defects.training.loop import fit
from steel_defects.training.steps import build_optimizer

STEPS = 3


def config(epochs: int = 4, patience: int = 9) -> TrainingConfig:
    return TrainingConfig(
        seed=1, epochs=epochs, batch_size=4, learning_rate=0.05, patience=patience
    )


def build(seed: int, eager: bool = True) -> keras.Model:
    """A network with weights, a moving average and two seeds of dropout."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(2, 3),
            layers.BatchNormalization(),
            layers.SpatialDropout2D(0.4, seed=seed),
            layers.Flatten(),
            layers.Dropout(0.4, seed=seed + 1),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    optimizer = build_optimizer(config(), 4 * STEPS)
    model.compile(optimizer, "binary_crossentropy", run_eagerly=eager)
    optimizer.build(model.trainable_variables)
    return model


def loader() -> Loader:
    def read(index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        sheet = rng.normal(index % 2, 1, (6, 6, 1)).astype(np.float32)
        return {"sheet": sheet, "score": np.array([index % 2], np.float32)}

    return Loader(read, lambda rng: rng.permutation(4 * STEPS).tolist(), 4, seed=1, threads=2)


def unpack(batch: dict[str, np.ndarray]) -> tuple[object, object, object]:
    return batch["sheet"], batch["score"], None


def validation(model: keras.Model) -> dict[str, float]:
    """A loss that follows from the weights alone."""
    return {"validation_loss": float(sum(np.square(w).sum() for w in model.get_weights()))}


def train(
    model: keras.Model,
    checkpoint: Checkpoint | None = None,
    evaluate: Callable[[keras.Model], dict[str, float]] = validation,
    values: TrainingConfig | None = None,
) -> pd.DataFrame:
    return fit(model, loader(), unpack, evaluate, values or config(), "tiny", checkpoint)


def assert_same(first: list[np.ndarray], second: list[np.ndarray]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


# === Checkpoints ===


def test_checkpoint_restores_weights_optimizer_and_dropout(tmp_path: Path):
    model, other = build(1), build(2)
    batch = next(iter(loader().epoch(0)))
    model.train_on_batch(batch["sheet"], batch["score"])
    progress = Progress(epoch=3, best_epoch=2, best_loss=0.25, history=[{"epoch": 1, "loss": 0.5}])
    best = [np.full(3, 7.0)]
    Checkpoint(tmp_path / "sub" / "a.npz", "f").save(model, best, progress)

    restored = Checkpoint(tmp_path / "sub" / "a.npz", "f").restore(other)
    assert restored is not None
    assert_same(restored[0], best)
    assert restored[1] == progress
    assert_same(state_of(model), state_of(other))
    # The next step draws the same dropout and moves by the same momenta.
    for one in (model, other):
        one.train_on_batch(batch["sheet"], batch["score"])
    assert_same(state_of(model), state_of(other))


def test_no_checkpoint(tmp_path: Path):
    assert Checkpoint(tmp_path / "a.npz", "f").restore(build(1)) is None


def test_checkpoint_of_another_training_is_refused(tmp_path: Path):
    path = tmp_path / "a.npz"
    model = build(1)
    Checkpoint(path, fingerprint_of({"epochs": 4}, ["a", "b"])).save(model, [], Progress())
    before = state_of(model)
    for other in (fingerprint_of({"epochs": 5}, ["a", "b"]), fingerprint_of({"epochs": 4}, ["a"])):
        with pytest.raises(SteelDefectsError, match="a.npz was left by a training with other data"):
            Checkpoint(path, other).restore(model)
    assert_same(before, state_of(model))


def test_a_half_written_checkpoint_does_not_count(tmp_path: Path, monkeypatch):
    model, checkpoint = build(1), Checkpoint(tmp_path / "a.npz", "f")
    checkpoint.save(model, [], Progress(epoch=1))

    def killed(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(model, [], Progress(epoch=2))
    restored = checkpoint.restore(model)
    assert restored is not None
    assert restored[1].epoch == 1


# === The loop ===


@pytest.mark.slow
@pytest.mark.parametrize("eager", [True, False])
def test_a_killed_training_ends_as_if_it_had_never_been_killed(tmp_path: Path, eager: bool):
    whole = build(1, eager)
    history = train(whole)
    assert history["epoch"].tolist() == [1, 2, 3, 4]
    assert history["loss"].nunique() == 4

    calls = []

    def killed_in_the_third_epoch(model: keras.Model) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return validation(model)

    checkpoint = Checkpoint(tmp_path / "a.npz", "f")
    with pytest.raises(Stopped, match="stopped after epoch 2 of tiny"):
        train(build(1, eager), checkpoint, killed_in_the_third_epoch)
    resumed = build(99, eager)
    again = train(resumed, checkpoint)
    assert_same(whole.get_weights(), resumed.get_weights())
    columns = ["epoch", "loss", "learning_rate", "validation_loss"]
    pd.testing.assert_frame_equal(again[columns], history[columns])


@pytest.mark.slow
def test_early_stopping_keeps_the_best_weights():
    losses, seen = iter([3.0, 1.0, 2.0, 1.5, 0.5]), []

    def evaluate(model: keras.Model) -> dict[str, float]:
        seen.append(model.get_weights())
        return {"validation_loss": next(losses)}

    model = build(1)
    history = train(model, evaluate=evaluate, values=config(epochs=9, patience=2))
    assert history["validation_loss"].tolist() == [3.0, 1.0, 2.0, 1.5]
    assert_same(model.get_weights(), seen[1])
    assert not np.array_equal(seen[1][0], seen[3][0])


@pytest.mark.slow
def test_the_last_weights_are_kept_on_request():
    losses, seen = iter([3.0, 1.0, 2.0]), []

    def evaluate(model: keras.Model) -> dict[str, float]:
        seen.append(model.get_weights())
        return {"validation_loss": next(losses)}

    model, values = build(1), config(epochs=3)
    fit(model, loader(), unpack, evaluate, values, "tiny", keep_last=True)
    assert_same(model.get_weights(), seen[2])


@pytest.mark.slow
def test_the_rate_falls_to_a_hundredth():
    history = train(build(1, eager=False))
    assert history["learning_rate"].iloc[-1] == pytest.approx(0.01 * 0.05, rel=0.05)


@pytest.mark.slow
def test_a_step_is_traced_once():
    """Variables that Keras would make in the first step cost a second trace, seconds long."""
    traces = []

    class Counting(keras.Model):
        def compute_loss(self, *args: object, **options: object) -> object:
            traces.append(keras.ops.is_tensor(options.get("y_pred")))
            return super().compute_loss(*args, **options)

    sheet = keras.Input((6, 6, 1))
    flat = layers.Flatten()(sheet)
    outputs = [layers.Dense(1, activation="sigmoid")(flat) for _ in range(2)]
    model = Counting(sheet, outputs)
    model.compile(build_optimizer(config(), 4 * STEPS), loss=["binary_crossentropy"] * 2)

    def twice(batch: dict[str, np.ndarray]) -> tuple[object, object, object]:
        return batch["sheet"], [batch["score"], batch["score"]], None

    fit(model, loader(), twice, validation, config(), "tiny")
    # Once to build the losses, once to trace the step; all later steps run what was traced.
    assert len(traces) == 2


@pytest.mark.slow
def test_a_loss_that_is_not_a_number_stops_the_training(tmp_path: Path):
    batches = []

    def poisoned(batch: dict[str, np.ndarray]) -> tuple[object, object, object]:
        batches.append(batch)
        # One batch builds the losses; then come the first epoch and two steps of the second.
        factor = np.nan if len(batches) == 1 + STEPS + 2 else 1
        return batch["sheet"] * factor, batch["score"], None

    checkpoint = Checkpoint(tmp_path / "a.npz", "f")
    stopped = "tiny: the loss of epoch 2, step 2 is not a number; take a lower learning_rate"
    with pytest.raises(SteelDefectsError, match=stopped):
        fit(build(1), loader(), poisoned, validation, config(), "tiny", checkpoint)
    assert len(batches) == 1 + STEPS + 2
    other = build(2)
    restored = checkpoint.restore(other)
    assert restored is not None and restored[1].epoch == 1
    assert all(np.isfinite(values).all() for values in state_of(other))
