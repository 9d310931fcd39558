"""The segmenters by name."""

from pathlib import Path

import keras

from steel_defects.models.config import STRIDE, DeepLabConfig, FPNConfig, Network
from steel_defects.models.deeplab_v3_plus import build_deeplab
from steel_defects.models.fpn import build_fpn
from steel_defects.models.unet import build_unet


def build_segmenter(
    network: Network, classes: int, seed: int, weights_dir: Path | None = None
) -> keras.Model:
    """Build a segmenter; see :func:`steel_defects.models.unet.build_unet`.

    Raises:
        SteelDefectsError: The weights are missing or belong to another architecture.
    """
    match network:
        case FPNConfig():
            return build_fpn(network, classes, seed, weights_dir)
        case DeepLabConfig():
            return build_deeplab(network, classes, seed, weights_dir)
        case _:
            return build_unet(network, classes, seed, weights_dir)


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
