"""The training loop of classifiers and segmenters alike."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import pandas as pd

from steel_defects.errors import SteelDefectsError, Stopped
from steel_defects.progress import duration
from steel_defects.training.backend import shares_of
from steel_defects.training.checkpoints import Checkpoint, Progress, State, weights_of
from steel_defects.training.config import TrainingConfig
from steel_defects.training.loader import Batch, Loader
from steel_defects.training.steps import Unpacked, averaged, take_steps, use_averages

logger = logging.getLogger(__name__)


class TrainingDiverged(SteelDefectsError):
    """The loss is no longer a number."""


Evaluate = Callable[[keras.Model], dict[str, float]]


def fit(
    model: keras.Model,
    loader: Loader[Any],
    unpack: Callable[[Batch], Unpacked],
    evaluate: Evaluate,
    config: TrainingConfig,
    label: str,
    checkpoint: Checkpoint | None = None,
    start_counts: bool = False,
    keep_last: bool = False,
    averaging: bool = False,
) -> pd.DataFrame:
    """Train a compiled model, stop when validation no longer improves, keep the best weights.

    Args:
        model: Compiled; changed in place, and left with the weights of its best epoch.
        loader: Yields the batches of each epoch.
        unpack: Turns a batch into what ``train_on_batch`` takes.
        evaluate: Measures the model on the validation part; must return ``validation_loss``.
        config: Epochs and patience.
        label: Name in the log.
        checkpoint: Where the state is kept between epochs, and read again after a kill.
        start_counts: Whether the weights it starts with may be the best in the end.
        keep_last: Keep the weights of the last epoch whatever validation says of it.
        averaging: Whether the averages of the weights are what is measured and kept.

    Returns:
        One row per epoch: ``epoch, loss, learning_rate, seconds`` and what ``evaluate`` returned.

    Raises:
        TrainingDiverged: The loss is no longer a number.
        SteelDefectsError: The checkpoint is of another training.
    """
    _build_state(model, loader, unpack)
    best, progress = _begin(model, checkpoint, evaluate if start_counts else None, label)
    with _told_when_stopped(progress, label):
        while not progress.finished:
            started = time.perf_counter()
            row = _run_epoch(model, loader, unpack, progress.epoch, label)
            with averaged(model, averaging):
                best = _measure(model, evaluate, row, progress, label) or best
            progress.finished = _is_last(progress, config, keep_last)
            _log_epoch(label, progress, config.epochs, time.perf_counter() - started)
            if checkpoint:
                checkpoint.save(model, best, progress)
    if not keep_last:
        model.set_weights(best)
    elif averaging:
        use_averages(model)
    return pd.DataFrame(progress.history)


def _build_state(
    model: keras.Model, loader: Loader[Any], unpack: Callable[[Batch], Unpacked]
) -> None:
    """Make the variables of optimizer and losses before the first step.

    Inside it, Keras makes them by tracing that step a second time, which takes as long as an epoch
    of a short training.
    """
    model.optimizer.build(model.trainable_variables)
    sheet, target, weight = unpack(next(loader.epoch(0)))
    model.compute_loss(sheet, target, target, weight)
    model.reset_metrics()


def _begin(
    model: keras.Model, checkpoint: Checkpoint | None, evaluate: Evaluate | None, label: str
) -> tuple[State, Progress]:
    """Return the best weights so far, and how far the training is."""
    restored = checkpoint.restore(model) if checkpoint else None
    if restored:
        logger.info("%s: going on after epoch %d", label, restored[1].epoch)
        return restored
    progress = Progress()
    if evaluate:
        progress.best_loss = evaluate(model)["validation_loss"]
        _require_number(progress.best_loss, label, "validation loss before epoch 1")
    return weights_of(model), progress


def _run_epoch(
    model: keras.Model,
    loader: Loader[Any],
    unpack: Callable[[Batch], Unpacked],
    epoch: int,
    label: str,
) -> dict[str, float]:
    """Take the steps of one epoch and return their mean loss, the last rate and the time."""
    started, said, loss = time.perf_counter(), time.perf_counter(), float("nan")
    batches = (shares_of(unpack(batch)) for batch in loader.epoch(epoch))
    for step, loss in enumerate(take_steps(model, batches), start=1):
        # It is on the host anyway, and a mean is no number from the first such step on.
        _require_number(loss, label, f"loss of epoch {epoch + 1}, step {step}")
        if time.perf_counter() - said > _QUIET_SECONDS:
            said = time.perf_counter()
            logger.info("%s: epoch %d, step %d, mean loss %.3f", label, epoch + 1, step, loss)
    return {
        "loss": loss,
        "learning_rate": float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)),
        "seconds": time.perf_counter() - started,
    }


def _measure(
    model: keras.Model, evaluate: Evaluate, row: dict[str, float], progress: Progress, label: str
) -> State | None:
    """Measure an epoch, and return the weights if they are the best so far."""
    row |= evaluate(model)
    progress.epoch += 1
    _require_number(row["validation_loss"], label, f"validation loss after epoch {progress.epoch}")
    progress.history.append({"epoch": progress.epoch, **row})
    if row["validation_loss"] >= progress.best_loss:
        return None
    progress.best_loss, progress.best_epoch = row["validation_loss"], progress.epoch
    return weights_of(model)


def _is_last(progress: Progress, config: TrainingConfig, keep_last: bool) -> bool:
    given_up = progress.epoch - progress.best_epoch >= config.patience and not keep_last
    return progress.epoch >= config.epochs or given_up


def _require_number(loss: float, label: str, name: str) -> None:
    if not math.isfinite(loss):
        raise TrainingDiverged(
            f"{label}: the {name} is not a number; take a lower learning_rate, another precision "
            "or a larger batch_size"
        )


@contextmanager
def _told_when_stopped(progress: Progress, label: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        raise Stopped(f"stopped after epoch {progress.epoch} of {label}") from error


def _log_epoch(label: str, progress: Progress, epochs: int, seconds: float) -> None:
    """Log what an epoch reached, and how long the others take at so many seconds each."""
    row, left = progress.history[-1], epochs - progress.epoch
    figures = ", ".join(
        f"{name.removeprefix('validation_')} {value:.3f}"
        for name, value in row.items()
        if name.startswith("validation_")
    )
    logger.info(
        "%s: epoch %d of %d, loss %.3f; validation: %s (%.0f s%s)",
        label,
        progress.epoch,
        epochs,
        row["loss"],
        figures,
        row["seconds"],
        f", at most {duration(left * seconds)} left" if left and not progress.finished else "",
    )


_QUIET_SECONDS = 60.0  # longest time without a word in the log
