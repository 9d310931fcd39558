"""Asking classifiers about sheets."""

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from steel_defects.images.gray_cache import SheetReader
from steel_defects.images.reading import resize
from steel_defects.prediction.inference import percentiles_ms
from steel_defects.threads import map_in_order

_MOST_SHEETS = 16  # in a batch
_MOST_PIXELS = 2**21  # in a batch; the maps of a few large sheets fill gigabytes


def predict_scores(
    model: keras.Model, folder: SheetReader, paths: Sequence[str]
) -> NDArray[np.float64]:
    """Score sheets with a classifier.

    Args:
        model: A classifier.
        folder: Where the pictures are.
        paths: The sheets, as the ``path`` column names them.

    Returns:
        The network's output for each sheet, 0 to 1, before calibration.
    """
    return predict_sheets(model, folder, paths)[:, 0]


def predict_sheets(
    model: keras.Model, folder: SheetReader, paths: Sequence[str]
) -> NDArray[np.float64]:
    """Run a network on sheets, resized to its input; returns ``(sheets, outputs)``."""
    size = (int(model.input_shape[1]), int(model.input_shape[2]))
    batch = sheets_at_once(size)

    def read(index: int) -> NDArray[np.float32]:
        return resize(folder.read(paths[index]), size).astype(np.float32)[..., None]

    scores: list[NDArray[np.float64]] = []
    waiting: list[NDArray[np.float32]] = []
    for image in map_in_order(read, range(len(paths))):
        waiting.append(image)
        if len(waiting) == batch:
            scores.append(_predict(model, waiting, batch))
            waiting = []
    if waiting:
        scores.append(_predict(model, waiting, batch))
    return np.concatenate(scores) if scores else np.zeros((0, model.output_shape[-1]))


def sheets_at_once(size: tuple[int, int]) -> int:
    """Return how many sheets of a height and width, pixels, make a batch that fits in memory."""
    return max(1, min(_MOST_SHEETS, _MOST_PIXELS // (size[0] * size[1])))


def _predict(
    model: keras.Model, images: list[NDArray[np.float32]], batch: int
) -> NDArray[np.float64]:
    """Predict a batch, filled up to its usual size so that the network is compiled once."""
    filled = images + [images[-1]] * (batch - len(images))
    output = model.predict_on_batch(np.stack(filled))[: len(images)]
    return np.asarray(output, dtype=np.float64)


def measure_speed(model: keras.Model, repeats: int = 30) -> tuple[float, float]:
    """Time one sheet in a batch of one, after a warm-up.

    Returns:
        The 50th and the 90th percentile of the calls, milliseconds.
    """
    sheet = np.zeros((1, *model.input_shape[1:]), np.float32)
    median, slow = percentiles_ms(lambda: model.predict_on_batch(sheet), repeats, (50, 90))
    return median, slow
