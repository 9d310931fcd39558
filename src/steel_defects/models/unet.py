"""U-Nets that outline defects (Ronneberger et al. 2015, arXiv:1505.04597).

The full-resolution stage, which would cost most, is replaced by a strided stem at the entry and
smooth upsampling of the logits at the exit. A transposed convolution there would leave a
checkerboard that breaks outlines into pieces (Odena et al. 2016, doi:10.23915/distill.00003).
"""

from pathlib import Path

import keras
from keras import KerasTensor, layers

from steel_defects.models import stages
from steel_defects.models.config import BackboneUNetConfig, UNetConfig
from steel_defects.models.stages import Seeds


def unet_features(
    sheet: KerasTensor,
    config: UNetConfig | BackboneUNetConfig,
    init: Seeds,
    weights_dir: Path | None,
) -> tuple[KerasTensor, KerasTensor]:
    """Return the coarsest features of sheets, and those at the resolution of the finest skip."""
    stage = stages.residual_stage if config.residual else stages.plain_stage
    if isinstance(config, UNetConfig):
        features = stages.encode(sheet, config.filters, init, stage, config.stem_stride)
    else:
        seen = layers.AveragePooling2D(2)(sheet) if config.input_shrink == 2 else sheet
        count = len(config.filters) + 1
        features = stages.encode_with_backbone(
            seen, config.encoder, count, init.network, weights_dir
        )
    *skips, coarsest = features
    x = layers.SpatialDropout2D(config.dropout, seed=init.network)(coarsest)
    for level in range(len(skips) - 1, -1, -1):
        x = layers.UpSampling2D(interpolation="nearest")(x)
        x = layers.Concatenate()([x, skips[level]])
        x = stage(x, config.filters[level], init)
        x = layers.Identity(name=f"decoded_{level}")(x)
    return coarsest, x


def add_auxiliary_masks(model: keras.Model, levels: int, classes: int, seed: int) -> keras.Model:
    """Add a mask at each coarser stage of a decoder, for training alone.

    Returns:
        Model that shares the other's weights, and returns a list of its outputs and ``levels``
        masks, from the finest to the coarsest, each of half the resolution of the one before,
        float32.
    """
    init = Seeds(seed + 1)
    outputs = list(model.outputs)
    for level in range(1, levels + 1):
        features = model.get_layer(f"decoded_{level}").output
        scores = stages.logits(features, classes, init, f"auxiliary_logits_{level}")
        sigmoid = layers.Activation("sigmoid", dtype="float32", name=f"auxiliary_{level}")
        outputs.append(sigmoid(scores))
    return keras.Model(model.input, outputs, name=model.name)
