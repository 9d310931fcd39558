"""Fitting the segmenters: their loss, their targets, and measuring them on validation tiles."""

import logging
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from keras import KerasTensor, losses, ops
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError
from steel_defects.labels.masks import UNKNOWN
from steel_defects.models.config import Network, UNetConfig
from steel_defects.models.segmenters import build_segmenter, with_coarse_mask
from steel_defects.models.unet import add_auxiliary_masks
from steel_defects.training.backend import dtype_policy, resolve_precision, run_training
from steel_defects.training.checkpoints import Checkpoint, fingerprint_of
from steel_defects.training.config import RegionLoss, SegmentationConfig
from steel_defects.training.jobs import Fitted, SegmenterRecipe
from steel_defects.training.labelled_tiles import LabelledTiles, TileReader, training_loader
from steel_defects.training.loader import Batch, Loader
from steel_defects.training.loop import Unpacked, fit
from steel_defects.training.steps import build_optimizer

logger = logging.getLogger(__name__)

_PRESENCE_WEIGHT = 0.2  # of the presence head's cross-entropy; that of the masks counts once
_AUXILIARY_WEIGHT = 0.5  # of the finest mask of deep supervision; each coarser one has half of it


def fit_segmenter(
    training: LabelledTiles,
    validation: LabelledTiles,
    recipe: SegmenterRecipe,
    checkpoint_dir: Path,
    label: str | None = None,
) -> Fitted:
    """Fit a segmenter; validation tiles decide when to stop, the checkpoint goes when it is done.

    ``label`` names it in the log, and the checkpoint; None for the network's name.

    Raises:
        SteelDefectsError: There are no tiles to learn from, there is not one weight per class, the
            tiles are too small for the network, or its encoder's weights are missing.
    """
    if training.tiles.empty or validation.tiles.empty:
        raise SteelDefectsError(
            "the training or the validation split has no sheet, so that no segmenter can be "
            "trained; add sheets, or change data_engineering.shares"
        )
    for parameter in ("class_weights", "positive_weights"):
        given = len(getattr(recipe.training, parameter))
        if given not in (0, training.classes):
            raise SteelDefectsError(
                f"segmentation.{parameter} has {given} values; give one a class, "
                f"{training.classes}, or none"
            )
    config, network, name = recipe.training, recipe.network, label or recipe.network.name

    def fit_model() -> tuple[keras.Model, pd.DataFrame]:
        logger.info("%s starts from %s", name, network.start)
        with dtype_policy(resolve_precision(config.precision, network.plain_convolutions)):
            model = build_segmenter(network, training.classes, config.seed, recipe.weights_dir)
            fitted = _model_to_fit(model, training, recipe)
        fingerprint = fingerprint_of(recipe.content, training.content, validation.content)
        checkpoint = Checkpoint(checkpoint_dir / f"{name}.npz", fingerprint)
        loader = training_loader(training, config)
        unpack = partial(_unpack, network, config.coarse_loss, training.has_void)
        validate = tile_validation(model, network.stride, validation, config)
        history = fit(
            fitted, loader, unpack, lambda _: validate(), config, name, checkpoint,
            keep_last=config.keep_last, averaging=config.ema_momentum > 0,
        )  # fmt: skip
        checkpoint.remove()
        return model, history

    return run_training(config, fit_model)


def _model_to_fit(model: keras.Model, tiles: LabelledTiles, recipe: SegmenterRecipe) -> keras.Model:
    """Return a compiled model that shares a segmenter's weights.

    The segmenter itself stays uncompiled, or its file would hold the optimizer, three times the
    size of the weights.
    """
    config, network = recipe.training, recipe.network
    mask_loss = MaskLoss.of(config, tiles.has_void)
    losses: list[keras.losses.Loss] = [mask_loss]
    weights = [1.0]
    if network.presence_head:
        losses.append(keras.losses.BinaryCrossentropy())
        weights.append(_PRESENCE_WEIGHT)
    if levels := len(network.auxiliary_strides):
        model = add_auxiliary_masks(model, levels, tiles.classes, config.seed)
        losses += [mask_loss] * levels
        weights += [_AUXILIARY_WEIGHT / 2**level for level in range(levels)]
    steps = config.epochs * config.steps_per_epoch
    optimizer = build_optimizer(config, steps, config.warmup_share, config.ema_momentum)
    encoder = None if isinstance(network, UNetConfig) else network.encoder
    if encoder:
        pretrained = model.get_layer(f"{encoder.name}_encoder").trainable_variables
        optimizer.slow_down(pretrained, encoder.learning_rate_factor)
    if config.coarse_loss:
        model = with_coarse_mask(model)
    fitted = for_tiles(model, tiles.size, network.stride)
    fitted.compile(optimizer, loss=losses, loss_weights=weights, run_eagerly=config.eager)
    return fitted


