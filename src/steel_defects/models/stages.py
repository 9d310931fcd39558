"""What the segmenters are put together from: encoders, stages of convolutions, and exits."""

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
from keras import KerasTensor, layers, ops

from steel_defects.models.backbones import build_backbone, freeze_batch_norm, to_channels
from steel_defects.models.config import EncoderConfig
from steel_defects.models.efficientnet_lite import EFFICIENTNET_LITE

#: Logit of the share of defective pixels, so that training does not begin by unlearning a half.
_RARE = -3.0
#: The last layer of each backbone at a half, a quarter, an eighth, a 16th and a 32nd of the size.
_LAYERS = {
    "resnet50": (
        "conv1_relu", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out",
        "conv5_block3_out",
    ),
    "vgg16": (
        "block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3", "block5_pool",
    ),
    "mobilenet_v2": (
        "block_1_expand_relu", "block_3_expand_relu", "block_6_expand_relu",
        "block_13_expand_relu", "out_relu",
    ),
    "efficientnet_b0": (
        "block2a_expand_activation", "block3a_expand_activation", "block4a_expand_activation",
        "block6a_expand_activation", "top_activation",
    ),
    # Before they are expanded: a sixth as wide, so that a decoder costs half as much.
    **dict.fromkeys(EFFICIENTNET_LITE, (
        "stage1_out", "stage2_out", "stage3_out", "stage5_out", "stage7_out",
    )),
}  # fmt: skip


class Seeds:
    """Hands every layer an initialiser with a seed of its own."""

    def __init__(self, seed: int) -> None:
        self.network, self._last = seed, seed * 1000

    def __call__(self) -> keras.Initializer:
        """Return He's initialiser for a network of ReLUs (He et al. 2015, arXiv:1502.01852)."""
        self._last += 1
        return keras.initializers.HeNormal(seed=self._last)


#: Features and their width to features of that width.
Stage = Callable[[KerasTensor, int, Seeds], KerasTensor]


def normalise(x: KerasTensor) -> KerasTensor:
    """Normalise over the batch; the usual memory of a hundred steps outlasts a short training."""
    return layers.BatchNormalization(momentum=0.9)(x)


def normalised(
    x: KerasTensor, filters: int, init: Seeds, kernel: int = 3, strides: int = 1, dilation: int = 1
) -> KerasTensor:
    """Convolve and normalise."""
    convolution = layers.Conv2D(
        filters, kernel, strides, padding="same", dilation_rate=dilation, use_bias=False,
        kernel_initializer=init(),
    )  # fmt: skip
    return normalise(convolution(x))


def convolve(
    x: KerasTensor, filters: int, init: Seeds, kernel: int = 3, strides: int = 1, dilation: int = 1
) -> KerasTensor:
    """Convolve, normalise, and keep what is positive."""
    return layers.Activation("relu")(normalised(x, filters, init, kernel, strides, dilation))


def separable(x: KerasTensor, filters: int, init: Seeds, dilation: int = 1) -> KerasTensor:
    """Convolve each channel by itself, then mix them, each normalised (Chollet 2017, Xception)."""
    depthwise = layers.DepthwiseConv2D(
        3, padding="same", dilation_rate=dilation, use_bias=False, depthwise_initializer=init()
    )
    x = layers.Activation("relu")(normalise(depthwise(x)))
    return convolve(x, filters, init, kernel=1)


def plain_stage(x: KerasTensor, filters: int, init: Seeds) -> KerasTensor:
    """Two convolutions."""
    return convolve(convolve(x, filters, init), filters, init)


def residual_stage(x: KerasTensor, filters: int, init: Seeds, dilation: int = 1) -> KerasTensor:
    """Two convolutions around which the input is led, through a 1×1 where its width differs."""
    change = convolve(x, filters, init, dilation=dilation)
    change = normalised(change, filters, init, dilation=dilation)
    around = x if x.shape[-1] == filters else normalised(x, filters, init, kernel=1)
    return layers.Activation("relu")(layers.Add()([change, around]))


