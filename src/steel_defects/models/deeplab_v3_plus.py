"""DeepLabV3+ (Chen et al. 2018, arXiv:1802.02611).

Atrous spatial pyramid pooling looks at the coarse features at several scales at once; a small
decoder joins the result with fine features. Convolutions in both are depthwise separable.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
from keras import KerasTensor, layers

from steel_defects.models.config import DeepLabConfig
from steel_defects.models.stages import (
    Seeds,
    convolve,
    encode,
    encode_with_backbone,
    enlarge,
    masks,
    residual_stage,
    segmenter,
    separable,
)


def build_deeplab(
    config: DeepLabConfig, classes: int, seed: int, weights_dir: Path | None = None
) -> keras.Model:
    """Build a DeepLabV3+ for sheets of any size that is a multiple of ``config.stride``.

    Args:
        config: Encoder, rates, and the widths of pyramid and decoder.
        classes: Number of defect classes.
        seed: Seed of the initial weights.
        weights_dir: Folder of weight files.

    Returns:
        Model with the inputs and outputs of :func:`steel_defects.models.unet.build_unet`.

    Raises:
        SteelDefectsError: The weights are missing or belong to another architecture.
    """
    init = Seeds(seed)
    sheet = keras.Input((None, None, 1), name="sheet")
    if config.encoder:
        features = encode_with_backbone(sheet, config.encoder, 4, seed, weights_dir)
    else:
        features = encode(sheet, config.filters[:4], init, residual_stage)
        for width in config.filters[4:]:  # atrous, where others would halve the resolution
            features.append(residual_stage(features[-1], width, init, dilation=2))
    x = _pool_at_scales(features[-1], config.rates, config.pyramid_filters, init)
    x = layers.SpatialDropout2D(config.dropout, seed=seed)(x)
    fine = convolve(features[1], config.low_level_filters, init, kernel=1)
    x = layers.Concatenate()([enlarge(x, 4), fine])
    for _ in range(2):
        x = separable(x, config.head_filters, init)
    return segmenter(
        sheet, masks(x, 4, classes, init), features[-1], config.presence_head, config.name
    )


def _pool_at_scales(x: KerasTensor, rates: Sequence[int], width: int, init: Seeds) -> KerasTensor:
    """Atrous spatial pyramid pooling: a 1×1, a separable 3×3 a rate, and the whole sheet's mean.

    The mean is mixed in by a 1×1 of its own and added, which is the same as to repeat it over all
    cells and join it to the others before one 1×1, and takes sheets of any size.
    """
    branches = [convolve(x, width, init, kernel=1)]
    branches += [separable(x, width, init, dilation=rate) for rate in rates]
    sheet = convolve(layers.GlobalAveragePooling2D(keepdims=True)(x), width, init, kernel=1)
    mixed = [
        layers.Conv2D(width, 1, use_bias=False, kernel_initializer=init())(part)
        for part in (layers.Concatenate()(branches), sheet)
    ]
    return layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(layers.Add()(mixed)))
