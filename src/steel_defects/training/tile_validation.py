"""Letting a segmenter take tiles, and measuring it on the validation tiles while it is fitted."""

import keras
import numpy as np
from keras import KerasTensor, ops
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError
from steel_defects.training.config import SegmentationConfig
from steel_defects.training.data.labelled_tiles import LabelledTiles, tile_reader
from steel_defects.training.data.loader import Loader

#: Of tile and class: what :func:`_measuring_model` sums over the pixels, in its last axis.
Sums = NDArray[np.float64]
_BOTH, _PREDICTED, _TRUE, _BOTH_AT_HALF, _PREDICTED_AT_HALF, _CROSSENTROPY = range(6)


def for_tiles(model: keras.Model, size: tuple[int, int], stride: int) -> keras.Model:
    """Let a network take tiles of any size, as inference lets it take sheets.

    Args:
        model: Segmenter, perhaps with further outputs; shares its weights with the result.
        size: Height and width of the tiles, pixels.
        stride: What the network's input must be a multiple of, pixels.

    Returns:
        Another model with the same outputs: tiles are mirrored at their edges up to whole strides,
        and masks cut back to the tiles.

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

    Args:
        fitted: From :func:`for_tiles`; its first output are the masks.
        size: Height and width of the tiles, pixels.
        classes: Number of defect classes.

    Returns:
        Model from a list of tiles, ``(batch, height, width, 1)``, and true masks,
        ``(batch, height, width, classes)``, 0 or 1, to sums over the pixels,
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


class TileValidation:
    """Measures a segmenter on tiles; built once, so that its graph is, too."""

    def __init__(
        self, model: keras.Model, stride: int, tiles: LabelledTiles, config: SegmentationConfig
    ) -> None:
        """Set up the measurement.

        Args:
            model: The segmenter; its masks are its output, or the first of them.
            stride: What its input must be a multiple of, pixels.
            tiles: What it is measured on.
            config: How it is fitted.
        """
        fitted = for_tiles(model, tiles.size, stride)
        self._model = _measuring_model(fitted, tiles.size, tiles.classes)
        self._model.compile(run_eagerly=config.eager)
        self._count, self._bce_weight = len(tiles.tiles), config.bce_weight
        self._area = tiles.size[0] * tiles.size[1]
        self._loader = Loader(
            tile_reader(tiles, None),
            lambda _: range(len(tiles.tiles)),
            config.batch_size,
            config.seed,
            config.loader_threads,
        )

    def __call__(self) -> dict[str, float]:
        """Measure the segmenter as it is.

        Returns:
            ``validation_loss``, which is cross-entropy and Dice loss of all tiles at once, weighted
            by ``bce_weight`` whatever loss the training takes; ``validation_mean_dice``, the mean
            over tiles and classes, 1 where neither mask has a pixel; and, where a tile has a
            defect, ``validation_dice_on_positives``, the mean over those. Both are at a threshold
            of one half.
        """
        sums = self._sums()
        totals = sums.sum(0)
        sizes = totals[:, _PREDICTED] + totals[:, _TRUE]
        soft = 2 * totals[:, _BOTH] / np.maximum(sizes, 1e-7)
        bce = totals[:, _CROSSENTROPY].sum() / (sums[..., 0].size * self._area)
        loss = self._bce_weight * bce + (1 - self._bce_weight) * (1 - soft.mean())
        return {"validation_loss": float(loss), **_dice(sums)}

    def _sums(self) -> Sums:
        """Return the sums of each tile and class; the last batch repeats the first tiles."""
        parts = [
            np.asarray(self._model.predict_on_batch([batch["sheet"], batch["mask"]]), np.float64)[
                : len(batch["sheet"])
            ]
            for batch in self._loader.epoch(0)
        ]
        return np.concatenate(parts)[: self._count]


def _dice(sums: Sums) -> dict[str, float]:
    pixels = sums[..., _TRUE] + sums[..., _PREDICTED_AT_HALF]
    dice = np.where(pixels > 0, 2 * sums[..., _BOTH_AT_HALF] / np.maximum(pixels, 1), 1.0)
    values = {"validation_mean_dice": float(dice.mean())}
    positive = sums[..., _TRUE] > 0
    if positive.any():
        values["validation_dice_on_positives"] = float(dice[positive].mean())
    return values
