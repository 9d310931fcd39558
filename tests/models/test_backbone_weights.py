import os
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.models.backbones import build_backbone, to_channels
from steel_defects.models.config import BackboneConfig
from steel_defects.models.files import load_model, save_model

pytestmark = pytest.mark.slow

REAL = "mobilenet_v2_0.35_224_no_top_float32.weights.h5"
SIZE = (32, 64)


def config(weights: str) -> BackboneConfig:
    return BackboneConfig(name="mobilenet_v2", weights=weights, alpha=0.35)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(SteelDefectsError) as error:
        build_backbone(config("absent.weights.h5"), SIZE, 1, tmp_path)
    assert str(tmp_path / "absent.weights.h5") in str(error.value)
    assert "weights_dir" in str(error.value)


def test_a_backbone_may_end_at_an_earlier_layer():
    whole = build_backbone(config("none"), SIZE, 1)
    part = build_backbone(config("none"), SIZE, 1, layer="block_13_expand_relu")
    trunk, cut = (model.get_layer("mobilenet_v2_trunk") for model in (whole, part))
    for layer in cut.layers[1:]:  # without the input
        layer.set_weights(trunk.get_layer(layer.name).get_weights())
    maps = keras.Model(trunk.input, trunk.get_layer("block_13_expand_relu").output)
    sheets = np.random.default_rng(0).uniform(0, 255, (1, *SIZE, 1)).astype(np.float32)
    seen = to_channels(sheets, config("none"))
    np.testing.assert_allclose(np.asarray(part(sheets)), np.asarray(maps(seen)), rtol=1e-5)
    assert part.count_params() < whole.count_params()


def test_an_unknown_layer_is_told_with_those_near_it():
    message = "mobilenet_v2 has no layer block_13_relu; near it are block_13_"
    with pytest.raises(SteelDefectsError, match=message) as error:
        build_backbone(config("none"), SIZE, 1, layer="block_13_relu")
    assert "\n" not in str(error.value)


def test_file_that_is_no_weights_is_named(tmp_path):
    (tmp_path / "text.weights.h5").write_text("not weights", encoding="utf-8")
    with pytest.raises(SteelDefectsError) as error:
        build_backbone(config("text.weights.h5"), SIZE, 1, tmp_path)
    assert str(tmp_path / "text.weights.h5") in str(error.value)
    assert "\n" not in str(error.value)


def test_a_keras_file_that_is_no_archive_is_named(tmp_path):
    (tmp_path / "text.keras").write_text("not a model", encoding="utf-8")
    with pytest.raises(SteelDefectsError, match=r"text\.keras does not hold weights"):
        build_backbone(config("text.keras"), SIZE, 1, tmp_path)


@pytest.fixture
def published(tmp_path, monkeypatch) -> Path:
    """Weights of EfficientNetB0 with ImageNet's statistics, which Keras takes for its own."""
    model = keras.applications.EfficientNetB0(include_top=False, weights=None)
    (normal,) = (layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
    normal.adapt_mean.assign([0.485, 0.456, 0.406])
    normal.adapt_variance.assign([0.229, 0.224, 0.225])
    path = tmp_path / "efficientnet.weights.h5"
    model.save_weights(path)
    module = sys.modules["keras.src.applications.efficientnet"]
    monkeypatch.setattr(module.file_utils, "get_file", lambda *_, **__: str(path))
    return path


@pytest.mark.parametrize("by", ["name", "file"])
def test_efficientnet_is_the_published_network_before_and_after_it_is_saved(
    by, published, tmp_path
):
    given = "imagenet" if by == "name" else published.name
    own = BackboneConfig(name="efficientnet_b0", weights=given)
    model = build_backbone(own, SIZE, 1, tmp_path)
    keras_own = keras.applications.EfficientNetB0(include_top=False, weights="imagenet")
    gray = np.random.default_rng(0).integers(0, 256, (1, *SIZE, 1)).astype(np.float32)
    expected = keras_own.predict(np.repeat(gray, 3, axis=-1), verbose=0)
    assert np.abs(expected).max() > 1e-6
    np.testing.assert_allclose(model.predict(gray, verbose=0), expected, rtol=1e-3, atol=1e-7)
    save_model(model, tmp_path / "saved.keras")
    again = load_model(tmp_path / "saved.keras").predict(gray, verbose=0)
    np.testing.assert_allclose(again, expected, rtol=1e-3, atol=1e-7)


def test_real_weights_are_loaded():
    default = Path(__file__).parents[2].parent / "shared"
    folder = Path(os.environ.get("STEEL_DEFECTS_REAL_DATA", default)) / "weights"
    if not (folder / REAL).is_file():
        pytest.skip(f"no {REAL} here; STEEL_DEFECTS_REAL_DATA names the folder that has weights/")
    trained = build_backbone(config(REAL), SIZE, 1, str(folder))
    fresh = build_backbone(config("none"), SIZE, 1)
    assert trained.count_params() == fresh.count_params()
    differ = [
        not np.allclose(one, other)
        for one, other in zip(trained.get_weights(), fresh.get_weights(), strict=True)
    ]
    assert all(differ)
