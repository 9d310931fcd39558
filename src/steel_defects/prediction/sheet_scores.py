"""Asking classifiers about sheets."""

from collections.abc import Iterator, Sequence

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
    """Return a classifier's output for each sheet, 0 to 1, before calibration."""
    return predict_sheets(model, folder, paths)[:, 0]


def predict_sheets(
    model: keras.Model, folder: SheetReader, paths: Sequence[str]
) -> NDArray[np.float64]:
    """Run a network on sheets, resized to its input; returns ``(sheets, outputs)``."""
    most = _batch_size(model)
    outputs = [np.zeros((0, model.output_shape[-1]))]
    for sheets in batches_of(model, folder, paths):
        # Filled up to the usual size so that the network is compiled once.
        filled = np.pad(sheets, ((0, most - len(sheets)), (0, 0), (0, 0), (0, 0)), mode="edge")
        predicted = model.predict_on_batch(filled)[: len(sheets)]
        outputs.append(np.asarray(predicted, np.float64))
    return np.concatenate(outputs)


def batches_of(
    model: keras.Model, folder: SheetReader, paths: Sequence[str]
) -> Iterator[NDArray[np.float32]]:
    """Yield sheets as a network takes them, ``(sheets, height, width, 1)``, 0 to 255, in order."""
    size = (int(model.input_shape[1]), int(model.input_shape[2]))
    most, waiting = _batch_size(model), []
    read = map_in_order(lambda path: resize(folder.read(path), size), paths)
    for number, image in enumerate(read, start=1):
        waiting.append(image)
        if len(waiting) == most or number == len(paths):
            yield np.stack(waiting).astype(np.float32)[..., None]
            waiting = []


def _batch_size(model: keras.Model) -> int:
    """Return how many sheets of the network's size make a batch that fits in memory."""
    pixels = int(model.input_shape[1]) * int(model.input_shape[2])
    return max(1, min(_MOST_SHEETS, _MOST_PIXELS // pixels))


def measure_speed(model: keras.Model, repeats: int = 30) -> tuple[float, float]:
    """Time one sheet in a batch of one, after a warm-up.

    Returns:
        The 50th and the 90th percentile of the calls, milliseconds.
    """
    sheet = np.zeros((1, *model.input_shape[1:]), np.float32)
    median, slow = percentiles_ms(lambda: model.predict_on_batch(sheet), repeats, (50, 90))
    return median, slow
