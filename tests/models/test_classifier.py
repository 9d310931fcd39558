import keras
import numpy as np
import pytest

from steel_defects.datasets.models import KerasModelDataset
from steel_defects.models.classifier import (
    add_mask_output,
    build_classifier,
    standardise_features,
)
from steel_defects.models.config import BACKBONES, BackboneConfig, HeadConfig

SIZE = (32, 64)
HEAD = HeadConfig(units=(8,), dropout=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_backbone_is_built_saved_and_loaded(name, tmp_path):
    model = build_classifier(BackboneConfig(name=name, weights="none", alpha=0.35), HEAD, SIZE, 3)
    sheets = np.random.default_rng(0).uniform(0, 255, (2, *SIZE, 1)).astype(np.float32)
    scores = np.asarray(model(sheets, training=False))
    assert scores.shape == (2, 1)
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    # The signal gets through the trunk: the features of two sheets are not the same.
    features = keras.Model(model.input, model.get_layer("pooled").output)
    first, second = np.asarray(features(sheets, training=False))
    assert np.isfinite(first).all()
    assert not np.allclose(first, second, rtol=1e-3)

    both = add_mask_output(model)(sheets, training=False)
    np.testing.assert_array_equal(np.asarray(both[0]), scores)
    assert both[1].shape == (2, 1, 2, 1)

    dataset = KerasModelDataset(filepath=str(tmp_path / "model.keras"))
    dataset.save(model)
    loaded = dataset.load()
    np.testing.assert_array_equal(np.asarray(loaded(sheets, training=False)), scores)


UPSIDE_DOWN, LEFT_TO_RIGHT, TURNED = np.s_[:, ::-1], np.s_[:, :, ::-1], np.s_[:, ::-1, ::-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("orientations", "same"),
    [("half_turn", [TURNED]), ("flips", [UPSIDE_DOWN, LEFT_TO_RIGHT, TURNED])],
)
def test_features_are_averaged_over_mirrored_sheets(tmp_path, orientations, same):
    head = HeadConfig(
        units=(8,),
        dropout=0.3,
        statistics=("mean", "max", "std", "top"),
        top_share=0.25,
        orientations=orientations,
    )
    backbone = BackboneConfig(name="mobilenet_v2", weights="none", alpha=0.35)
    model = build_classifier(backbone, head, SIZE, 3)
    assert model.get_layer("pooled").output.shape == (None, 4 * 1280)
    sheets = np.random.default_rng(0).uniform(0, 255, (2, *SIZE, 1)).astype(np.float32)
    both = add_mask_output(model)
    scores, mask = (np.asarray(x) for x in both(sheets, training=False))
    # However a sheet is mirrored, it is the same sheet; where the defect is depends on it.
    for mirrored in same:
        np.testing.assert_allclose(model(sheets[mirrored], training=False), scores, rtol=1e-4)
    features = keras.Model(model.input, model.get_layer("pooled").output)
    lying = [np.asarray(features(x)) for x in (sheets, sheets[TURNED], sheets[UPSIDE_DOWN])]
    turned, upside_down = (np.abs(one - lying[0]).max() for one in lying[1:])
    assert (upside_down > 100 * turned) == (orientations == "half_turn")
    assert mask.shape == (2, 1, 2, 1)
    first = np.asarray(both(sheets[:1], training=False)[1])
    np.testing.assert_allclose(mask[:1], first, rtol=1e-4)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(np.asarray(loaded(sheets, training=False)), scores)


@pytest.mark.slow
def test_statistics_of_feature_maps():
    head = HeadConfig(units=(), dropout=0, statistics=("mean", "max", "std", "top"), top_share=0.25)
    backbone = BackboneConfig(name="mobilenet_v2", weights="none", alpha=0.35)
    model = build_classifier(backbone, head, (64, 128), 3)
    sheets = np.random.default_rng(0).uniform(0, 255, (2, 64, 128, 1)).astype(np.float32)
    outputs = [model.get_layer("maps").output, model.get_layer("pooled").output]
    maps, pooled = (np.asarray(x) for x in keras.Model(model.input, outputs)(sheets))
    cells = maps.reshape(2, 8, -1)
    mean, highest, std, top = np.split(pooled, 4, axis=1)
    np.testing.assert_allclose(mean, cells.mean(axis=1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(highest, cells.max(axis=1), rtol=1e-4)
    np.testing.assert_allclose(std, np.sqrt(cells.var(axis=1) + 1e-3), rtol=1e-3)
    worst = np.sort(cells, axis=1)[:, -2:].mean(axis=1)
    np.testing.assert_allclose(top, worst, rtol=1e-4, atol=1e-5)


def test_standardised_features_are_left_as_they_are_by_training():
    features = keras.Input((3,))
    x = keras.layers.BatchNormalization(name="standardised")(features)
    model = keras.Model(features, x)
    standardise_features(model, np.array([1.0, 2.0, 3.0]), np.array([4.0, 1.0, 0.25]))
    rows = np.array([[3.0, 3.0, 3.5]], np.float32)
    np.testing.assert_allclose(np.asarray(model(rows, training=True)), [[1, 1, 1]], atol=5e-3)
    assert not model.trainable_weights


@pytest.mark.slow
def test_no_layer_of_the_head_can_fall_silent():
    """With a ReLU every sheet would get one and the same score, and no gradient change that."""
    backbone = BackboneConfig(name="mobilenet_v2", weights="none", alpha=0.35)
    dense = build_classifier(backbone, HEAD, SIZE, 3).get_layer("head")
    hidden = next(layer for layer in dense.layers if getattr(layer, "units", 0) == HEAD.units[0])
    hidden.bias.assign(hidden.bias - 20)
    inputs = np.random.default_rng(0).uniform(0, 255, (2, *dense.input_shape[1:]))
    outputs = keras.Model(dense.input, hidden.output).predict_on_batch(inputs)
    assert (outputs < 0).all() and len(np.unique(outputs)) > 2
