"""The phases in which a classifier is fitted."""

from dataclasses import dataclass

import keras

from steel_defects.training.config import ClassificationConfig


@dataclass(frozen=True)
class Phase:
    """A part of the training: its name, values, and what learns."""

    name: str
    config: ClassificationConfig
    trunk_learns: bool
    batch_norm_learns: bool


def phases_of(config: ClassificationConfig, pretrained: bool) -> list[Phase]:
    """From scratch all layers learn at once; a pre-trained backbone is frozen at first.

    Its batch norm stays frozen throughout: the statistics of a few sheets are worse than
    ImageNet's, and folded batch norm has none to learn.
    """
    if not pretrained:
        return [Phase("", config, trunk_learns=True, batch_norm_learns=True)]
    phases = []
    if config.frozen_epochs:
        head_only = config.model_copy(
            update={"epochs": config.frozen_epochs, "patience": config.frozen_epochs}
        )
        phases.append(Phase("head", head_only, trunk_learns=False, batch_norm_learns=False))
    if not config.fine_tuning_rate:
        return phases
    tuned = config.model_copy(
        update={"learning_rate": config.learning_rate * config.fine_tuning_rate}
    )
    return [*phases, Phase("fine-tuning", tuned, trunk_learns=True, batch_norm_learns=False)]


def set_trainable(model: keras.Model, phase: Phase) -> None:
    """Freeze or release a classifier's backbone, and its batch norm, for a phase."""
    trunk = model.get_layer(f"{model.name}_trunk")
    trunk.trainable = phase.trunk_learns
    if phase.trunk_learns and not phase.batch_norm_learns:
        for layer in trunk.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
