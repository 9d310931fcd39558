"""Grad-CAM, compared with maps by hand and with gradients taken by differences."""

import keras
import numpy as np
import pytest
from keras import layers

from steel_defects.errors import SteelDefectsError
from steel_defects.models.classifier import HEAD, SCORE_OUTPUT, build_classifier
from steel_defects.models.config import BackboneConfig, HeadConfig
from steel_defects.prediction.sheet_scores import GradCam

SIZE = (6, 10)
CELLS = 2 * 3


def small_classifier(hidden: int = 0) -> keras.Model:
    """A trunk of one convolution with three channels, and a head as the gate has one."""
    inner = keras.Input((*SIZE, 1))
    outer = keras.Input((*SIZE, 1))
    convolution = layers.Conv2D(3, 3, strides=3, activation="relu")
    features = keras.Model(inner, convolution(inner), name="small_trunk")(outer)
    pools = [layers.GlobalAveragePooling2D()(features), layers.GlobalMaxPooling2D()(features)]
    pooled = keras.Input((6,))
    x = layers.Dropout(0.5)(pooled)
    x = layers.Dense(hidden, activation="tanh")(x) if hidden else x
    head = keras.Model(pooled, layers.Dense(1, "sigmoid", name=SCORE_OUTPUT)(x), name=HEAD)
    model = keras.Model(outer, head(layers.Concatenate()(pools)), name="small")
    # Of NumPy's making, and so the same on any backend.
    rng = np.random.default_rng(5)
    model.set_weights([rng.normal(0.2, 0.5, value.shape) for value in model.get_weights()])
    return model


def sheets() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 2, (4, *SIZE, 1)).astype(np.float32)


def features_of(model: keras.Model) -> np.ndarray:
    return np.asarray(keras.Model(model.input, model.layers[2].input)(sheets()), np.float64)


def test_weights_of_a_linear_head_by_hand():
    model = small_classifier()
    by_mean = np.array([0.5, -1.0, 2.0])
    by_maximum = np.array([1.5, 0.25, -1.0])
    kernel = np.concatenate([by_mean, by_maximum])[:, None]
    model.get_layer(HEAD).get_layer(SCORE_OUTPUT).set_weights([kernel, np.zeros(1)])
    expected = np.maximum(features_of(model) @ (by_mean + by_maximum) / CELLS, 0)
    assert expected.max() > 0 and (expected == 0).any()
    np.testing.assert_allclose(GradCam(model)(sheets()), expected, rtol=1e-4, atol=1e-6)


def test_weights_are_the_mean_change_of_the_logit():
    model = small_classifier(hidden=5)
    features = features_of(model)
    tail = keras.Model(model.layers[2].input, model.output)

    def logit(values: np.ndarray) -> np.ndarray:
        score = np.asarray(tail(values.astype(np.float32), training=False), np.float64)[:, 0]
        return np.log(score / (1 - score))

    # Moving a whole channel by a step moves its mean and its maximum by as much.
    moves = 0.01 * np.eye(3)
    slopes = [(logit(features + move) - logit(features - move)) / 0.02 for move in moves]
    expected = np.maximum(np.einsum("nrck,kn->nrc", features, slopes) / CELLS, 0)
    assert expected.max() > 0
    heat = GradCam(model)(sheets())
    np.testing.assert_allclose(heat, expected, atol=0.01 * expected.max())


def test_a_score_that_rounds_to_one_is_explained_too():
    model = small_classifier(hidden=5)
    before = GradCam(model)(sheets())
    score = model.get_layer(HEAD).get_layer(SCORE_OUTPUT)
    kernel, bias = score.get_weights()
    score.set_weights([kernel, bias + 200])
    assert (np.asarray(model(sheets(), training=False)) == 1).all()
    np.testing.assert_allclose(GradCam(model)(sheets()), before, rtol=1e-4, atol=1e-7)


@pytest.mark.slow
def test_the_gate_is_divided_and_stays_as_it_was():
    config = BackboneConfig(name="mobilenet_v2", weights="none", alpha=0.35)
    model = build_classifier(config, HeadConfig(units=(8,), dropout=0.5), (32, 64), 3)
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 32, 64, 1)).astype(np.float32)
    score = np.asarray(model(pictures, training=False))
    first, second = (GradCam(model)(pictures) for _ in range(2))
    assert first.shape == (2, 1, 2)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(np.asarray(model(pictures, training=False)), score)


def test_another_backend_is_answered_in_one_line(monkeypatch):
    explain = GradCam(small_classifier())
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(SteelDefectsError, match="not on torch"):
        explain(sheets())
