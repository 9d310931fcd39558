"""A feature pyramid that outlines defects.

The pyramid of Lin et al. 2017 (arXiv:1612.03144) with the decoder of Kirillov et al. 2019 (Panoptic
FPN, arXiv:1901.02446): every level is brought to a quarter of the resolution, and they are summed.
Batch norm takes the place of group norm, as everywhere here.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
from keras import KerasTensor, layers

from steel_defects.models.config import FPNConfig
from steel_defects.models.stages import (
    Seeds,
    convolve,
    encode,
    encode_with_backbone,
    enlarge,
    masks,
    residual_stage,
    segmenter,
)

_FINEST = 4  # pixels between the cells of the finest level of the pyramid


def build_fpn(
    config: FPNConfig, classes: int, seed: int, weights_dir: Path | None = None
) -> keras.Model:
    """Build a feature pyramid for sheets of any size that is a multiple of ``config.stride``.

    Args:
        config: Encoder, and the widths of pyramid and decoder.
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
        features = encode_with_backbone(sheet, config.encoder, 5, seed, weights_dir)
    else:
        features = encode(sheet, config.filters, init, residual_stage)
    # The features at half the resolution stay out, as published.
    levels = _pyramid(features[1:], config.pyramid_filters, init)
    parts = [_to_finest(x, level, config.head_filters, init) for level, x in enumerate(levels)]
    x = layers.Add()(parts)
    x = layers.SpatialDropout2D(config.dropout, seed=seed)(x)
    return segmenter(
        sheet, masks(x, _FINEST, classes, init), features[-1], config.presence_head, config.name
    )


def _pyramid(features: Sequence[KerasTensor], width: int, init: Seeds) -> list[KerasTensor]:
    """Hand what coarse features mean down to the fine ones; returns the finest first."""
    x = convolve(features[-1], width, init, kernel=1)
    merged = [x]
    for finer in reversed(features[:-1]):
        x = layers.UpSampling2D(interpolation="nearest")(x)
        x = layers.Add()([x, convolve(finer, width, init, kernel=1)])
        merged.insert(0, x)
    return [convolve(level, width, init) for level in merged]


def _to_finest(x: KerasTensor, level: int, width: int, init: Seeds) -> KerasTensor:
    """Convolve and double until the finest level's resolution is reached."""
    x = convolve(x, width, init)
    for number in range(level):
        x = enlarge(x, 2)
        if number < level - 1:
            x = convolve(x, width, init)
    return x
