"""The U-Net that outlines defects (Ronneberger et al. 2015, arXiv:1505.04597).

The full-resolution stage, which would cost most, is replaced by a strided stem at the entry and
smooth upsampling of the logits at the exit. A transposed convolution there would leave a
checkerboard that breaks outlines into pieces (Odena et al. 2016, doi:10.23915/distill.00003).
"""

import keras
from keras import KerasTensor, layers, ops

from steel_defects.models.config import UNetConfig


def stride_of(config: UNetConfig) -> int:
    """Return what the input's height and width must be multiples of, pixels."""
    return int(config.stem_stride * 2 ** (len(config.filters) - 1))


def build_unet(config: UNetConfig, classes: int, seed: int) -> keras.Model:
    """Build a U-Net for sheets of any size that is a multiple of ``stride_of(config)``.

    Args:
        config: Stages and what they are made of.
        classes: Number of defect classes.
        seed: Seed of the initial weights.

    Returns:
        Model from ``(batch, height, width, 1)``, gray values 0 to 255, to the probability of each
        class at each pixel, ``(batch, height, width, classes)``, float32. With a presence head it
        returns a list of this and the probability that each class occurs, ``(batch, classes)``,
        float32.
    """
    init = _Seeds(seed)
    stage = _residual_stage if config.residual else _stage

    # === Encoder ===
    sheet = keras.Input((None, None, 1), name="sheet")
    x = ops.subtract(ops.multiply(sheet, 1 / 64), 2.0)
    x = _convolve(x, config.filters[0], init, kernel=5, strides=config.stem_stride)
    skips = []
    for filters in config.filters[:-1]:
        x = stage(x, filters, init)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = bottleneck = stage(x, config.filters[-1], init)
    x = layers.SpatialDropout2D(config.dropout, seed=seed)(x)

    # === Decoder ===
    for level in range(len(skips) - 1, -1, -1):
        x = layers.UpSampling2D(interpolation="nearest")(x)
        x = layers.Concatenate()([x, skips[level]])
        x = stage(x, config.filters[level], init)
        x = layers.Identity(name=_decoded(level))(x)

    # === Exit ===
    logits = _logits(x, classes, init, "logits")
    if config.stem_stride == 2:
        # Repeated, then averaged: linear interpolation that, unlike an image resize, takes any
        # size.
        logits = layers.UpSampling2D(interpolation="nearest", dtype="float32")(logits)
        logits = layers.AveragePooling2D(3, strides=1, padding="same", dtype="float32")(logits)
    mask = layers.Activation("sigmoid", dtype="float32", name="mask")(logits)
    if not config.presence_head:
        return keras.Model(sheet, mask, name="unet")
    return keras.Model(sheet, [mask, _presence(bottleneck, classes)], name="unet")


def add_auxiliary_masks(
    model: keras.Model, config: UNetConfig, classes: int, seed: int
) -> keras.Model:
    """Add a mask at each coarser stage of the decoder, for training alone.

    Args:
        model: From :func:`build_unet`.
        config: What it was built from.
        classes: Number of defect classes.
        seed: Seed of the initial weights.

    Returns:
        Model that shares the other's weights, and returns a list of its outputs and the masks, from
        the finest to the coarsest, each of half the resolution of the one before, float32.
    """
    init = _Seeds(seed + 1)
    masks = []
    for level in range(1, len(config.filters) - 1):
        features = model.get_layer(_decoded(level)).output
        logits = _logits(features, classes, init, f"auxiliary_logits_{level}")
        masks.append(
            layers.Activation("sigmoid", dtype="float32", name=f"auxiliary_{level}")(logits)
        )
    return keras.Model(model.input, [*model.outputs, *masks], name=model.name)


#: Logit of the share of defective pixels, so that training does not begin by unlearning a half.
_RARE = -3.0


def _decoded(level: int) -> str:
    return f"decoded_{level}"


class _Seeds:
    """Hands every layer an initialiser with a seed of its own."""

    def __init__(self, seed: int) -> None:
        self.seed = seed * 1000

    def __call__(self) -> keras.Initializer:
        self.seed += 1
        return keras.initializers.HeNormal(seed=self.seed)


def _normalised(
    x: KerasTensor, filters: int, init: _Seeds, kernel: int = 3, strides: int = 1
) -> KerasTensor:
    x = layers.Conv2D(
        filters, kernel, strides, padding="same", use_bias=False, kernel_initializer=init()
    )(x)
    # The usual memory of a hundred steps outlasts a short training.
    return layers.BatchNormalization(momentum=0.9)(x)


def _convolve(
    x: KerasTensor, filters: int, init: _Seeds, kernel: int = 3, strides: int = 1
) -> KerasTensor:
    return layers.Activation("relu")(_normalised(x, filters, init, kernel, strides))


def _stage(x: KerasTensor, filters: int, init: _Seeds) -> KerasTensor:
    return _convolve(_convolve(x, filters, init), filters, init)


def _residual_stage(x: KerasTensor, filters: int, init: _Seeds) -> KerasTensor:
    """Two convolutions around which the input is led, through a 1×1 where its width differs."""
    change = _normalised(_convolve(x, filters, init), filters, init)
    around = x if x.shape[-1] == filters else _normalised(x, filters, init, kernel=1)
    return layers.Activation("relu")(layers.Add()([change, around]))


def _logits(x: KerasTensor, classes: int, init: _Seeds, name: str) -> KerasTensor:
    return layers.Conv2D(
        classes,
        1,
        dtype="float32",
        kernel_initializer=init(),
        bias_initializer=keras.initializers.Constant(_RARE),
        name=name,
    )(x)


def _presence(features: KerasTensor, classes: int) -> KerasTensor:
    """Read mean and maximum of the coarsest features: a small defect moves the maximum alone."""
    pooled = [
        layers.GlobalAveragePooling2D(dtype="float32")(features),
        layers.GlobalMaxPooling2D(dtype="float32")(features),
    ]
    # Maxima are large at first, so that random weights would be sure of themselves; zeros are not.
    head = layers.Dense(
        classes, "sigmoid", dtype="float32", kernel_initializer="zeros", name="presence"
    )
    return head(layers.Concatenate(dtype="float32")(pooled))
