"""A data folder for trainings without Kedro, and what they make of it with two backends."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support import standalone
from tests.support.data import Data

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def tables(data: Data) -> Path:
    """A folder with pictures, the tables of data engineering, and the record of a run."""
    root = data.folder.root
    for name in ("sheets", "annotations", "splits", "tiles"):
        getattr(data, name).to_parquet(root / f"{name}.parquet")
    (root / "08_reporting").mkdir()
    record = {"run_id": "1", "parameters": standalone.PARAMETERS}
    (root / "08_reporting" / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return root


@dataclass(frozen=True)
class Trained:
    """Output folders of the same trainings.

    Attributes:
        tensorflow: With TensorFlow, in this process.
        jax: With JAX, in a process without TensorFlow, Kedro and pandera: ``one_device``,
            ``two_devices``, and predictions of its own models and of TensorFlow's.
        messages: What the latter wrote to standard error.
    """

    tensorflow: Path
    jax: Path
    messages: str


@pytest.fixture(scope="session")
def trained(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train a classifier and a segmenter with both backends."""
    output = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        standalone.use_same_initial_weights(patch.setattr)
        for kind in (standalone.CLASSIFIER, standalone.SEGMENTER):
            assert standalone.train(tables, output / "tensorflow", *kind) == 0
    (output / "jax").mkdir()
    folders = [tables, output / "tensorflow", output / "jax"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.standalone", *map(str, folders)],
        cwd=ROOT,
        env=os.environ
        | {
            "KERAS_BACKEND": "jax",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Trained(output / "tensorflow", output / "jax", done.stderr)
