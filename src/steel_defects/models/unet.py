"""The U-Net that outlines defects (Ronneberger et al. 2015, arXiv:1505.04597).

The full-resolution stage, which would cost most, is replaced by a strided stem at the entry and
smooth upsampling of the logits at the exit. A transposed convolution there would leave a
checkerboard that breaks outlines into pieces (Odena et al. 2016, doi:10.23915/distill.00003).
"""

from collections.abc import Sequence

import keras
from keras import KerasTensor, layers

from steel_defects.models.config import UNetConfig
from steel_defects.models.stages import (
    Seeds,
    Stage,
    encode,
    logits,
    masks,
    plain_stage,
    residual_stage,
    segmenter,
)


def build_unet(config: UNetConfig, classes: int, seed: int) -> keras.Model:
    """Build a U-Net for sheets of any size that is a multiple of ``config.stride``.

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
    init = Seeds(seed)
    stage: Stage = residual_stage if config.residual else plain_stage
    sheet = keras.Input((None, None, 1), name="sheet")
    *skips, bottleneck = encode(sheet, config.filters, init, stage, config.stem_stride)
    x = layers.SpatialDropout2D(config.dropout, seed=seed)(bottleneck)
    x = decode(x, skips, config.filters[:-1], init, stage)
    mask = masks(x, config.stem_stride, classes, init)
    return segmenter(sheet, mask, bottleneck, config.presence_head, "unet")


def decode(
    x: KerasTensor,
    skips: Sequence[KerasTensor],
    filters: Sequence[int],
    init: Seeds,
    stage: Stage,
) -> KerasTensor:
    """Double the resolution once a skip, and join each with what the encoder saw at it.

    Args:
        x: The coarsest features.
        skips: Features of the encoder, from the finest to the coarsest.
        filters: Of each stage of the decoder, in the order of the skips.
        init: Initialisers.
        stage: What a stage is.

    Returns:
        Features at the resolution of the finest skip.
    """
    for level in range(len(skips) - 1, -1, -1):
        x = layers.UpSampling2D(interpolation="nearest")(x)
        x = layers.Concatenate()([x, skips[level]])
        x = stage(x, filters[level], init)
        x = layers.Identity(name=_decoded(level))(x)
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
    found = []
    for level in range(1, levels + 1):
        features = model.get_layer(_decoded(level)).output
        scores = logits(features, classes, init, f"auxiliary_logits_{level}")
        found.append(
            layers.Activation("sigmoid", dtype="float32", name=f"auxiliary_{level}")(scores)
        )
    return keras.Model(model.input, [*model.outputs, *found], name=model.name)


def _decoded(level: int) -> str:
    return f"decoded_{level}"
