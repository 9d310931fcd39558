"""The optimizer of every training, and weights averaged over its steps.

A network's last weights carry the noise of its last batches. Their running average lies nearer to
the middle of where the training has come to, and generalises better (Polyak and Juditsky 1992,
doi:10.1137/0330046; Izmailov et al. 2018, arXiv:1803.05407).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras import KerasTensor, ops

from steel_defects.training.checkpoints import to_numpy
from steel_defects.training.config import TrainingConfig

_WARMUP_SHARE = 0.1  # of the steps of a classifier's training


@keras.saving.register_keras_serializable("steel_defects")
class AveragingAdamW(keras.optimizers.AdamW):
    """AdamW with two additions: careful averages, and smaller steps in some of the variables.

    Averages remember less in the first steps, where the weights move far: after step t the
    momentum is at most (1 + t) / (10 + t), as in TensorFlow's ``ExponentialMovingAverage``. With a
    fixed one of 0.999, the initial weights would still be a third of the average after a thousand
    steps.

    A pre-trained encoder has less to learn than the new layers behind it, and at their rate forgets
    what it knew (discriminative fine-tuning, Howard and Ruder 2018, arXiv:1801.06146). Adam ignores
    the scale of gradients, so that the steps themselves are scaled.
    """

    _slower: frozenset[int] = frozenset()
    _factor = 1.0

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

    def slow_down(self, variables: Sequence[keras.Variable], factor: float) -> None:
        """Scale the learning rate of some variables; call it before the optimizer is built."""
        self._slower, self._factor = frozenset(id(v) for v in variables), factor

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Take the variables to train."""
        super().build(variables)
        # TensorFlow hands its own variables to each step, which only their number tells.
        self._numbers = {n for n, v in enumerate(variables) if id(v) in self._slower}

    def update_step(self, gradient: KerasTensor, variable: Any, learning_rate: KerasTensor) -> None:
        """Change one variable."""
        slow = self._get_variable_index(variable) in self._numbers
        super().update_step(gradient, variable, learning_rate * (self._factor if slow else 1.0))


def build_optimizer(
    config: TrainingConfig,
    steps: int,
    warmup_share: float = _WARMUP_SHARE,
    ema_momentum: float = 0.0,
) -> AveragingAdamW:
    """Return AdamW whose rate warms up, then falls along a cosine to a hundredth.

    With a momentum it averages the weights, and holds the averages as variables, so that a
    checkpoint has them too.
    """
    warmup = round(warmup_share * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        config.learning_rate / 20 if warmup else config.learning_rate,
        max(1, steps - warmup),
        alpha=0.01,
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    return AveragingAdamW(
        schedule,
        weight_decay=config.weight_decay,
        global_clipnorm=5.0,
        use_ema=bool(ema_momentum),
        ema_momentum=ema_momentum or 0.99,
    )


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
    last = [to_numpy(variable) for variable in model.trainable_variables]
    use_averages(model)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, last, strict=True):
            variable.assign(value)
