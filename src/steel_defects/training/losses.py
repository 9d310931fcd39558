"""The losses of the segmenters, from Keras's own where it has them."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, losses, ops

from steel_defects.training.config import RegionLoss

_MISSED_WEIGHT = 0.7  # of a missed pixel in focal_tversky; one without a defect gets the rest
_FOCAL_EXPONENT = 0.75  # of one minus Tversky's index: below 1, what is badly outlined counts more


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
        name: str = "mask_loss",
        **options: object,
    ) -> None:
        """Set up the loss; see :class:`steel_defects.training.config.SegmentationConfig`.

        The loss of regions is of each class over the whole batch, since a class is absent from
        most tiles.
        """
        super().__init__(name=name, **options)
        self.bce_weight, self.region = bce_weight, region
        self.positive_weights = tuple(positive_weights)

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
        return focal_tversky(y_true, y_pred)

    def get_config(self) -> dict[str, object]:
        """Return what it takes to build the loss again."""
        return {
            **super().get_config(),
            "bce_weight": self.bce_weight,
            "region": self.region,
            "positive_weights": self.positive_weights,
        }


def focal_tversky(y_true: KerasTensor, y_pred: KerasTensor) -> KerasTensor:
    """Dice with a weight of its own for what is missed (Abraham and Khan 2019, arXiv:1810.07842).

    Masks and probabilities are of shape ``(batch, height, width, classes)``, 0 to 1, float32.
    """
    # What Keras calls alpha weighs the pixels of y_true that y_pred lacks.
    alpha, beta = _MISSED_WEIGHT, 1 - _MISSED_WEIGHT
    index = losses.tversky(y_true, y_pred, alpha=alpha, beta=beta, axis=(0, 1, 2))
    # The slope of a root is infinite at 0.
    return ops.mean(ops.power(ops.maximum(index, 1e-6), _FOCAL_EXPONENT))
