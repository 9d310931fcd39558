"""TensorFlow and JAX, one device and two, without Kedro: the same training."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.support.data import Data
from tests.support.projects import Project
from tests.support.standalone import latest, predict
from tests.training.conftest import Trained

from steel_defects.pipelines.classification import nodes

pytestmark = pytest.mark.slow

MODELS = ("mobilenet_v2.classifier", "unet.segmenter")


@pytest.mark.parametrize("name", MODELS)
def test_losses_agree(trained: Trained, name: str) -> None:
    tensorflow, jax = (
        pd.read_parquet(latest(folder, f"{name}_history.parquet"))
        for folder in (trained.tensorflow, trained.jax / "one_device")
    )
    assert len(tensorflow) >= 1
    for column in ("loss", "validation_loss"):
        np.testing.assert_allclose(jax[column], tensorflow[column], atol=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_models_of_one_load_under_the_other(trained: Trained, name: str) -> None:
    by_jax = {file: np.load(trained.jax / f"{file}.npz")[name] for file in ("own", "elsewhere")}
    assert by_jax["own"].std() > 0
    here = {
        "own": predict(trained.jax / "one_device")[name],
        "elsewhere": predict(trained.tensorflow)[name],
    }
    for file, predicted in here.items():
        np.testing.assert_allclose(by_jax[file], predicted, atol=1e-4)


def test_two_devices_learn_what_one_does(trained: Trained) -> None:
    one, two = (
        pd.read_parquet(latest(trained.jax / folder, "unet.segmenter_history.parquet"))
        for folder in ("one_device", "two_devices")
    )
    assert one["loss"].nunique() == 2
    for column in ("loss", "validation_loss"):
        np.testing.assert_allclose(one[column], two[column], atol=1e-5)


def test_a_batch_that_devices_cannot_share_is_refused_in_one_line(trained: Trained) -> None:
    said = [line for line in trained.messages.splitlines() if line.startswith("Error: ")]
    assert said == [
        "Error: batch_size 3 can't be shared equally by 2 devices; take a multiple of 2, or "
        "devices: 1"
    ]


def test_the_catalog_takes_what_was_trained_without_kedro(
    trained: Trained, data: Data, tmp_path: Path
) -> None:
    project = Project("test", tmp_path)
    project.data.symlink_to(trained.jax / "one_device")
    catalog = project.catalog
    table, speed = nodes.score_sheets(
        catalog.load("mobilenet_v2.classifier"), data.folder, data.sheets, data.splits
    )
    assert len(table) == len(data.sheets)
    assert all(milliseconds > 0 for milliseconds in speed.model_dump().values())
    for name in ("mobilenet_v2.classifier", "unet.segmenter"):
        assert len(catalog.load(f"{name}_history"))
        assert catalog.load(f"{name}_profile")["parameters"] > 0
    assert catalog.load("unet.segmenter").output_shape[-1] == 4
