"""DeepLabV3+ (Chen et al. 2018, arXiv:1802.02611).

Atrous spatial pyramid pooling looks at the coarse features at several scales at once; a small
decoder joins the result with fine features. Convolutions in both are depthwise separable.
"""

from collections.abc import Sequence
from pathlib import Path

from keras import KerasTensor, layers

from steel_defects.models import stages
from steel_defects.models.config import DeepLabConfig
from steel_defects.models.stages import Seeds


def deeplab_features(
    sheet: KerasTensor, config: DeepLabConfig, init: Seeds, weights_dir: Path | None
) -> tuple[KerasTensor, KerasTensor]:
    """Return the coarsest features of sheets, and those at a quarter of their resolution."""
    if config.encoder:
        features = stages.encode_with_backbone(sheet, config.encoder, 4, init.network, weights_dir)
    else:
        features = stages.encode(sheet, config.filters[:4], init, stages.residual_stage)
        for width in config.filters[4:]:  # atrous, where others would halve the resolution
            features.append(stages.residual_stage(features[-1], width, init, dilation=2))
    x = _pool_at_scales(features[-1], config.rates, config.pyramid_filters, init)
    x = layers.SpatialDropout2D(config.dropout, seed=init.network)(x)
    fine = stages.convolve(features[1], config.low_level_filters, init, kernel=1)
    x = layers.Concatenate()([stages.enlarge(x, 4), fine])
    for _ in range(2):
        x = stages.separable(x, config.head_filters, init)
    return features[-1], x


def _pool_at_scales(x: KerasTensor, rates: Sequence[int], width: int, init: Seeds) -> KerasTensor:
    """Atrous spatial pyramid pooling: a 1×1, a separable 3×3 per rate, and the sheet's mean.

    The mean is mixed in by a 1×1 of its own and added, which is the same as to repeat it over all
    cells and join it to the others before one 1×1, and takes sheets of any size.
    """
    branches = [stages.convolve(x, width, init, kernel=1)]
    branches += [stages.separable(x, width, init, dilation=rate) for rate in rates]
    sheet = stages.convolve(layers.GlobalAveragePooling2D(keepdims=True)(x), width, init, kernel=1)
    mixed = [
        layers.Conv2D(width, 1, use_bias=False, kernel_initializer=init())(part)
        for part in (layers.Concatenate()(branches), sheet)
    ]
    return layers.Activation("relu")(stages.normalise(layers.Add()(mixed)))
