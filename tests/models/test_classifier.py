import keras
import numpy as np
import pytest

from steel_defects.datasets.keras_model import KerasModelDataset
from steel_defects.models.classifier import add_mask_output, build_classifier
from steel_defects.models.config import BACKBONES, BackboneConfig, HeadConfig

SIZE = (32, 64)
HEAD = HeadConfig(units=(8,), dropout=0.3)


@pytest.mark.parametrize("name", BACKBONES)
def test_backbone_is_built_saved_and_loaded(name, tmp_path):
    model = build_classifier(BackboneConfig(name=name, weights="none", alpha=0.35), HEAD, SIZE, 3)
    sheets = np.random.default_rng(0).uniform(0, 255, (2, *SIZE, 1)).astype(np.float32)
    scores = np.asarray(model(sheets, training=False))
    assert scores.shape == (2, 1)
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    # The signal gets through the trunk: the features of two sheets are not the same.
    features = keras.Model(model.input, model.get_layer("mean_over_sheet").output)
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
