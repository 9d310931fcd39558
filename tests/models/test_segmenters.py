"""Every architecture: shapes, files, what it looks at, and its parameters."""

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from steel_defects.errors import SteelDefectsError
from steel_defects.models.config import (
    ARCHITECTURES,
    BACKBONES,
    STRIDE,
    Architectures,
    EncoderConfig,
    Network,
    NetworkConfig,
)
from steel_defects.models.files import load_model, save_model
from steel_defects.models.segmenters import build_segmenter, required_stride
from steel_defects.models.stages import encode_with_backbone

SMALL = {"name": "mobilenet_v2", "weights": "none", "alpha": 0.35}
RIVALS = {
    "fpn": {"filters": (2, 4, 4, 4), "pyramid_filters": 4, "head_filters": 4},
    "deeplab_v3_plus": {
        "filters": (2, 4, 4, 4, 4), "rates": (1, 2), "pyramid_filters": 4, "low_level_filters": 2,
        "head_filters": 4,
    },
}  # fmt: skip
NETWORKS = {
    "unet": {"name": "unet", "filters": (2, 4)},
    "unet_mobilenet_v2": {
        "name": "unet_mobilenet_v2", "encoder": SMALL, "filters": (2, 2, 4, 4), "residual": True,
    },
    "unet_mobilenet_v2 at half the size": {
        "name": "unet_mobilenet_v2", "encoder": SMALL, "filters": (2, 2, 4, 4), "input_shrink": 2,
    },
    **{name: {"name": name, **values} for name, values in RIVALS.items()},
    **{f"{k} on a backbone": {"name": k, **v, "encoder": SMALL} for k, v in RIVALS.items()},
}  # fmt: skip


def network(values: dict[str, object], **changes: object) -> Network:
    return NetworkConfig.model_validate(values | changes).root


def sheets(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (2, height, width, 1)).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("values", NETWORKS.values(), ids=list(NETWORKS))
def test_masks_and_presence_at_any_size_and_after_reloading(tmp_path, values):
    config = network(values, presence_head=True, dropout=0.1)
    model = build_segmenter(config, 3, seed=2)
    assert model.name == config.name
    assert required_stride(model) == max(STRIDE, config.stride)
    head = model.get_layer("presence")
    head.kernel.assign(np.random.default_rng(0).normal(0, 0.01, head.kernel.shape))
    head.bias.assign([-1, 0, 1])  # else classes hardly differ before any training
    save_model(model, tmp_path / "a.keras")
    again = load_model(tmp_path / "a.keras")
    for height, width in ((config.stride, 3 * config.stride), (5 * config.stride, config.stride)):
        found, same = (one(sheets(height, width), training=False) for one in (model, again))
        shapes = [(2, height, width, 3), (2, 3)]
        for output, other, shape in zip(found, same, shapes, strict=True):
            value = np.asarray(output)
            assert (value.shape, value.dtype) == (shape, np.float32)
            assert 0 < value.min() < value.max() < 1
            np.testing.assert_array_equal(value, np.asarray(other))
    alone = build_segmenter(network(values), 3, seed=2)
    assert len(alone.outputs) == 1


@pytest.mark.slow
@pytest.mark.parametrize("backbone", BACKBONES)
def test_each_stage_of_a_backbone_halves_the_resolution(backbone):
    config = EncoderConfig(name=backbone, weights="none", alpha=0.35)
    sheet = keras.Input((None, None, 1))
    encoder = keras.Model(sheet, encode_with_backbone(sheet, config, 5, seed=1))
    sizes = [features.shape[1:3] for features in encoder(sheets(64, 32), training=False)]
    assert sizes == [(32, 16), (16, 8), (8, 4), (4, 2), (2, 1)]


