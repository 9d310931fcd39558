"""The optimizer of every training."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import KerasTensor

from steel_defects.training.averaging import AveragingAdamW
from steel_defects.training.config import TrainingConfig

_WARMUP_SHARE = 0.1  # of the steps of a classifier's training


@keras.saving.register_keras_serializable("steel_defects")
class SlowerAdamW(AveragingAdamW):
    """AdamW that takes smaller steps in some of the variables.

    A pre-trained encoder has less to learn than the new layers behind it, and at their rate forgets
    what it knew (discriminative fine-tuning, Howard and Ruder 2018, arXiv:1801.06146). Adam ignores
    the scale of gradients, so that the steps themselves are scaled.
    """

    _slower: frozenset[int] = frozenset()
    _factor = 1.0

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
) -> SlowerAdamW:
    """Return AdamW whose rate warms up, then falls along a cosine to a hundredth.

    With a momentum it averages the weights, and keeps the averages beside its momenta, so that
    a checkpoint of its variables holds them too.
    """
    warmup = round(warmup_share * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        config.learning_rate / 20 if warmup else config.learning_rate,
        max(1, steps - warmup),
        alpha=0.01,
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    return SlowerAdamW(
        schedule,
        weight_decay=config.weight_decay,
        global_clipnorm=5.0,
        use_ema=bool(ema_momentum),
        ema_momentum=ema_momentum or 0.99,
    )
