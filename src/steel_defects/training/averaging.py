"""Weights averaged over the steps of a training.

A network's last weights carry the noise of its last batches. Their running average lies nearer to
the middle of where the training has come to, and generalises better (Polyak and Juditsky 1992,
doi:10.1137/0330046; Izmailov et al. 2018, arXiv:1803.05407).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
from keras import KerasTensor, ops

from steel_defects.training.checkpoints import to_numpy


@keras.saving.register_keras_serializable("steel_defects")
class AveragingAdamW(keras.optimizers.AdamW):
    """AdamW whose averages remember less in the first steps, where the weights move far.

    After step t the momentum is at most (1 + t) / (10 + t), as in TensorFlow's
    ``ExponentialMovingAverage``. With a fixed one of 0.999, the initial weights would still be a
    third of the average after a thousand steps.
    """

    @property
    def ema_momentum(self) -> KerasTensor:
        """Share of the average that the next step keeps; Keras reads it in each step."""
        step = ops.cast(self.iterations, "float32")
        return ops.minimum(self._highest_momentum, (1.0 + step) / (10.0 + step))

    @ema_momentum.setter
    def ema_momentum(self, value: float) -> None:
        self._highest_momentum = value

    def get_config(self) -> dict[str, object]:
        """Return what it takes to build the optimizer again."""
        return {**super().get_config(), "ema_momentum": self._highest_momentum}


def use_averages(model: keras.Model) -> None:
    """Replace trainable weights by their averages, which the optimizer holds.

    Others, such as the statistics of batch norm, are averages already and stay.
    """
    model.optimizer.finalize_variable_values(model.trainable_variables)
    # With JAX both are now one array, which the model's next call gives up.
    for variable in model.trainable_variables:
        variable.assign(to_numpy(variable))


@contextmanager
def averaged(model: keras.Model, active: bool = True) -> Iterator[None]:
    """Let a model have its averaged weights for a while, then exactly its own again.

    Args:
        model: Compiled, and trained for a step at least.
        active: False changes nothing.
    """
    if not active:
        yield
        return
    own = [to_numpy(variable) for variable in model.trainable_variables]
    use_averages(model)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, own, strict=True):
            variable.assign(value)
