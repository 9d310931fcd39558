"""How long trainings will take on this machine, from a few steps of each."""

import time

import keras
import numpy as np

from steel_defects.models.classifier import build_classifier
from steel_defects.models.config import BackboneConfig, Network
from steel_defects.models.segmenters import build_segmenter, with_coarse_mask
from steel_defects.training.backend import dtype_policy, has_accelerator, resolve_precision
from steel_defects.training.config import ClassificationConfig, SegmentationConfig
from steel_defects.training.segmentation import MaskLoss, for_tiles

_STEPS = 3  # that are timed, after one that compiles


def segmenter_step(
    network: Network, config: SegmentationConfig, tile: tuple[int, int], classes: int
) -> float:
    """Return the seconds of a training step of a segmenter on tiles of a height and width."""
    plain = network.model_copy(update={"presence_head": False})
    with dtype_policy(resolve_precision(config.precision, plain.plain_convolutions)):
        model = build_segmenter(plain, classes, config.seed)
    if config.coarse_loss:
        model = with_coarse_mask(model)
    model = for_tiles(model, tile, plain.stride)
    model.compile("adamw", loss=MaskLoss.of(config, has_void=False))
    cell = plain.finest_stride if config.coarse_loss else 1
    target = tile[0] // cell, tile[1] // cell, classes
    return _seconds(model, (*tile, 1), target, config.batch_size)


def classifier_step(backbone: str, config: ClassificationConfig) -> float:
    """Return the seconds of a training step of a whole classifier."""
    untrained = BackboneConfig.model_validate({"name": backbone, "weights": "none"})
    with dtype_policy(resolve_precision(config.precision, plain_convolutions=False)):
        model = build_classifier(untrained, config.head, config.input_size, config.seed)
    model.compile("adamw", loss=keras.losses.BinaryCrossentropy())
    return _seconds(model, (*config.input_size, 1), (1,), config.batch_size)


def _seconds(
    model: keras.Model, sheet: tuple[int, ...], target: tuple[int, ...], batch_size: int
) -> float:
    # A processor takes as long for each sheet of a batch as for one by itself.
    count = batch_size if has_accelerator() else 1
    batch = np.zeros((count, *sheet), np.float32), np.zeros((count, *target), np.float32)
    model.train_on_batch(*batch)
    started = time.perf_counter()
    for _ in range(_STEPS):
        model.train_on_batch(*batch)
    return (time.perf_counter() - started) / _STEPS * batch_size / count
