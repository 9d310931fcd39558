"""U-Nets that encode sheets with a backbone of the classifier."""

import keras
from keras import layers

from steel_defects.models.config import BackboneUNetConfig
from steel_defects.models.encoders import encode_with_backbone
from steel_defects.models.stages import Seeds, Stage, masks, plain_stage, residual_stage, segmenter
from steel_defects.models.unet import decode


def build_backbone_unet(
    config: BackboneUNetConfig, classes: int, seed: int, weights_dir: str | None = None
) -> keras.Model:
    """Build a U-Net whose encoder may have been trained on photographs.

    Five stages of the backbone and four of the decoder; the logits are at half the resolution at
    which the backbone sees the sheet, as in :func:`steel_defects.models.unet.build_unet`.

    Args:
        config: Encoder, and the stages of the decoder.
        classes: Number of defect classes.
        seed: Seed of the initial weights.
        weights_dir: Folder of weight files.

    Returns:
        Model with the inputs and outputs of :func:`steel_defects.models.unet.build_unet`.

    Raises:
        SteelDefectsError: The weights are missing or belong to another architecture.
    """
    init = Seeds(seed)
    stage: Stage = residual_stage if config.residual else plain_stage
    sheet = keras.Input((None, None, 1), name="sheet")
    stages = len(config.filters) + 1
    seen = layers.AveragePooling2D(2)(sheet) if config.input_stride == 2 else sheet
    *skips, coarsest = encode_with_backbone(seen, config.encoder, stages, seed, weights_dir)
    x = layers.SpatialDropout2D(config.dropout, seed=seed)(coarsest)
    x = decode(x, skips, config.filters, init, stage)
    mask = masks(x, 2 * config.input_stride, classes, init)
    return segmenter(sheet, mask, coarsest, config.presence_head, config.name)
