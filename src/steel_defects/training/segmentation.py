"""Fitting and using the segmenters."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError
from steel_defects.models.config import UNetConfig
from steel_defects.models.inference import median_ms, probability_map
from steel_defects.models.unet import build_unet
from steel_defects.sheets.gray_cache import SheetReader
from steel_defects.training.batches import Batch
from steel_defects.training.checkpoints import Checkpoint, fingerprint_of
from steel_defects.training.config import SegmentationConfig
from steel_defects.training.labelled_tiles import LabelledTiles, tile_reader, training_loader
from steel_defects.training.loader import Loader, read_in_order
from steel_defects.training.loop import Unpacked, build_optimizer, fit
from steel_defects.training.losses import BinaryCrossentropyDice
from steel_defects.training.precision import dtype_policy, resolve_precision
from steel_defects.training.reproducibility import start_afresh


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
    architecture: UNetConfig,
    label: str,
    checkpoint_dir: Path | None = None,
) -> FittedSegmenter:
    """Fit a segmenter on tiles.

    Args:
        training: Tiles to learn from.
        validation: Tiles that decide when to stop.
        config: How to fit.
        architecture: What to build.
        label: Name in the log and of the checkpoint.
        checkpoint_dir: Where the state is kept until the training is done; None keeps none.

    Raises:
        SteelDefectsError: There are no tiles to learn from.
    """
    if training.tiles.empty or validation.tiles.empty:
        raise SteelDefectsError("there are no tiles in the training or the validation split")
    started = time.perf_counter()
    start_afresh(config.seed, config.deterministic)
    with dtype_policy(resolve_precision(config.precision, plain_convolutions=True)):
        model = build_unet(architecture, training.classes, config.seed)
    model.compile(
        build_optimizer(config, config.epochs * config.tile_batches_per_epoch),
        loss=BinaryCrossentropyDice(config.bce_weight),
        run_eagerly=config.eager,
    )
    fingerprint = fingerprint_of(
        config.model_dump(exclude={"cache"}),  # the pixels are the same
        architecture.model_dump(),
        training.content,
        validation.content,
    )
    checkpoint = (
        Checkpoint(checkpoint_dir / f"{label}.npz", fingerprint) if checkpoint_dir else None
    )
    loader = training_loader(training, config)

    def evaluate(fitted: keras.Model) -> dict[str, float]:
        return validate(fitted, validation, config)

    history = fit(model, loader, _unpack, evaluate, config, label, checkpoint)
    if checkpoint:
        checkpoint.remove()
    return FittedSegmenter(model, history, time.perf_counter() - started)


def _unpack(batch: Batch) -> Unpacked:
    return batch["sheet"], batch["mask"], None


def validate(
    model: keras.Model, validation: LabelledTiles, config: SegmentationConfig
) -> dict[str, float]:
    """Measure a segmenter on the validation tiles.

    Returns:
        ``validation_loss``, the training's loss over all tiles at once, and
        ``validation_dice_on_positives``, the mean over tiles and classes that have a defect, at a
        threshold of one half.
    """
    loader = Loader(
        tile_reader(validation, None),
        lambda _: range(len(validation.tiles)),
        config.batch_size,
        config.seed,
        config.loader_threads,
    )
    sums = np.zeros((3, validation.classes))
    crossentropy, tiles, dice = 0.0, 0, []
    for batch in loader.epoch(0):
        predicted = np.asarray(model.predict_on_batch(batch["sheet"]), np.float32)
        # The last batch repeats the first tiles to keep its size.
        here = min(len(predicted), len(validation.tiles) - tiles)
        truth, predicted = batch["mask"][:here], predicted[:here]
        clipped = np.clip(predicted, 1e-6, 1 - 1e-6)
        likelihood = np.log(np.where(truth > 0, clipped, 1 - clipped))
        crossentropy -= float(likelihood.mean(dtype=np.float64)) * here
        tiles += here
        over = (0, 1, 2)
        parts = (truth * predicted, truth, predicted)
        sums += [part.sum(over, dtype=np.float64) for part in parts]
        dice += _positive_dice(truth > 0, predicted >= 0.5)
    soft = 2 * sums[0] / np.maximum(sums[1] + sums[2], 1e-7)
    loss = config.bce_weight * crossentropy / tiles + (1 - config.bce_weight) * (1 - soft.mean())
    values = {"validation_loss": float(loss)}
    if dice:
        values["validation_dice_on_positives"] = float(np.mean(dice))
    return values


def _positive_dice(truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> list[float]:
    over = (1, 2)
    true_px, both = truth.sum(over), (truth & predicted).sum(over)
    scores = 2 * both / np.maximum(true_px + predicted.sum(over), 1)
    return [float(score) for score in scores[true_px > 0]]


def predict_maps(
    model: keras.Model, folder: SheetReader, paths: Sequence[str], threads: int = 0
) -> Iterator[NDArray[np.uint8]]:
    """Predict whole sheets, one at a time.

    Args:
        model: A segmenter.
        folder: Where the pictures are.
        paths: The sheets, as the ``path`` column names them.
        threads: Threads that read; 0 for one a core.

    Yields:
        For each sheet the probability of each class at each pixel, ``(height, width, classes)``,
        uint8, 255 for certain.
    """

    def read(index: int) -> NDArray[np.uint8]:
        return folder.read(paths[index])

    for image in read_in_order(read, len(paths), threads):
        yield probability_map(model.predict_on_batch, image)


def measure_speed(model: keras.Model, size: tuple[int, int], repeats: int = 5) -> float:
    """Return the median time of one sheet, milliseconds, after a warm-up."""
    sheet = np.zeros(size, np.uint8)
    return median_ms(lambda: probability_map(model.predict_on_batch, sheet), repeats)
