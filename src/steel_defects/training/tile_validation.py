"""Letting a segmenter take tiles, and measuring it on the validation tiles while it is fitted."""

import math
from collections.abc import Callable

import keras
import numpy as np
from keras import KerasTensor, ops
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError
from steel_defects.training.config import SegmentationConfig
from steel_defects.training.data.labelled_tiles import LabelledTiles, TileReader
from steel_defects.training.data.loader import Loader

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
    outputs = outputs if isinstance(outputs, list) else [outputs]
    height = size[0] + padding[0]
    return keras.Model(sheet, [_cut_back(x, size, height) for x in outputs], name=model.name)


def _cut_back(output: KerasTensor, size: tuple[int, int], padded_height: int) -> KerasTensor:
    if len(output.shape) != 4:
        return output
    cell = padded_height // output.shape[1]
    return output[:, : size[0] // cell, : size[1] // cell]


def _measuring_model(fitted: keras.Model, size: tuple[int, int], classes: int) -> keras.Model:
    """Return a model that measures a segmenter where it runs, so that no mask has to leave there.

    It takes a list of tiles, ``(batch, height, width, 1)``, and true masks,
    ``(batch, height, width, classes)``, 0 or 1, and returns sums over the pixels,
    ``(batch, classes, 6)``, float32.
    """
    truth = keras.Input((*size, classes), name="truth")
    predicted = fitted.outputs[0]
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
    return keras.Model([fitted.inputs[0], truth], sums)


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
    measuring = _measuring_model(for_tiles(model, tiles.size, stride), tiles.size, tiles.classes)
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
