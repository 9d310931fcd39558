"""The packages in models/: whole, small enough, with a card, and loadable."""

from pathlib import Path

import numpy as np
import pytest

from steel_defects.package.folder import CHECKSUM, read_package
from steel_defects.package.manifest import MANIFEST
from steel_defects.package.runtimes import load_runtime

MODELS = Path(__file__).parents[2] / "models"
PACKAGES = sorted(path for path in MODELS.iterdir() if path.is_dir())
LARGEST = 25e6  # bytes


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda path: path.name)
def test_a_package_is_whole_and_has_a_card(folder: Path, caplog):
    with caplog.at_level("WARNING"):
        package = read_package(folder)  # compares every file with its checksum
    assert not caplog.records
    names = {path.name for path in folder.iterdir()}
    assert names == {"README.md", MANIFEST, CHECKSUM, *package.manifest.files}
    assert all(name.endswith(".keras") for name in package.manifest.files)
    assert sum(path.stat().st_size for path in folder.iterdir()) < LARGEST
    card = (folder / "README.md").read_text(encoding="utf-8")
    for heading in ("trained on", "## What it reaches", "## Limits", "## Terms"):
        assert heading in card


def test_ids_of_models_and_thresholds_stay():
    packages = {folder.name: read_package(folder) for folder in PACKAGES}
    assert {name: (one.model_id, one.thresholds_id) for name, one in packages.items()} == {
        "neu_seg": ("9b04eb54e17b", "405d4c364a79"),
        "severstal": ("31f28f66ce79", "737787952c51"),
    }


def test_classes_of_the_competition_are_not_named_after_kinds_of_defects():
    names = read_package(MODELS / "severstal").manifest.class_names
    assert names == ("class 1", "class 2", "class 3", "class 4")


@pytest.mark.slow
@pytest.mark.parametrize("folder", PACKAGES, ids=lambda path: path.name)
def test_its_networks_answer(folder: Path):
    package = read_package(folder)
    runtime = load_runtime(package, "keras")
    sheet = np.random.default_rng(0).integers(60, 140, (64, 160)).astype(np.uint8)
    found = runtime.segment(sheet)
    classes = len(package.manifest.class_names)
    assert found.maps.shape == (64, 160, classes)
    assert found.presence.shape == (classes,)
    score = runtime.gate_score(sheet)
    assert (score is None) == (package.manifest.gate is None)
    assert score is None or 0 < score < 1
