import keras
import numpy as np
import pytest
from keras import layers

from steel_defects.models.backbones import (
    build_backbone,
    has_batch_norm,
    standardise_activations,
)
from steel_defects.models.config import BackboneConfig

SHEETS = np.random.default_rng(0).normal(3, 0.2, (4, 16, 24, 3)).astype(np.float32)


def plain_chain() -> keras.Model:
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((16, 24, 3)),
            layers.Conv2D(6, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(5, 3, strides=2, padding="same", activation="relu"),
        ]
    )


def responses(trunk: keras.Model) -> list[np.ndarray]:
    """What each convolution gives before its ReLU."""
    found, x = [], keras.ops.convert_to_tensor(SHEETS)
    for layer in trunk.layers:
        if isinstance(layer, layers.Conv2D):
            raw = keras.ops.conv(x, layer.kernel, layer.strides, layer.padding) + layer.bias
            found.append(keras.ops.convert_to_numpy(raw))
        x = layer(x)
    return found


def test_every_channel_has_mean_0_and_variance_1():
    chain = plain_chain()
    trunk = keras.Model(chain.inputs, chain.outputs)
    before = responses(chain)
    assert abs(before[0].mean(axis=(0, 1, 2))).max() > 0.5
    standardise_activations(trunk, SHEETS)
    for response in responses(chain):
        np.testing.assert_allclose(response.mean(axis=(0, 1, 2)), 0, atol=1e-3)
        np.testing.assert_allclose(response.std(axis=(0, 1, 2)), 1, atol=1e-3)


def test_a_channel_that_never_varies_stays_finite():
    chain = plain_chain()
    first = chain.layers[0]
    first.kernel.assign(np.zeros(first.kernel.shape))
    standardise_activations(keras.Model(chain.inputs, chain.outputs), SHEETS)
    assert np.isfinite(chain.predict_on_batch(SHEETS)).all()


def test_has_batch_norm():
    chain = plain_chain()
    assert not has_batch_norm(chain)
    assert has_batch_norm(keras.Sequential([*chain.layers, layers.BatchNormalization()]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_lite0"])
def test_the_seed_alone_draws_all_weights(name):
    def weights(seed: int) -> list[np.ndarray]:
        config = BackboneConfig(name=name, weights="none", alpha=0.35)
        return [w for w in build_backbone(config, (32, 64), seed).get_weights() if w.ndim == 4]

    keras.utils.set_random_seed(1)
    first = weights(3)
    keras.utils.set_random_seed(2)
    assert all(np.array_equal(*pair) for pair in zip(first, weights(3), strict=True))
    assert not any(np.array_equal(*pair) for pair in zip(first, weights(4), strict=True))
