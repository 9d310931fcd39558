"""The gate: a backbone with a head of dense layers and dropout."""

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from steel_defects.models.backbones import build_backbone
from steel_defects.models.config import BackboneConfig, HeadConfig

MASK_OUTPUT = "mask"
SCORE_OUTPUT = "score"
HEAD = "head"
POOLED = "pooled"
STANDARDISED = "standardised"
_LEAST_VARIANCE = 1e-3  # keeps a feature that hardly varies from being blown up
_MEAN = "mean_over_sheet"


def build_classifier(
    backbone: BackboneConfig,
    head: HeadConfig,
    input_size: tuple[int, int],
    seed: int,
    weights_dir: str | None = None,
) -> keras.Model:
    """Build a classifier of sheets.

    Features are pooled by mean and by maximum: a mean over the sheet dilutes a small defect.

    Args:
        backbone: Which backbone, and where its weights come from.
        head: Sizes of the dense layers, and the dropout before each.
        input_size: Height and width of the input, pixels.
        seed: Seed of initial weights and dropout.
        weights_dir: Folder of weight files.

    Returns:
        Model from ``(batch, height, width, 1)``, gray values 0 to 255, to the probability of a
        defect, ``(batch, 1)``, float32.
    """
    trunk = build_backbone(backbone, input_size, seed, weights_dir)
    mean = layers.GlobalAveragePooling2D(name=_MEAN)(trunk.output)
    pooled = layers.Concatenate(name=POOLED)([mean, layers.GlobalMaxPooling2D()(trunk.output)])
    score = _build_head(head, int(pooled.shape[-1]), backbone.weights != "none", seed)(pooled)
    return keras.Model(trunk.input, score, name=backbone.name)


def _build_head(head: HeadConfig, features: int, standardise: bool, seed: int) -> keras.Model:
    """Build the dense layers, from pooled features to the score.

    Features of a pre-trained backbone are standardised, each by its own mean and variance: their
    scales differ so much that a head would otherwise need far more steps. See
    :func:`standardise_features`. Those of a backbone from scratch are scaled sheet by sheet: they
    grow as it learns, until they would silence the dense layers for good.
    """
    pooled = keras.Input((features,))
    if standardise:
        x = layers.BatchNormalization(name=STANDARDISED)(pooled)
    else:
        x = layers.LayerNormalization(center=False, scale=False)(pooled)
    for number, units in enumerate(head.units):
        x = layers.Dropout(head.dropout, seed=seed + number)(x)
        x = layers.Dense(units, activation="relu", kernel_initializer=_he(seed + number))(x)
    x = layers.Dropout(head.dropout, seed=seed + len(head.units))(x)
    score = layers.Dense(1, activation="sigmoid", dtype="float32", name=SCORE_OUTPUT)(x)
    return keras.Model(pooled, score, name=HEAD)


def standardise_features(head: keras.Model, features: NDArray[np.float64]) -> None:
    """Set mean and variance of the features, of shape ``(sheets, features)``, and keep them."""
    layer = head.get_layer(STANDARDISED)
    layer.moving_mean.assign(features.mean(axis=0))
    layer.moving_variance.assign(features.var(axis=0) + _LEAST_VARIANCE)
    layer.trainable = False


def add_mask_output(classifier: keras.Model) -> keras.Model:
    """Add an output, for training alone, that says where on the sheet the defect is.

    Returns:
        Model that shares the classifier's weights, with outputs ``score`` and ``mask``, the latter
        of shape ``(batch, rows, columns, 1)`` at the resolution of the last feature maps.
    """
    features = classifier.get_layer(_MEAN).input
    mask = layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name=MASK_OUTPUT)(features)
    return keras.Model(classifier.input, [classifier.output, mask], name=classifier.name)


def _he(seed: int) -> keras.Initializer:
    return keras.initializers.HeNormal(seed=seed)
