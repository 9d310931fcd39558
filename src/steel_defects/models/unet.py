"""The U-Net that outlines defects (Ronneberger et al. 2015, arXiv:1505.04597).

The full-resolution stage, which would cost most, is replaced by a strided stem at the entry and
smooth upsampling of the logits at the exit. A transposed convolution there would leave a
checkerboard that breaks outlines into pieces (Odena et al. 2016, doi:10.23915/distill.00003).
"""

import keras
from keras import KerasTensor, layers, ops

from steel_defects.models.config import UNetConfig

#: Height and width of the input must be multiples of ``stride_of(config)``.


def stride_of(config: UNetConfig) -> int:
    """Return what the input's height and width must be multiples of, pixels."""
    return int(2 ** len(config.filters))


def build_unet(config: UNetConfig, classes: int, seed: int) -> keras.Model:
    """Build a U-Net for sheets of any size.

    Args:
        config: Filters of each stage, from half resolution downwards.
        classes: Number of defect classes.
        seed: Seed of the initial weights.

    Returns:
        Model from ``(batch, height, width, 1)``, gray values 0 to 255, to the probability of each
        class at each pixel, ``(batch, height, width, classes)``, float32.
    """
    init = _Seeds(seed)

    # === Encoder ===
    sheet = keras.Input((None, None, 1), name="sheet")
    x = ops.subtract(ops.multiply(sheet, 1 / 64), 2.0)
    x = _convolve(x, config.filters[0], init, kernel=5, strides=2)
    skips = []
    for filters in config.filters[:-1]:
        x = _stage(x, filters, init)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = _stage(x, config.filters[-1], init)
    x = layers.SpatialDropout2D(config.dropout, seed=seed)(x)

    # === Decoder ===
    for filters, skip in zip(config.filters[-2::-1], reversed(skips), strict=True):
        x = layers.UpSampling2D(interpolation="nearest")(x)
        x = layers.Concatenate()([x, skip])
        x = _stage(x, filters, init)

    # === Exit ===
    logits = layers.Conv2D(
        classes,
        1,
        dtype="float32",
        kernel_initializer=init(),
        bias_initializer=keras.initializers.Constant(_RARE),
        name="logits",
    )(x)
    # Repeated, then averaged: linear interpolation that, unlike an image resize, takes any size.
    logits = layers.UpSampling2D(interpolation="nearest", dtype="float32")(logits)
    logits = layers.AveragePooling2D(3, strides=1, padding="same", dtype="float32")(logits)
    mask = layers.Activation("sigmoid", dtype="float32", name="mask")(logits)
    return keras.Model(sheet, mask, name="unet")


#: Logit of the share of defective pixels, so that training does not begin by unlearning a half.
_RARE = -3.0


class _Seeds:
    """Hands every layer an initialiser with a seed of its own."""

    def __init__(self, seed: int) -> None:
        self.seed = seed * 1000

    def __call__(self) -> keras.Initializer:
        self.seed += 1
        return keras.initializers.HeNormal(seed=self.seed)


def _convolve(
    x: KerasTensor, filters: int, init: _Seeds, kernel: int = 3, strides: int = 1
) -> KerasTensor:
    x = layers.Conv2D(
        filters, kernel, strides, padding="same", use_bias=False, kernel_initializer=init()
    )(x)
    # The usual memory of a hundred steps outlasts a short training.
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.Activation("relu")(x)


def _stage(x: KerasTensor, filters: int, init: _Seeds) -> KerasTensor:
    return _convolve(_convolve(x, filters, init), filters, init)
