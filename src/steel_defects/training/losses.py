"""The losses of the segmenters, from Keras's own where it has them."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, losses, ops

from steel_defects.training.config import RegionLoss


@keras.saving.register_keras_serializable("steel_defects")
class MaskLoss(losses.Loss):
    """A weighted sum of binary cross-entropy, which looks at pixels, and a loss of regions.

    Sums are in float32, since 16 bits hold no count of pixels.
    """

    def __init__(
        self,
        bce_weight: float = 0.5,
        region: RegionLoss = "dice",
        positive_weights: Sequence[float] = (),
        missed_weight: float = 0.7,
        focal_exponent: float = 0.75,
        name: str = "mask_loss",
        **options: object,
    ) -> None:
        """Set up the loss.

        Args:
            bce_weight: Weight of binary cross-entropy, 0 to 1; the loss of regions gets the rest.
            region: ``dice`` or ``focal_tversky``, of each class over the whole batch, since a class
                is absent from most tiles.
            positive_weights: How much more a defective pixel counts in cross-entropy, by class;
                none for once each.
            missed_weight: Of ``focal_tversky``: weight of a missed pixel, 0 to 1; one found where
                there is none gets the rest.
            focal_exponent: Of ``focal_tversky``: below 1, what is badly outlined counts more.
            name: Its name in Keras.
            options: What else Keras takes.
        """
        super().__init__(name=name, **options)
        self.bce_weight, self.region = bce_weight, region
        self.positive_weights = tuple(positive_weights)
        self.missed_weight, self.focal_exponent = missed_weight, focal_exponent

    def call(self, y_true: KerasTensor, y_pred: KerasTensor) -> KerasTensor:
        """Compare masks and probabilities of shape ``(batch, height, width, classes)``.

        Masks hold 0 to 1: a cell of a coarser mask holds the share of it that is defective.
        """
        y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
        loss = ops.zeros(())
        if self.bce_weight > 0:
            loss += self.bce_weight * self._crossentropy(y_true, y_pred)
        if self.bce_weight < 1:
            loss += (1 - self.bce_weight) * self._region_loss(y_true, y_pred)
        return loss

    def _crossentropy(self, y_true: KerasTensor, y_pred: KerasTensor) -> KerasTensor:
        bce = ops.binary_crossentropy(y_true, y_pred)
        if self.positive_weights:
            weights = ops.convert_to_tensor(self.positive_weights, "float32")
            bce *= 1 + (weights - 1) * y_true
        return ops.mean(bce)

    def _region_loss(self, y_true: KerasTensor, y_pred: KerasTensor) -> KerasTensor:
        if self.region == "dice":
            return ops.mean(losses.dice(y_true, y_pred, axis=(0, 1, 2)))
        return focal_tversky(y_true, y_pred, self.missed_weight, self.focal_exponent)

    def get_config(self) -> dict[str, object]:
        """Return what it takes to build the loss again."""
        return {
            **super().get_config(),
            "bce_weight": self.bce_weight,
            "region": self.region,
            "positive_weights": self.positive_weights,
            "missed_weight": self.missed_weight,
            "focal_exponent": self.focal_exponent,
        }


def focal_tversky(
    y_true: KerasTensor, y_pred: KerasTensor, missed_weight: float, exponent: float
) -> KerasTensor:
    """Dice with a weight of its own for what is missed (Abraham and Khan 2019, arXiv:1810.07842).

    Args:
        y_true: Masks of shape ``(batch, height, width, classes)``, 0 to 1, float32.
        y_pred: Probabilities of the same shape.
        missed_weight: Of a missed pixel, 0 to 1; one found where there is none gets the rest.
        exponent: Of one minus the index of Tversky.
    """
    # What Keras calls alpha weighs the pixels of y_true that y_pred lacks.
    index = losses.tversky(
        y_true, y_pred, alpha=missed_weight, beta=1 - missed_weight, axis=(0, 1, 2)
    )
    # The slope of a root is infinite at 0.
    return ops.mean(ops.power(ops.maximum(index, 1e-6), exponent))
