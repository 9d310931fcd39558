"""The gate: a backbone with a head of dense layers and dropout."""

from pathlib import Path

import keras
import numpy as np
from keras import KerasTensor, layers, ops
from numpy.typing import NDArray

from steel_defects.models.backbones import build_backbone
from steel_defects.models.config import BackboneConfig, HeadConfig, Statistic

SCORE_OUTPUT = "score"
HEAD = "head"
POOLED = "pooled"
STANDARDISED = "standardised"
_LEAST_VARIANCE = 1e-3  # keeps a feature that hardly varies from being blown up
#: Names of the layer with the feature maps of all orientations, in turn, and how many these are.
_MAPS = {"maps": 1, "maps_of_half_turn": 2, "maps_of_flips": 4}
#: Of the dense layers. It lets a gradient through on either side of zero: a ReLU that is zero on
#: every sheet stays so, and then clean sheets all get one and the same score.
_ACTIVATION = "leaky_relu"


def build_classifier(
    backbone: BackboneConfig,
    head: HeadConfig,
    input_size: tuple[int, int],
    seed: int,
    weights_dir: Path | None = None,
) -> keras.Model:
    """Build a classifier of sheets, whose input is ``input_size``, height and width in pixels.

    Returns:
        Model from ``(batch, height, width, 1)``, gray values 0 to 255, to the probability of a
        defect, ``(batch, 1)``, float32.

    Raises:
        SteelDefectsError: The weights are missing or belong to another architecture.
    """
    trunk = build_backbone(backbone, input_size, seed, weights_dir, head.turns, head.layer)
    score = _judge_sheet(trunk.output, head, backbone.weights != "none", seed)
    return keras.Model(trunk.input, score, name=backbone.name)


def _judge_sheet(maps: KerasTensor, head: HeadConfig, standardise: bool, seed: int) -> KerasTensor:
    """Pool features by more than their mean, since that alone dilutes a small defect."""
    turns = len(head.turns)
    maps = layers.Identity(name={n: name for name, n in _MAPS.items()}[turns])(maps)
    pooled = ops.concatenate([_statistic(name, maps, head) for name in head.statistics], axis=-1)
    if turns > 1:
        orientations = ops.reshape(pooled, (turns, -1, int(pooled.shape[-1])))
        pooled = ops.mean(orientations, axis=0)
    pooled = layers.Identity(name=POOLED)(pooled)
    return _build_head(head, int(pooled.shape[-1]), standardise, seed)(pooled)


def _statistic(name: Statistic, maps: KerasTensor, head: HeadConfig) -> KerasTensor:
    """Summarise each feature map of shape ``(rows, columns)`` in one number."""
    if name == "mean":
        return layers.GlobalAveragePooling2D()(maps)
    if name == "max":
        return layers.GlobalMaxPooling2D()(maps)
    rows, columns, channels = (int(n) for n in maps.shape[1:])
    cells = ops.reshape(maps, (-1, rows * columns, channels))
    if name == "std":
        # Not the root of zero, whose gradient is infinite.
        return ops.sqrt(ops.var(cells, axis=1) + _LEAST_VARIANCE)
    highest, _ = ops.top_k(
        ops.transpose(cells, (0, 2, 1)), max(1, round(head.top_share * rows * columns))
    )
    return ops.mean(highest, axis=-1)


def _build_head(head: HeadConfig, features: int, standardise: bool, seed: int) -> keras.Model:
    """Build the dense layers, from pooled features to the score.

    Features of a pre-trained backbone are standardised by :func:`standardise_features`: their
    scales differ so much that a head would otherwise need far more steps. Those of a backbone from
    scratch are scaled sheet by sheet: they grow as it learns, until they would silence the dense
    layers for good.
    """
    pooled = keras.Input((features,))
    if standardise:
        x = layers.BatchNormalization(name=STANDARDISED)(pooled)
    else:
        x = layers.LayerNormalization(center=False, scale=False)(pooled)
    for number, units in enumerate(head.units):
        he = keras.initializers.HeNormal(seed=seed + number)
        x = layers.Dropout(head.dropout, seed=seed + number)(x)
        x = layers.Dense(units, activation=_ACTIVATION, kernel_initializer=he)(x)
    x = layers.Dropout(head.dropout, seed=seed + len(head.units))(x)
    score = layers.Dense(1, activation="sigmoid", dtype="float32", name=SCORE_OUTPUT)(x)
    return keras.Model(pooled, score, name=HEAD)


def standardise_features(
    head: keras.Model, mean: NDArray[np.float64], variance: NDArray[np.float64]
) -> None:
    """Set mean and variance of each feature in a model's standardising layer, and keep them."""
    layer = head.get_layer(STANDARDISED)
    layer.moving_mean.assign(mean)
    layer.moving_variance.assign(variance + _LEAST_VARIANCE)
    layer.trainable = False


def add_mask_output(classifier: keras.Model) -> keras.Model:
    """Add an output, for training alone, that says where on the sheet the defect is.

    The model shares the classifier's weights, and returns its score and that mask, ``(batch, rows,
    columns, 1)`` at the resolution of the last feature maps.
    """
    layer = next(layer for layer in classifier.layers if layer.name in _MAPS)
    maps, turns = layer.output, _MAPS[layer.name]
    if turns > 1:  # those of the sheets as they are, without those of mirrored ones
        maps = ops.take(ops.reshape(maps, (turns, -1, *maps.shape[1:])), 0, axis=0)
    mask = layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name="mask")(maps)
    return keras.Model(classifier.input, [classifier.output, mask], name=classifier.name)
