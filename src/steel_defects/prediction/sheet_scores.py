"""Asking classifiers about sheets: scores, and what these rest on."""

from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError
from steel_defects.images.gray_cache import SheetReader
from steel_defects.images.reading import resize
from steel_defects.models.classifier import SCORE_OUTPUT
from steel_defects.prediction.inference import percentiles_ms
from steel_defects.tables.declared import HEAT_MAPS
from steel_defects.threads import map_in_order

Floats = NDArray[np.float32]

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
    empty = np.zeros((0, model.output_shape[-1]))
    answers = _answers(model.predict_on_batch, model, folder, paths)
    return np.concatenate([empty, *(np.asarray(answer, np.float64) for answer in answers)])


def _answers(
    ask: Callable[[Floats], Floats], model: keras.Model, folder: SheetReader, paths: Sequence[str]
) -> Iterator[Floats]:
    """Yield what ``ask`` says of sheets, ``(sheets, height, width, 1)``, 0 to 255, in order.

    It gets batches that fit the model, all of one size, so that networks are compiled once.
    """
    size = (int(model.input_shape[1]), int(model.input_shape[2]))
    most, waiting = min(_batch_size(model), len(paths)), []
    read = map_in_order(lambda path: resize(folder.read(path), size), paths)
    for number, image in enumerate(read, start=1):
        waiting.append(image)
        if len(waiting) == most or number == len(paths):
            filled = waiting + [image] * (most - len(waiting))
            yield ask(np.stack(filled).astype(np.float32)[..., None])[: len(waiting)]
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


# === Heat maps ===


def heat_map_table(
    classifier: keras.Model, folder: SheetReader, sheets: pd.DataFrame
) -> pd.DataFrame:
    """Explain a classifier's scores of sheets, ``sheet_id, path``.

    Returns:
        One row per sheet: ``sheet_id``, ``rows`` and ``columns`` of its map, and ``heat``, its
        values, row by row, as :class:`GradCam` gives them.
    """
    explain, rows = GradCam(classifier), []
    answers = _answers(explain, classifier, folder, sheets["path"].tolist())
    maps = (heat for answer in answers for heat in answer)
    for sheet_id, heat in zip(sheets["sheet_id"], maps, strict=True):
        rows.append((sheet_id, *heat.shape, heat.reshape(-1).tolist()))
    return HEAT_MAPS.typed(rows)


class GradCam:
    """Maps of the evidence for a defect (Selvaraju et al. 2017, arXiv:1610.02391).

    A channel of the last feature maps weighs as much as the logit of the score changes with it, on
    average over its cells; a map is the weighted sum of the channels, as far as it is positive.
    Only the layers behind the trunk are differentiated. The logit is taken rather than the score,
    whose gradient vanishes where the network is certain.
    """

    def __init__(self, classifier: keras.Model) -> None:
        """Divide a classifier, as built or loaded, at the last feature maps of its trunk."""
        trunk = classifier.get_layer(f"{classifier.name}_trunk")
        features = classifier.layers[classifier.layers.index(trunk) + 1].input
        self._trunk = keras.Model(classifier.input, features)
        # The copy shares all layers, and so the weights, but that of the score.
        self._logit = keras.models.clone_model(
            keras.Model(features, classifier.output), clone_function=_without_sigmoid
        )

    def __call__(self, sheets: Floats) -> Floats:
        """Explain the scores of sheets, ``(sheets, height, width, 1)``, 0 to 255.

        Returns:
            Maps of shape ``(sheets, rows, columns)``, one cell per stride of the trunk, from 0 on;
            0 everywhere where nothing speaks for a defect. Comparable within a sheet alone.
        """
        values = np.asarray(self._trunk.predict_on_batch(sheets), np.float32)
        weights = _gradient(self._logit, values).mean(axis=(1, 2), keepdims=True)
        heat = np.maximum((weights * values).sum(axis=-1), 0)
        # A classifier that averages over mirrored orientations has the upright ones first.
        return np.asarray(heat[: len(sheets)], np.float32)


def _without_sigmoid(layer: keras.Layer) -> keras.Layer:
    """Return a layer itself, but a linear copy of the one that gives the score."""
    if isinstance(layer, keras.Model):
        return keras.models.clone_model(layer, clone_function=_without_sigmoid)
    if layer.name != SCORE_OUTPUT:
        return layer
    linear = type(layer).from_config(layer.get_config() | {"activation": "linear"})
    linear.build(layer.input.shape)
    linear.set_weights(layer.get_weights())
    return linear


def _gradient(model: keras.Model, inputs: Floats) -> Floats:
    """Differentiate a model's outputs, one per row, with respect to their rows of the inputs.

    Keras has no gradient of its own, so that each backend is asked in its own way.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow

        held = tensorflow.convert_to_tensor(inputs)
        with tensorflow.GradientTape() as tape:
            tape.watch(held)
            total = keras.ops.sum(model(held, training=False))
        return np.asarray(tape.gradient(total, held), np.float32)
    if backend == "jax":
        import jax

        gradient = jax.grad(lambda values: keras.ops.sum(model(values, training=False)))
        return np.asarray(gradient(keras.ops.convert_to_tensor(inputs)), np.float32)
    raise SteelDefectsError(f"Grad-CAM works on TensorFlow and JAX, not on {backend}")
