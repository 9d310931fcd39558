"""Grad-CAM: which cells of its last feature maps a classifier's score rests on."""

from collections.abc import Iterator, Sequence

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError
from steel_defects.images.gray_cache import SheetReader
from steel_defects.models.classifier import SCORE_OUTPUT
from steel_defects.prediction.sheet_scores import batches_of
from steel_defects.tables.declared import HEAT_MAPS

Floats = NDArray[np.float32]


def heat_map_table(
    classifier: keras.Model, folder: SheetReader, sheets: pd.DataFrame
) -> pd.DataFrame:
    """Explain a classifier's scores.

    Args:
        classifier: From gray sheets to the probability of a defect.
        folder: Where the pictures are.
        sheets: ``sheet_id, path``, one row per sheet.

    Returns:
        One row per sheet: ``sheet_id``, ``rows`` and ``columns`` of its map, and ``heat``, its
        values, row by row, as :class:`GradCam` gives them.
    """
    maps = heat_maps(classifier, folder, sheets["path"].tolist())
    rows = [
        (sheet_id, *heat.shape, heat.reshape(-1).tolist())
        for sheet_id, heat in zip(sheets["sheet_id"], maps, strict=True)
    ]
    return HEAT_MAPS.typed(rows)


def heat_maps(
    classifier: keras.Model, folder: SheetReader, paths: Sequence[str]
) -> Iterator[Floats]:
    """Yield the Grad-CAM map of each sheet, of shape ``(rows, columns)``."""
    explain = GradCam(classifier)
    for sheets in batches_of(classifier, folder, paths):
        yield from explain(sheets)


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
        """Explain the scores of sheets.

        Args:
            sheets: Of the classifier's input shape, ``(sheets, height, width, 1)``, 0 to 255.

        Returns:
            Maps of shape ``(sheets, rows, columns)``, one cell per stride of the trunk, from 0 on;
            0 everywhere where nothing speaks for a defect. Comparable within a sheet alone.
        """
        # Without compiling: of a handful of sheets that would cost more than it saves.
        features = self._trunk(sheets, training=False)
        values = keras.ops.convert_to_numpy(keras.ops.cast(features, "float32"))
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
