"""The steps of an epoch, as fast as the backend can take them."""

from collections import deque
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

#: Picture, targets and weights of a batch, as ``train_on_batch`` takes them.
Unpacked = tuple[object, object, object]

_AHEAD = 8  # steps handed to an accelerator before it is asked for a result; bounds its memory


def take_steps(model: keras.Model, batches: Iterator[Unpacked]) -> Iterator[float]:
    """Train a compiled model on the batches of an epoch.

    Yields:
        The mean loss of the epoch's steps up to one that is done, for each of them.
    """
    alone = keras.distribution.distribution() is None
    if keras.backend.backend() == "jax" and alone and not model.run_eagerly:
        return _steps_ahead(model, batches)
    return _steps_in_turn(model, batches)


def _steps_in_turn(model: keras.Model, batches: Iterator[Unpacked]) -> Iterator[float]:
    losses = []
    for sheet, target, weight in batches:
        logs = model.train_on_batch(sheet, target, sample_weight=weight, return_dict=True)
        losses.append(float(logs["loss"]))
        # train_on_batch averages over the steps since the metrics were last reset.
        model.reset_metrics()
        yield float(np.mean(losses))


def _steps_ahead(model: keras.Model, batches: Iterator[Unpacked]) -> Iterator[float]:
    """Hand JAX the next steps while it is still busy with earlier ones.

    ``train_on_batch`` waits for each loss and puts hundreds of arrays back into their variables,
    which takes as long as the step itself on a fast GPU. Here they stay outside until the end of
    the epoch. Keras's own step keeps the mean loss.
    """
    first = next(batches, None)
    if first is None:
        return
    sheet, target, weight = first
    yield float(model.train_on_batch(sheet, target, weight, return_dict=True)["loss"])
    groups = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    state = tuple([variable.value for variable in group] for group in groups)
    waiting: deque[Any] = deque()
    try:
        for batch in batches:
            logs, state = model.train_function(state, iter([batch]))
            waiting.append(logs["loss"])
            if len(waiting) > _AHEAD:
                yield float(waiting.popleft())
        while waiting:
            yield float(waiting.popleft())
    finally:
        for group, values in zip(groups, state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        model.reset_metrics()
