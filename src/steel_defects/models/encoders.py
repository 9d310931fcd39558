"""The backbones of the classifier as encoders of segmenters."""

import keras
from keras import KerasTensor, layers

from steel_defects.models.backbones import build_backbone, to_channels
from steel_defects.models.config import EncoderConfig

#: The last layer of each backbone at a half, a quarter, an eighth, a 16th and a 32nd of the size.
_LAYERS = {
    "resnet50": (
        "conv1_relu", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out",
        "conv5_block3_out",
    ),
    "vgg16": (
        "block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3", "block5_pool",
    ),
    "efficientnet_b0": (
        "block2a_expand_activation", "block3a_expand_activation", "block4a_expand_activation",
        "block6a_expand_activation", "top_activation",
    ),
    "mobilenet_v2": (
        "block_1_expand_relu", "block_3_expand_relu", "block_6_expand_relu",
        "block_13_expand_relu", "out_relu",
    ),
}  # fmt: skip


def encode_with_backbone(
    sheet: KerasTensor,
    config: EncoderConfig,
    stages: int,
    seed: int,
    weights_dir: str | None = None,
) -> list[KerasTensor]:
    """Encode gray sheets with a backbone.

    Args:
        sheet: Gray values 0 to 255, ``(batch, height, width, 1)``; the sides are multiples of
            ``2 ** stages``.
        config: Which backbone, and its weights.
        stages: How many stages to go down, each of half the resolution of the one before.
        seed: Seed of the initial weights, where none are loaded.
        weights_dir: Folder of weight files.

    Returns:
        The features of each stage, from half the resolution downwards.

    Raises:
        SteelDefectsError: The weights are missing or belong to another architecture.
    """
    whole = build_backbone(config, (None, None), seed, weights_dir)
    trunk = whole.get_layer(f"{config.name}_trunk")
    ends = [trunk.get_layer(name).output for name in _LAYERS[config.name][:stages]]
    encoder = keras.Model(trunk.input, ends, name=f"{config.name}_encoder")
    if config.weights != "none":
        _keep_statistics(encoder)
    return list(encoder(to_channels(sheet, config)))


def _keep_statistics(encoder: keras.Model) -> None:
    """Keep pre-trained batch norm as it is.

    Its memory of a thousand steps would still hold the old statistics when a short training is
    over; and in weights into which it was folded, it must not begin to normalise.
    """
    for layer in encoder.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
