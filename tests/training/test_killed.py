"""A training that is killed in the middle of an epoch, and started again."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.support import standalone

from steel_defects.models.files import load_model
from steel_defects.training import checkpoints

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

#: Three epochs of three steps, of the whole network; the head has dropout, as in conf/base.
TRAINING = (
    *standalone.CLASSIFIER,
    *("--set", "classification.input_size=[32, 64]"),
    *("--set", "classification.epochs=3"),
    *("--set", "classification.learning_rate=0.001"),
    *("--set", 'classification.head={"units": [16], "dropout": 0.3}'),
    *("--set", "classification.mask_loss_weight=1.0"),
    *("--set", "classification.deterministic=true"),
)
KILLED = """
import os, signal, sys
from pathlib import Path
import keras
from tests.support import standalone

train_on_batch, steps = keras.Model.train_on_batch, []

def counted(self, *arguments, **options):
    logs = train_on_batch(self, *arguments, **options)
    steps.append(logs)
    if len(steps) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return logs

keras.Model.train_on_batch = counted
folder, output = map(Path, sys.argv[1:3])
status = standalone.train(folder, output, *sys.argv[4:])
print("steps", len(steps))
sys.exit(status)
"""


def start(folder: Path, output: Path, killed_at: int) -> subprocess.Popen[str]:
    """Train in a process of its own that ends with its so many-th step, or else by itself."""
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder), str(output), str(killed_at), *TRAINING],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def steps_of(training: subprocess.Popen[str]) -> int:
    output, errors = training.communicate(timeout=600)
    assert training.returncode == 0, errors[-3000:]
    return int(output.split()[-1])


def test_a_killed_training_ends_in_the_same_weights(tables: Path, tmp_path: Path) -> None:
    whole = start(tables, tmp_path / "whole", 0)
    killed = start(tables, tmp_path / "killed", 5)
    killed.communicate(timeout=600)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "06_models").exists()
    assert steps_of(whole) == 9
    # One epoch was done, and the second was in its second step.
    assert steps_of(start(tables, tmp_path / "killed", 0)) == 6
    first, second = (
        load_model(standalone.latest(tmp_path / name, "mobilenet_v2.classifier.keras"))
        for name in ("whole", "killed")
    )
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not list(tmp_path.glob("*/05_model_input/checkpoints/**/*.npz"))


@pytest.fixture(scope="module")
def left(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a segmenter's training, with its checkpoint still there."""
    output = tmp_path_factory.mktemp("left")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints.Checkpoint, "remove", lambda self: None)
        assert standalone.train(tables, output, *standalone.SEGMENTER) == 0
    return output


def answer(tables: Path, output: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert standalone.train(tables, output, *standalone.SEGMENTER, *more) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line[:6] == "Error:"]
    return line


REFUSED = "unet.npz was left by a training with other data, parameters or code"


def test_other_parameters_are_refused(
    tables: Path, left: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert REFUSED in answer(tables, left, capsys, "--set", "segmentation.learning_rate=0.002")


def test_other_data_are_refused(
    tables: Path, left: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in tables.glob("*.parquet"):
        shutil.copy(path, tmp_path)
    (tmp_path / "train_images").symlink_to(tables / "train_images")
    (tmp_path / "08_reporting").symlink_to(tables / "08_reporting")
    annotations = pd.read_parquet(tables / "annotations.parquet")
    annotations["rle"] = [f"1 {number + 1}" for number in range(len(annotations))]
    annotations.to_parquet(tmp_path / "annotations.parquet")
    assert REFUSED in answer(tmp_path, left, capsys)


def test_other_code_is_refused(
    tables: Path,
    left: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checkpoints, "_code_digest", lambda: "of another version")
    assert REFUSED in answer(tables, left, capsys)


def test_the_same_training_is_not_refused(tables: Path, left: Path) -> None:
    assert standalone.train(tables, left, *standalone.SEGMENTER) == 0
