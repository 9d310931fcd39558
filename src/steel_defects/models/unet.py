"""U-Nets that outline defects (Ronneberger et al. 2015, arXiv:1505.04597).

The full-resolution stage, which would cost most, is replaced by a strided stem at the entry and
smooth upsampling of the logits at the exit. A transposed convolution there would leave a
checkerboard that breaks outlines into pieces (Odena et al. 2016, doi:10.23915/distill.00003).
"""

from collections.abc import Sequence
from pathlib import Path

import keras
from keras import KerasTensor, layers

from steel_defects.models.config import BackboneUNetConfig, UNetConfig
from steel_defects.models.stages import (
    Seeds,
    encode,
    encode_with_backbone,
    logits,
    masks,
    plain_stage,
    residual_stage,
    segmenter,
)


def build_unet(
    config: UNetConfig | BackboneUNetConfig,
    classes: int,
    seed: int,
    weights_dir: Path | None = None,
) -> keras.Model:
    """Build a U-Net for sheets of any size that is a multiple of ``config.stride``.

    A backbone encodes in five stages. The logits are at half the resolution at which it sees the
    sheet, as with a stem of stride 2.

    Args:
        config: Encoder, and what the stages are made of.
        classes: Number of defect classes.
        seed: Seed of the initial weights.
        weights_dir: Folder of weight files.

    Returns:
        Model from ``(batch, height, width, 1)``, gray values 0 to 255, to the probability of each
        class at each pixel, ``(batch, height, width, classes)``, float32. With a presence head it
        returns a list of this and the probability that each class occurs, ``(batch, classes)``,
        float32.

    Raises:
        SteelDefectsError: The weights are missing or belong to another architecture.
    """
    init = Seeds(seed)
    sheet = keras.Input((None, None, 1), name="sheet")
    if isinstance(config, UNetConfig):
        stage = residual_stage if config.residual else plain_stage
        features = encode(sheet, config.filters, init, stage, config.stem_stride)
        filters = config.filters[:-1]
    else:
        seen = layers.AveragePooling2D(2)(sheet) if config.input_stride == 2 else sheet
        stages = len(config.filters) + 1
        features = encode_with_backbone(seen, config.encoder, stages, seed, weights_dir)
        filters = config.filters
    *skips, coarsest = features
    x = layers.SpatialDropout2D(config.dropout, seed=seed)(coarsest)
    x = _decode(x, skips, filters, init, config.residual)
    mask = masks(x, config.finest_stride, classes, init)
    return segmenter(sheet, mask, coarsest, config.presence_head, config.name)


def _decode(
    x: KerasTensor,
    skips: Sequence[KerasTensor],
    filters: Sequence[int],
    init: Seeds,
    residual: bool,
) -> KerasTensor:
    """Double the resolution once per skip, and join each with what the encoder saw at it.

    Skips and the filters of their stages go from the finest to the coarsest.
    """
    stage = residual_stage if residual else plain_stage
    for level in range(len(skips) - 1, -1, -1):
        x = layers.UpSampling2D(interpolation="nearest")(x)
        x = layers.Concatenate()([x, skips[level]])
        x = stage(x, filters[level], init)
        x = layers.Identity(name=f"decoded_{level}")(x)
    return x


def add_auxiliary_masks(model: keras.Model, levels: int, classes: int, seed: int) -> keras.Model:
    """Add a mask at each coarser stage of a decoder, for training alone.

    Args:
        model: A U-Net.
        levels: How many stages of its decoder are coarser than the last.
        classes: Number of defect classes.
        seed: Seed of the initial weights.

    Returns:
        Model that shares the other's weights, and returns a list of its outputs and the masks, from
        the finest to the coarsest, each of half the resolution of the one before, float32.
    """
    init = Seeds(seed + 1)
    outputs = list(model.outputs)
    for level in range(1, levels + 1):
        features = model.get_layer(f"decoded_{level}").output
        scores = logits(features, classes, init, f"auxiliary_logits_{level}")
        sigmoid = layers.Activation("sigmoid", dtype="float32", name=f"auxiliary_{level}")
        outputs.append(sigmoid(scores))
    return keras.Model(model.input, outputs, name=model.name)
