"""Fitting and using the segmenters."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from keras import KerasTensor, ops
from numpy.typing import NDArray

from steel_defects.decision.answers import SheetPrediction
from steel_defects.errors import SteelDefectsError
from steel_defects.images.gray_cache import SheetReader
from steel_defects.models.config import Network, UNetConfig
from steel_defects.models.segmenters import build_segmenter, required_stride
from steel_defects.models.unet import add_auxiliary_masks
from steel_defects.prediction.inference import TestTimeAugmentation, median_ms, predict_sheet
from steel_defects.threads import map_in_order
from steel_defects.training.checkpoints import Checkpoint, fingerprint_of
from steel_defects.training.config import SegmentationConfig
from steel_defects.training.data.batches import Batch
from steel_defects.training.data.labelled_tiles import LabelledTiles, training_loader
from steel_defects.training.data.tile_graphs import for_tiles
from steel_defects.training.devices import on_one_device, spread_over
from steel_defects.training.loop import Unpacked, fit
from steel_defects.training.losses import MaskLoss
from steel_defects.training.optimizers import build_optimizer
from steel_defects.training.precision import dtype_policy, resolve_precision
from steel_defects.training.reproducibility import fresh_start
from steel_defects.training.tile_validation import TileValidation

_PRESENCE_WEIGHT = 0.2  # of the presence head's cross-entropy; that of the masks counts once
_AUXILIARY_WEIGHT = 0.5  # of the finest mask of deep supervision; each coarser one has half of it


@dataclass(frozen=True)
class FittedSegmenter:
    """A segmenter with the story of its training.

    Attributes:
        model: From gray sheets to the probability of each class at each pixel.
        history: One row an epoch.
        seconds: Time that the training took.
    """

    model: keras.Model
    history: pd.DataFrame
    seconds: float


def train_segmenter(
    training: LabelledTiles,
    validation: LabelledTiles,
    config: SegmentationConfig,
    network: Network,
    label: str,
    checkpoint_dir: Path | None = None,
    weights_dir: str | None = None,
) -> FittedSegmenter:
    """Fit a segmenter on tiles.

    Args:
        training: Tiles to learn from.
        validation: Tiles that decide when to stop.
        config: How to fit.
        network: What to build.
        label: Name in the log and of the checkpoint.
        checkpoint_dir: Where the state is kept until the training is done; None keeps none.
        weights_dir: Folder of weight files, for encoders that are pre-trained.

    Raises:
        SteelDefectsError: There are no tiles to learn from, the positive weights are not one a
            class, the tiles are too small for the network, or its encoder's weights are missing.
    """
    if training.tiles.empty or validation.tiles.empty:
        raise SteelDefectsError(
            "the training or the validation split has no sheet, so that no segmenter can be "
            "trained; add sheets, or change data_engineering.shares"
        )
    if len(config.positive_weights) not in (0, training.classes):
        raise SteelDefectsError(
            f"segmentation.positive_weights has {len(config.positive_weights)} values; give one a "
            f"class, {training.classes}, or none"
        )
    started = time.perf_counter()
    with (
        fresh_start(config.seed, config.deterministic),
        spread_over(config.devices, config.batch_size),
    ):
        model, history = _fit(
            training, validation, config, network, label, checkpoint_dir, weights_dir
        )
    return FittedSegmenter(on_one_device(model), history, time.perf_counter() - started)


def _fit(
    training: LabelledTiles,
    validation: LabelledTiles,
    config: SegmentationConfig,
    network: Network,
    label: str,
    checkpoint_dir: Path | None,
    weights_dir: str | None,
) -> tuple[keras.Model, pd.DataFrame]:
    with dtype_policy(resolve_precision(config.precision, plain_convolutions=True)):
        model = build_segmenter(network, training.classes, config.seed, weights_dir)
        fitted = _model_to_fit(model, training, config, network)
    fingerprint = fingerprint_of(
        config.model_dump(exclude={"cache"}),  # the pixels are the same
        network.model_dump(),
        training.content,
        validation.content,
    )
    checkpoint = (
        Checkpoint(checkpoint_dir / f"{label}.npz", fingerprint) if checkpoint_dir else None
    )
    loader = training_loader(training, config)

    validate = TileValidation(model, network.stride, validation, config)

    def evaluate(_: keras.Model) -> dict[str, float]:
        return validate()

    history = fit(
        fitted, loader, _unpacker(network), evaluate, config, label, checkpoint,
        averaging=config.ema_momentum > 0,
    )  # fmt: skip

    if checkpoint:
        checkpoint.remove()
    return model, history


def _model_to_fit(
    model: keras.Model, tiles: LabelledTiles, config: SegmentationConfig, network: Network
) -> keras.Model:
    """Return a compiled model that shares a segmenter's weights.

    The segmenter itself stays uncompiled, or its file would hold the optimizer, three times the
    size of the weights.
    """
    heads = [
        MaskLoss(
            config.bce_weight,
            config.region_loss,
            config.positive_weights,
        )
    ]
    weights = [1.0]
    if network.presence_head:
        heads.append(keras.losses.BinaryCrossentropy())
        weights.append(_PRESENCE_WEIGHT)
    levels = len(network.auxiliary_strides)
    if levels:
        model = add_auxiliary_masks(model, levels, tiles.classes, config.seed)
        heads += [heads[0]] * levels
        weights += [_AUXILIARY_WEIGHT / 2**level for level in range(levels)]
    optimizer = build_optimizer(
        config, config.epochs * config.tile_batches_per_epoch, config.warmup_share,
        config.ema_momentum,
    )  # fmt: skip

    encoder = None if isinstance(network, UNetConfig) else network.encoder
    if encoder:
        pretrained = model.get_layer(f"{encoder.name}_encoder").trainable_variables
        optimizer.slow_down(pretrained, encoder.learning_rate_factor)
    fitted = for_tiles(model, tiles.size, network.stride)
    fitted.compile(
        optimizer,
        loss=heads,
        loss_weights=weights,
        run_eagerly=config.eager,
    )
    return fitted


def _unpacker(network: Network) -> Callable[[Batch], Unpacked]:
    """Return a function that makes the targets of :func:`_model_to_fit`."""

    def unpack(batch: Batch) -> Unpacked:
        targets: list[Any] = [batch["mask"]]
        if network.presence_head:
            targets.append(batch["presence"])
        targets += _coarser(batch["mask"], network.auxiliary_strides)
        return batch["sheet"], targets, None

    return unpack


def _coarser(masks: NDArray[np.uint8], strides: Sequence[int]) -> list[KerasTensor]:
    """Average masks over the cells of each coarser stage; a rest that fills no cell is left out."""
    coarser, cell = masks, 1
    found = []
    for stride in strides:
        window = stride // cell
        coarser = ops.average_pool(ops.cast(coarser, "float32"), window, window, "valid")
        found.append(coarser)
        cell = stride
    return found


def predict_maps(
    model: keras.Model,
    folder: SheetReader,
    paths: Sequence[str],
    threads: int = 0,
    tta: TestTimeAugmentation = "none",
) -> Iterator[SheetPrediction]:
    """Predict whole sheets, one at a time.

    Args:
        model: A segmenter.
        folder: Where the pictures are.
        paths: The sheets, as the ``path`` column names them.
        threads: Threads that read; 0 for one a core.
        tta: Orientations over which predictions are averaged.
    """

    def read(index: int) -> NDArray[np.uint8]:
        return folder.read(paths[index])

    stride = required_stride(model)
    for image in map_in_order(read, range(len(paths)), threads):
        yield predict_sheet(model.predict_on_batch, image, tta, stride)


def measure_speed(
    model: keras.Model,
    size: tuple[int, int],
    repeats: int = 5,
    tta: TestTimeAugmentation = "none",
) -> float:
    """Return the median time of one sheet, milliseconds, after a warm-up."""
    sheet, stride = np.zeros(size, np.uint8), required_stride(model)
    return median_ms(lambda: predict_sheet(model.predict_on_batch, sheet, tta, stride), repeats)
