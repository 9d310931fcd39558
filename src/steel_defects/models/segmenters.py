"""The segmenters by name."""

from pathlib import Path
from typing import Any

import keras
from keras import layers

from steel_defects.models.config import STRIDE, DeepLabConfig, FPNConfig, Network
from steel_defects.models.deeplab_v3_plus import deeplab_features
from steel_defects.models.fpn import fpn_features
from steel_defects.models.stages import Seeds, masks, presence
from steel_defects.models.unet import unet_features

_FEATURES: dict[type, Any] = {FPNConfig: fpn_features, DeepLabConfig: deeplab_features}


def build_segmenter(
    network: Network, classes: int, seed: int, weights_dir: Path | None = None
) -> keras.Model:
    """Build a segmenter for sheets of any size that is a multiple of ``network.stride``.

    Returns:
        Model from ``(batch, height, width, 1)``, gray values 0 to 255, to the probability of each
        class at each pixel, ``(batch, height, width, classes)``, float32. With a presence head it
        returns a list of this and the probability that each class occurs, ``(batch, classes)``,
        float32.

    Raises:
        SteelDefectsError: The weights are missing or belong to another architecture.
    """
    sheet, init = keras.Input((None, None, 1), name="sheet"), Seeds(seed)
    features_of = _FEATURES.get(type(network), unet_features)
    coarsest, finest = features_of(sheet, network, init, weights_dir)
    outputs = [masks(finest, network.finest_stride, classes, init)]
    if network.presence_head:
        outputs.append(presence(coarsest, classes))
    return keras.Model(sheet, outputs if len(outputs) > 1 else outputs[0], name=network.name)


def with_coarse_mask(segmenter: keras.Model) -> keras.Model:
    """Return a model that shares a segmenter's weights, with its mask before it is enlarged.

    Its first output has the resolution of the segmenter's last features, float32.
    """
    sigmoid = layers.Activation("sigmoid", dtype="float32", name="coarse_mask")
    coarse = sigmoid(segmenter.get_layer("logits").output)
    return keras.Model(segmenter.input, [coarse, *segmenter.outputs[1:]], name=segmenter.name)


def required_stride(segmenter: keras.Model) -> int:
    """Return what the sides of a segmenter's input must be multiples of, pixels.

    That is :data:`steel_defects.models.config.STRIDE`, or twice as much where that fails: what was
    halved too often can't be joined with what was not.
    """
    fits, larger = (takes_multiples_of(segmenter, stride) for stride in (STRIDE, 2 * STRIDE))
    return 2 * STRIDE if larger and not fits else STRIDE


def takes_multiples_of(segmenter: keras.Model, stride: int) -> bool:
    """Say whether a segmenter takes sheets whose sides are multiples of a stride, pixels."""
    sheet = (1, 3 * stride, 5 * stride, 1)
    try:
        shapes = segmenter.compute_output_shape(sheet)
    except Exception:  # each backend has an error of its own for it
        return False
    maps = shapes[0] if isinstance(shapes, list) else shapes
    return bool(maps[:3] == sheet[:3])
