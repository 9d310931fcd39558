"""``kedro run`` answers a mistake with one line and exit code 1."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """A copy of the configuration whose test environment has an empty data folder."""
    conf = tmp_path / "conf"
    shutil.copytree(ROOT / "conf", conf, ignore=shutil.ignore_patterns("local"))
    (conf / "local").mkdir()
    path = conf / "test" / "globals.yml"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("data_root:")]
    path.write_text("\n".join([f"data_root: {tmp_path / 'data'}", *lines]) + "\n")
    return conf


def run(conf: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kedro", "run", f"--conf-source={conf}", *options]
    silent = {"DO_NOT_TRACK": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | silent, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--params", "classification.epochs=-1"], ["classification", "epochs", "greater than 0"]),
        (["--params", "clasification.epochs=5"], ["no parameter clasification", "classification?"]),
        (
            ["--pipelines=inspection", "--params", "positions.pattern=(?P<coil>.)"],
            ["positions", "no group may be named coil"],
        ),
        (["--pipelines=segmentation"], ["missing", "--pipelines=data_engineering"]),
        (["--pipelines=data_engineering"], ["raw_annotations", "train.csv"]),
        (["--pipelines=inspection"], ["inspection_package", "models_dir=PATH"]),
        (
            ["--pipelines=inspection", "--runner=ThreadRunner", "--params=inspection.follow=true"],
            ["inspection.follow", "needs the SequentialRunner", "without --runner"],
        ),
        (
            ["--pipelines=inspection", "--params=inspection.follow=true"],
            ["inspection_package is missing"],
        ),
        (["--pipelines=segmentatoin"], ["segmentatoin"]),
        (["--env=absent"], ["absent"]),
    ],
    ids=lambda value: value[-1] if value[0].startswith("--") else None,
)
def test_a_mistake_is_answered_in_one_line(conf, options, words):
    env = [] if any(o.startswith("--env") for o in options) else ["--env=test"]
    found = run(conf, *env, *options)
    assert found.returncode == 1
    lines = found.stderr.splitlines()
    assert len(lines) == 1, found.stderr
    assert lines[0].startswith("Error: ")
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in found.stdout + found.stderr
    assert not (conf.parent / "data").exists()


def test_traceback_on_request(conf):
    found = run(conf, "--env=test", "--pipelines=segmentation", "--traceback")
    assert found.returncode == 1
    assert "Traceback" in found.stdout + found.stderr
    assert "SteelDefectsError" in found.stdout + found.stderr