def _unpack(network: Network, coarse: bool, has_void: bool, batch: Batch) -> Unpacked:
    """Make the targets of :func:`_model_to_fit`.

    Coarser masks are averages over their cells; a rest that fills no cell is left out. A cell with
    void pixels is void.
    """
    masks, mask, cell = [], batch["mask"], 1
    for stride in (network.finest_stride if coarse else 1, *network.auxiliary_strides):
        if stride > cell:
            mask, cell = _averaged_cells(mask, stride // cell, has_void), stride
        masks.append(mask)
    finest: list[Any] = masks[:1]
    presence = [batch["presence"]] if network.presence_head else []
    return batch["sheet"], finest + presence + masks[1:], None


def _averaged_cells(mask: KerasTensor, window: int, has_void: bool) -> KerasTensor:
    mask = ops.cast(mask, "float32")
    largest = ops.max_pool(mask, window, window) if has_void else None
    mask = ops.average_pool(mask, window, window)
    return mask if largest is None else ops.where(largest > 1, float(UNKNOWN), mask)


# === Loss ===


_MISSED_WEIGHT = 0.7  # of a missed pixel in focal_tversky; one without a defect gets the rest
_FOCAL_EXPONENT = 0.75  # of one minus Tversky's index: below 1, what is badly outlined counts more
_ABSENT_WEIGHT = 1 / 6  # of a class that a tile does not show, in sheet_dice


class MaskLoss(losses.Loss):
    """A weighted sum of binary cross-entropy, which looks at pixels, and a loss of regions.

    The latter is of each class over the whole batch, since a class is absent from most tiles; that
    of ``sheet_dice`` is of each tile and class. Sums are in float32, since 16 bits hold no count of
    pixels.
    """

    def __init__(
        self,
        bce_weight: float = 0.5,
        region: RegionLoss = "dice",
        class_weights: Sequence[float] = (),
        positive_weights: Sequence[float] = (),
        has_void: bool = False,
    ) -> None:
        super().__init__(name="mask_loss")
        self.bce_weight, self.region, self.has_void = bce_weight, region, has_void
        self.class_weights, self.positive_weights = tuple(class_weights), tuple(positive_weights)

    @classmethod
    def of(cls, config: SegmentationConfig, has_void: bool) -> "MaskLoss":
        """Return the loss that parameters ask for."""
        weights = config.class_weights, config.positive_weights
        return cls(config.bce_weight, config.region_loss, *weights, has_void)

    def call(self, y_true: KerasTensor, y_pred: KerasTensor) -> KerasTensor:
        """Compare masks and probabilities of shape ``(batch, height, width, classes)``.

        Masks hold 0 to 1: a cell of a coarser mask holds the share of it that is defective. With
        ``has_void`` they hold 2 where nobody can tell: neither adds to the loss there.
        """
        y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
        if self.has_void:
            known = ops.cast(y_true <= 1, "float32")
            y_true, y_pred = y_true * known, y_pred * known
        loss = ops.zeros(())
        if self.bce_weight > 0:
            loss += self.bce_weight * self._crossentropy(y_true, y_pred)
        if self.bce_weight < 1:
            loss += (1 - self.bce_weight) * self._region_loss(y_true, y_pred)
        return loss

    def _crossentropy(self, y_true: KerasTensor, y_pred: KerasTensor) -> KerasTensor:
        bce = ops.binary_crossentropy(y_true, y_pred)
        if self.positive_weights:
            weights = ops.convert_to_tensor(self.positive_weights, "float32")
            bce *= 1 + (weights - 1) * y_true
        if self.class_weights:
            bce *= ops.convert_to_tensor(self.class_weights, "float32")
        return ops.mean(bce)

    def _region_loss(self, y_true: KerasTensor, y_pred: KerasTensor) -> KerasTensor:
        if self.region == "dice":
            return ops.mean(losses.dice(y_true, y_pred, axis=(0, 1, 2)))
        if self.region == "sheet_dice":
            present = ops.cast(ops.max(y_true, axis=(1, 2)) > 0, "float32")
            weights = _ABSENT_WEIGHT + (1 - _ABSENT_WEIGHT) * present
            return ops.mean(weights * _sheet_dice(y_true, y_pred))
        # Dice that weighs what is missed by itself (Abraham and Khan 2019, arXiv:1810.07842).
        # What Keras calls alpha weighs the pixels of y_true that y_pred lacks.
        alpha, beta = _MISSED_WEIGHT, 1 - _MISSED_WEIGHT
        index = losses.tversky(y_true, y_pred, alpha=alpha, beta=beta, axis=(0, 1, 2))
        # The slope of a root is infinite at 0.
        return ops.mean(ops.power(ops.maximum(index, 1e-6), _FOCAL_EXPONENT))


_SMOOTHING = 1e-3  # share of a tile's cells that is added to both sides of sheet_dice


def _sheet_dice(y_true: KerasTensor, y_pred: KerasTensor) -> KerasTensor:
    """Return one minus Dice of each tile and class, ``(batch, classes)``.

    Smoothed, so that a class that a tile does not show is asked for no pixels and is not all or
    nothing.
    """
    both, sizes = (ops.mean(part, axis=(1, 2)) for part in (y_true * y_pred, y_true + y_pred))
    return 1 - (2 * both + _SMOOTHING) / (sizes + _SMOOTHING)


# === Validation ===


#: Of tile and class: what :func:`_measuring_model` sums over the pixels, in its last axis.
Sums = NDArray[np.float64]
_BOTH, _PREDICTED, _TRUE, _BOTH_AT_HALF, _PREDICTED_AT_HALF, _CROSSENTROPY = range(6)


def for_tiles(model: keras.Model, size: tuple[int, int], stride: int) -> keras.Model:
    """Let a network take tiles of a height and width, as inference lets it take sheets.

    Returns:
        A model with the same weights and outputs: tiles are mirrored at their edges up to whole
        strides, and masks cut back to the tiles.

    Raises:
        SteelDefectsError: The tiles are too small to be mirrored that far.
    """
    padding = [-pixels % stride for pixels in size]
    if not any(padding):
        return keras.Model(model.input, model.outputs, name=model.name)
    if any(more > pixels for more, pixels in zip(padding, size, strict=True)):
        raise SteelDefectsError(
            f"tiles of {size[0]} by {size[1]} pixels are too small for a network with a stride of "
            f"{stride}; make tile_size larger or the network's filters fewer"
        )
    sheet = keras.Input((*size, 1), name="sheet")
    around = ((0, 0), (0, padding[0]), (0, padding[1]), (0, 0))
    outputs = model(ops.pad(sheet, around, mode="symmetric"))

    def cut_back(output: KerasTensor) -> KerasTensor:
        if len(output.shape) != 4:
            return output
        cell = (size[0] + padding[0]) // output.shape[1]
        return output[:, : size[0] // cell, : size[1] // cell]

    outputs = outputs if isinstance(outputs, list) else [outputs]
    return keras.Model(sheet, [cut_back(output) for output in outputs], name=model.name)


def tile_validation(
    model: keras.Model, stride: int, tiles: LabelledTiles, config: SegmentationConfig
) -> Callable[[], dict[str, float]]:
    """Return a function that measures a segmenter on tiles as it is, with a graph built once.

    It returns ``validation_loss``, which is cross-entropy and Dice loss of all tiles at once,
    weighted by ``bce_weight`` whatever loss the training takes; ``validation_mean_dice``, the mean
    over tiles and classes, 1 where neither mask has a pixel; and, where a tile has a defect,
    ``validation_dice_on_positives``, the mean over those. Both are at a threshold of one half.

    Masks are the segmenter's output, or the first of them; ``stride`` is what the sides of its
    input must be multiples of, pixels.
    """
    measuring = _measuring_model(for_tiles(model, tiles.size, stride), tiles)
    measuring.compile(run_eagerly=config.eager)
    count, weight = len(tiles.tiles), config.bce_weight
    loader = Loader(
        TileReader(tiles).tile, lambda _: range(count), config.batch_size, config.seed,
        config.loader_threads,
    )  # fmt: skip

    def validate() -> dict[str, float]:
        parts = [
            np.asarray(measuring.predict_on_batch([batch["sheet"], batch["mask"]]), np.float64)
            for batch in loader.epoch(0)
        ]
        sums = np.concatenate(parts)[:count]  # the last batch repeats the first tiles
        totals = sums.sum(0)
        sizes = totals[:, _PREDICTED] + totals[:, _TRUE]
        soft = 2 * totals[:, _BOTH] / np.maximum(sizes, 1e-7)
        bce = totals[:, _CROSSENTROPY].sum() / (sums[..., 0].size * math.prod(tiles.size))
        loss = weight * bce + (1 - weight) * (1 - soft.mean())
        return {"validation_loss": float(loss), **_dice(sums)}

    return validate


def _dice(sums: Sums) -> dict[str, float]:
    pixels = sums[..., _TRUE] + sums[..., _PREDICTED_AT_HALF]
    dice = np.where(pixels > 0, 2 * sums[..., _BOTH_AT_HALF] / np.maximum(pixels, 1), 1.0)
    values = {"validation_mean_dice": float(dice.mean())}
    positive = sums[..., _TRUE] > 0
    if positive.any():
        values["validation_dice_on_positives"] = float(dice[positive].mean())
    return values


def _measuring_model(fitted: keras.Model, tiles: LabelledTiles) -> keras.Model:
    """Return a model that measures a segmenter where it runs, so that no mask has to leave there.

    It takes a list of tiles, ``(batch, height, width, 1)``, and true masks,
    ``(batch, height, width, classes)``, 0 or 1, or 2 where nobody can tell, and returns sums over
    the pixels, ``(batch, classes, 6)``, float32.
    """
    given = keras.Input((*tiles.size, tiles.classes), name="truth")
    truth, predicted = given, fitted.outputs[0]
    if tiles.has_void:
        known = ops.cast(given <= 1, "float32")
        truth, predicted = given * known, predicted * known
    decided = ops.cast(predicted >= 0.5, "float32")
    certain = ops.clip(predicted, 1e-6, 1 - 1e-6)
    parts = [
        truth * predicted,
        predicted,
        truth,
        truth * decided,
        decided,
        -ops.log(ops.where(truth > 0, certain, 1 - certain)),
    ]
    sums = ops.stack([ops.sum(part, axis=(1, 2)) for part in parts], axis=-1)
    return keras.Model([fitted.inputs[0], given], sums)
