"""Measuring a segmenter on the validation tiles while it is fitted."""

import keras
import numpy as np
from numpy.typing import NDArray

from steel_defects.training.config import SegmentationConfig
from steel_defects.training.data import tile_graphs as graphs
from steel_defects.training.data.labelled_tiles import LabelledTiles, tile_reader
from steel_defects.training.data.loader import Loader

Sums = NDArray[np.float64]


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
        fitted = graphs.for_tiles(model, tiles.size, stride)
        self._model = graphs.measuring_model(fitted, tiles.size, tiles.classes)
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
        sizes = totals[:, graphs.PREDICTED] + totals[:, graphs.TRUE]
        soft = 2 * totals[:, graphs.BOTH] / np.maximum(sizes, 1e-7)
        bce = totals[:, graphs.CROSSENTROPY].sum() / (sums[..., 0].size * self._area)
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
    pixels = sums[..., graphs.TRUE] + sums[..., graphs.PREDICTED_AT_HALF]
    dice = np.where(pixels > 0, 2 * sums[..., graphs.BOTH_AT_HALF] / np.maximum(pixels, 1), 1.0)
    values = {"validation_mean_dice": float(dice.mean())}
    positive = sums[..., graphs.TRUE] > 0
    if positive.any():
        values["validation_dice_on_positives"] = float(dice[positive].mean())
    return values
