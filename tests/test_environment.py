"""What a machine is set to, or lacks, changes nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SHOW = """
import os
import steel_defects
import keras
import tensorflow
tensorflow.config.list_physical_devices("GPU")
layer = keras.layers.Conv2D(2, 3)
layer.build((None, 8, 9, 1))
print(keras.config.backend(), layer.dtype_policy.name, layer.data_format)
print(os.environ["HOME"])
"""
#: Python runs this at its start: the user is in no list of users.
UNKNOWN_USER = """
import pwd
def unknown(uid):
    raise KeyError(uid)
pwd.getpwuid = unknown
"""
CHECK = "from steel_defects.environment import check_backend; check_backend()"


def run(folder: Path, code: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run Python in an empty environment."""
    path = os.pathsep.join([str(folder), str(ROOT / "src")])
    return subprocess.run(
        [sys.executable, "-c", code], env={"PATH": os.environ["PATH"], "PYTHONPATH": path,
        **settings}, cwd=folder, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.mark.slow
def test_the_user_s_keras_json_changes_nothing(tmp_path: Path) -> None:
    settings = {"backend": "torch", "floatx": "float16", "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(settings), encoding="utf-8")
    done = run(tmp_path, SHOW, KERAS_HOME=str(tmp_path), HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "tensorflow float32 channels_last"
    assert "cuInit" not in done.stderr


@pytest.mark.slow
def test_a_user_without_a_home_directory(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(UNKNOWN_USER, encoding="utf-8")
    done = run(tmp_path, SHOW)
    assert done.returncode == 0, done.stderr
    assert not Path(done.stdout.splitlines()[1]).exists()
    assert not (tmp_path / "~").exists()


def test_an_unsupported_backend_is_refused_in_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, CHECK, KERAS_BACKEND="torch", HOME=str(tmp_path))
    line = done.stderr.splitlines()[-1]
    assert line.endswith("KERAS_BACKEND=torch is not supported; set it to tensorflow or jax")
    assert run(tmp_path, CHECK, KERAS_BACKEND="jax", HOME=str(tmp_path)).returncode == 0
