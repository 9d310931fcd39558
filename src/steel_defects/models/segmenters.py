"""The segmenters by name."""

import keras

from steel_defects.models.config import (
    STRIDE,
    BackboneUNetConfig,
    DeepLabConfig,
    FPNConfig,
    Network,
    UNetConfig,
)
from steel_defects.models.deeplab_v3_plus import build_deeplab
from steel_defects.models.fpn import build_fpn
from steel_defects.models.unet import build_unet
from steel_defects.models.unet_backbone import build_backbone_unet


def build_segmenter(
    network: Network, classes: int, seed: int, weights_dir: str | None = None
) -> keras.Model:
    """Build a segmenter.

    Args:
        network: Which architecture, and its sizes.
        classes: Number of defect classes.
        seed: Seed of the initial weights.
        weights_dir: Folder of weight files, for encoders that are pre-trained.

    Returns:
        Model from ``(batch, height, width, 1)``, gray values 0 to 255, with sides that are
        multiples of ``network.stride``, to the probability of each class at each pixel,
        ``(batch, height, width, classes)``, float32. With a presence head it returns a list of this
        and the probability that each class occurs, ``(batch, classes)``, float32.

    Raises:
        SteelDefectsError: The weights are missing or belong to another architecture.
    """
    match network:
        case UNetConfig():
            return build_unet(network, classes, seed)
        case BackboneUNetConfig():
            return build_backbone_unet(network, classes, seed, weights_dir)
        case FPNConfig():
            return build_fpn(network, classes, seed, weights_dir)
        case DeepLabConfig():
            return build_deeplab(network, classes, seed, weights_dir)


def required_stride(segmenter: keras.Model) -> int:
    """Return what the sides of a segmenter's input must be multiples of, pixels.

    That is ``prediction.inference.STRIDE``, or twice as much where that fails: what was halved too
    often can't be joined with what was not.
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