def encode(
    sheet: KerasTensor, filters: Sequence[int], init: Seeds, stage: Stage, stem_stride: int = 2
) -> list[KerasTensor]:
    """Encode gray sheets, ``(batch, height, width, 1)``, 0 to 255, from scratch.

    Each stage but the first halves the resolution; its cells are ``stem_stride`` pixels wide.

    Returns:
        The features of each stage, from the finest to the coarsest.
    """
    x = ops.subtract(ops.multiply(sheet, 1 / 64), 2.0)
    x = convolve(x, filters[0], init, kernel=5, strides=stem_stride)
    features = [stage(x, filters[0], init)]
    for width in filters[1:]:
        features.append(stage(layers.MaxPooling2D()(features[-1]), width, init))
    return features


def encode_with_backbone(
    sheet: KerasTensor,
    config: EncoderConfig,
    stages: int,
    seed: int,
    weights_dir: Path | None = None,
) -> list[KerasTensor]:
    """Encode gray sheets with a backbone, as :func:`encode` does from scratch.

    Pre-trained batch norm stays as it is: its memory of a thousand steps would still hold the old
    statistics when a short training is over; and in weights into which it was folded, it must not
    begin to normalise.

    The sides of the sheets are multiples of ``2 ** stages``; the first stage is at half the
    resolution.

    Raises:
        SteelDefectsError: The weights are missing or belong to another architecture.
    """
    whole = build_backbone(config, (None, None), seed, weights_dir)
    trunk = whole.get_layer(f"{config.name}_trunk")
    ends = [trunk.get_layer(name).output for name in _LAYERS[config.name][:stages]]
    encoder = keras.Model(trunk.input, ends, name=f"{config.name}_encoder")
    if config.weights != "none":
        freeze_batch_norm(encoder)
    return list(encoder(to_channels(sheet, config)))


def enlarge(x: KerasTensor, times: int, dtype: str | None = None) -> KerasTensor:
    """Interpolate linearly to so many times the height and width, a power of two.

    Repeated, then averaged: unlike an image resize, this takes any size.
    """
    while times > 1:
        x = layers.UpSampling2D(interpolation="nearest", dtype=dtype)(x)
        x = layers.AveragePooling2D(3, strides=1, padding="same", dtype=dtype)(x)
        times //= 2
    return x


def logits(x: KerasTensor, classes: int, init: Seeds, name: str) -> KerasTensor:
    """Return a logit for each class and cell, float32."""
    rare = keras.initializers.Constant(_RARE)
    return layers.Conv2D(
        classes, 1, dtype="float32", kernel_initializer=init(), bias_initializer=rare, name=name
    )(x)


def masks(x: KerasTensor, stride: int, classes: int, init: Seeds) -> KerasTensor:
    """Return the probability of each class at each pixel, float32.

    The cells of the last features ``x`` are ``stride`` pixels wide, a power of two.
    """
    full_size = enlarge(logits(x, classes, init, "logits"), stride, "float32")
    return layers.Activation("sigmoid", dtype="float32", name="mask")(full_size)


def presence(features: KerasTensor, classes: int) -> KerasTensor:
    """Return the probability that each class occurs, ``(batch, classes)``, float32.

    It is read from mean and maximum of the coarsest features: a small defect moves the maximum
    alone.
    """
    pooled = [
        layers.GlobalAveragePooling2D(dtype="float32")(features),
        layers.GlobalMaxPooling2D(dtype="float32")(features),
    ]
    # Maxima are large at first, so that random weights would be sure of themselves; zeros are not.
    head = layers.Dense(
        classes, "sigmoid", dtype="float32", kernel_initializer="zeros", name="presence"
    )
    return head(layers.Concatenate(dtype="float32")(pooled))
