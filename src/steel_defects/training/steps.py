"""The steps of an epoch: the optimizer, averages of the weights, and the backend's best pace."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops

from steel_defects.training.checkpoints import to_numpy
from steel_defects.training.config import TrainingConfig

_WARMUP_SHARE = 0.1  # of the steps of a classifier's training


class AveragingAdamW(keras.optimizers.Adam):
    """AdamW with two additions: careful averages, and smaller steps in some of the variables.

    Keras's AdamW computes the schedule anew for the decay of each variable, and tracing that takes
    a third of the time that a first step needs. Here decay is part of a variable's step, which has
    the rate already.

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

    def __init__(
        self, learning_rate: Any, weight_decay: float, global_clipnorm: float, ema_momentum: float
    ) -> None:
        """Average the weights if there is a momentum."""
        super().__init__(
            learning_rate, global_clipnorm=global_clipnorm,
            use_ema=bool(ema_momentum), ema_momentum=ema_momentum or 0.99,
        )  # fmt: skip
        self._decay = weight_decay

    @property
    def ema_momentum(self) -> KerasTensor:
        """Share of the average that the next step keeps; Keras reads it in each step."""
        step = ops.cast(self.iterations, "float32")
        return ops.minimum(self._highest_momentum, (1.0 + step) / (10.0 + step))

    @ema_momentum.setter
    def ema_momentum(self, value: float) -> None:
        self._highest_momentum = value

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
        rate = ops.cast(learning_rate, variable.dtype)
        if self._decay:
            self.assign_sub(variable, variable * self._decay * rate)
        number = self._get_variable_index(variable)
        if number in self._numbers:
            rate = rate * self._factor
        if keras.backend.backend() == "tensorflow":
            self._step_at_once(gradient, variable, rate, number)
        else:
            super().update_step(gradient, variable, rate)

    def _step_at_once(self, gradient: Any, variable: Any, rate: Any, number: int) -> None:
        """Let one operation of TensorFlow do what Keras writes as fifteen."""
        import tensorflow

        step = ops.cast(self.iterations + 1, variable.dtype)
        tensorflow.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[number].value.handle, v=self._velocities[number].value.handle,
            beta1=self.beta_1, beta1_power=ops.power(self.beta_1, step),
            beta2=self.beta_2, beta2_power=ops.power(self.beta_2, step),
            epsilon=self.epsilon, lr=rate, grad=gradient,
        )  # fmt: skip


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
    warmup, rate = round(warmup_share * steps), config.learning_rate
    schedule = keras.optimizers.schedules.CosineDecay(
        rate / 20 if warmup else rate, max(1, steps - warmup), alpha=0.01,
        warmup_target=rate if warmup else None, warmup_steps=warmup,
    )  # fmt: skip
    return AveragingAdamW(
        schedule, config.weight_decay, global_clipnorm=5.0, ema_momentum=ema_momentum
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
    """Let a model, trained for a step at least, have its averaged weights, then its own again."""
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


#: Picture, targets and weights of a batch, as ``train_on_batch`` takes them.
Unpacked = tuple[object, object, object]

_AHEAD = 8  # steps handed to an accelerator before it is asked for a result; bounds its memory


def take_steps(model: keras.Model, batches: Iterator[Unpacked]) -> Iterator[float]:
    """Train a compiled model on an epoch's batches; yields the mean loss after each step."""
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
