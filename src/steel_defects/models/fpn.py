"""A feature pyramid that outlines defects.

The pyramid of Lin et al. 2017 (arXiv:1612.03144) with the decoder of Kirillov et al. 2019 (Panoptic
FPN, arXiv:1901.02446): every level is brought to a quarter of the resolution, and they are summed.
Batch norm takes the place of group norm, as everywhere here.
"""

from collections.abc import Sequence
from pathlib import Path

from keras import KerasTensor, layers

from steel_defects.models import stages
from steel_defects.models.config import FPNConfig
from steel_defects.models.stages import Seeds


def fpn_features(
    sheet: KerasTensor, config: FPNConfig, init: Seeds, weights_dir: Path | None
) -> tuple[KerasTensor, KerasTensor]:
    """Return the coarsest features of sheets, and those at a quarter of their resolution."""
    if config.encoder:
        features = stages.encode_with_backbone(sheet, config.encoder, 5, init.network, weights_dir)
    else:
        features = stages.encode(sheet, config.filters, init, stages.residual_stage)
    # The features at half the resolution stay out, as published.
    levels = _pyramid(features[1:], config.pyramid_filters, init)
    parts = [_to_finest(x, level, config.head_filters, init) for level, x in enumerate(levels)]
    x = layers.SpatialDropout2D(config.dropout, seed=init.network)(layers.Add()(parts))
    return features[-1], x


def _pyramid(features: Sequence[KerasTensor], width: int, init: Seeds) -> list[KerasTensor]:
    """Hand what coarse features mean down to the fine ones; returns the finest first."""
    x = stages.convolve(features[-1], width, init, kernel=1)
    merged = [x]
    for finer in reversed(features[:-1]):
        x = layers.UpSampling2D(interpolation="nearest")(x)
        x = layers.Add()([x, stages.convolve(finer, width, init, kernel=1)])
        merged.insert(0, x)
    return [stages.convolve(level, width, init) for level in merged]


def _to_finest(x: KerasTensor, level: int, width: int, init: Seeds) -> KerasTensor:
    """Convolve and double until the finest level's resolution is reached."""
    x = stages.convolve(x, width, init)
    for number in range(level):
        x = stages.enlarge(x, 2)
        if number < level - 1:
            x = stages.convolve(x, width, init)
    return x
