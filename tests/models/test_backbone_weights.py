import os
from pathlib import Path

import numpy as np
import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.models.backbones import build_backbone
from steel_defects.models.config import BackboneConfig

REAL = "mobilenet_v2_0.35_224_no_top_float32.weights.h5"
SIZE = (32, 64)


def config(weights: str) -> BackboneConfig:
    return BackboneConfig(name="mobilenet_v2", weights=weights, alpha=0.35)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(SteelDefectsError) as error:
        build_backbone(config("absent.weights.h5"), SIZE, 1, str(tmp_path))
    assert str(tmp_path / "absent.weights.h5") in str(error.value)
    assert "weights_dir" in str(error.value)


def test_file_that_is_no_weights_is_named(tmp_path):
    (tmp_path / "text.weights.h5").write_text("not weights")
    with pytest.raises(SteelDefectsError) as error:
        build_backbone(config("text.weights.h5"), SIZE, 1, str(tmp_path))
    assert str(tmp_path / "text.weights.h5") in str(error.value)
    assert "\n" not in str(error.value)


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
