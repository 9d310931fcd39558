"""The loss of the segmenters, from Keras's own."""

import keras
from keras import KerasTensor, losses, ops


@keras.saving.register_keras_serializable("steel_defects")
class BinaryCrossentropyDice(losses.Loss):
    """A weighted sum of binary cross-entropy and Dice loss.

    Dice is taken for each class over the whole batch, then averaged: a class is absent from most
    tiles, where Dice of a single tile would be 0 or 1 by chance.
    """

    def __init__(self, bce_weight: float = 0.5, name: str = "bce_dice", **options: object) -> None:
        """Set up the loss; ``bce_weight`` is between 0 and 1, Dice gets the rest."""
        super().__init__(name=name, **options)
        self.bce_weight = bce_weight

    def call(self, y_true: KerasTensor, y_pred: KerasTensor) -> KerasTensor:
        """Compare masks of shape ``(batch, height, width, classes)``; sums are in float32."""
        y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
        bce = ops.mean(losses.binary_crossentropy(y_true, y_pred))
        dice = ops.mean(losses.dice(y_true, y_pred, axis=(0, 1, 2)))
        return self.bce_weight * bce + (1 - self.bce_weight) * dice

    def get_config(self) -> dict[str, object]:
        """Return what it takes to build the loss again."""
        return {**super().get_config(), "bce_weight": self.bce_weight}