@pytest.mark.slow
def test_pretrained_batch_norm_stays_as_it_is(tmp_path):
    trunk = keras.applications.MobileNetV2(
        input_shape=(32, 32, 3), alpha=0.35, include_top=False, weights=None
    )
    trunk.save_weights(tmp_path / "own.weights.h5")
    encoder = SMALL | {"weights": "own.weights.h5"}
    config = network(NETWORKS["unet_mobilenet_v2"], encoder=encoder)
    model = build_segmenter(config, 2, 1, tmp_path)
    inner = next(one for one in model.layers if one.name.endswith("_encoder"))
    first = trunk.get_layer("Conv1").get_weights()[0]
    np.testing.assert_array_equal(inner.get_layer("Conv1").get_weights()[0], first)
    before = {one.path: np.array(one) for one in inner.weights}
    model.compile(keras.optimizers.SGD(10.0), loss="mse", run_eagerly=True)
    model.train_on_batch(sheets(32, 32), np.ones((2, 32, 32, 2), np.float32))
    changed = {one.path for one in inner.weights if not np.array_equal(before[one.path], one)}
    norm = {path for path in before if "BN" in path or "bn" in path}
    assert norm
    assert not changed & norm
    assert changed


@pytest.mark.slow
def test_missing_weights_are_named(tmp_path):
    config = network(NETWORKS["unet_mobilenet_v2"], encoder=SMALL | {"weights": "none.h5"})
    with pytest.raises(SteelDefectsError, match=r"no weights of mobilenet_v2 at .*none\.h5"):
        build_segmenter(config, 2, 1, tmp_path)


def reach(name: str, size: int = 256) -> float:
    """Return the share of the pixels that feel a change of 16×16 pixels in the middle."""
    config = network(NETWORKS[name], pyramid_filters=16, head_filters=16)
    model = build_segmenter(config, 1, seed=3)
    one = np.full((1, size, size, 1), 100, np.float32)
    other = one.copy()
    other[:, size // 2 : size // 2 + 16, size // 2 : size // 2 + 16] = 250
    change = np.asarray(model(other, training=False)) - np.asarray(model(one, training=False))
    return float((np.abs(change) > 0).mean())


@pytest.mark.slow
def test_deeplab_sees_the_whole_sheet_and_a_pyramid_does_not():
    assert reach("deeplab_v3_plus") > 0.9
    assert reach("fpn") < 0.9


@pytest.mark.slow
def test_larger_rates_need_no_more_weights():
    sizes = [
        build_segmenter(network(NETWORKS["deeplab_v3_plus"], rates=rates), 2, 1).count_params()
        for rates in ((1, 2), (3, 6), (1, 2, 3))
    ]
    assert sizes[0] == sizes[1] < sizes[2]


# === Parameters ===


def test_the_name_says_which_network():
    found = {NetworkConfig.model_validate(v).root.name for v in NETWORKS.values()}
    assert found < set(ARCHITECTURES)
    assert len(ARCHITECTURES) == 3 + len(BACKBONES)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"filters": (2, 4)}, "discriminator 'name'"),
        ({"name": "segnet", "filters": (2, 4)}, "'unet'"),
        ({"name": "fpn", "filters": (2, 4)}, "at least 3 items"),
        ({"name": "fpn", "filters": (2, 4, 4), "rates": (1,)}, "rates"),
        (NETWORKS["unet_mobilenet_v2"] | {"name": "unet_vgg16"}, "can't encode with mobilenet_v2"),
    ],
)
def test_networks_that_do_not_exist_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        NetworkConfig.model_validate(values)


def test_architectures_may_come_as_text():
    assert Architectures("unet fpn").root == Architectures(["unet", "fpn"]).root == ("unet", "fpn")
    for wrong in ("segnet", [], ""):
        with pytest.raises(ValidationError):
            Architectures(wrong)


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"weights": "none"}, "random weights"),
        ({"weights": "imagenet"}, "ImageNet weights"),
        ({"weights": "mine.weights.h5"}, "mine.weights.h5"),
    ],
)
def test_what_a_network_starts_from_is_what_its_encoder_does(changes, start):
    assert network(NETWORKS["unet_mobilenet_v2"], encoder=SMALL | changes).start == start
    assert network(NETWORKS["unet"]).start == "random weights"
