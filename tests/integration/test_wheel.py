"""The project as an installed wheel, in a folder that holds its configuration and nothing else."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.support.projects import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pip would install; the libraries are those of the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--wheel-dir", folder, source],
        check=True, capture_output=True,
    )  # fmt: skip
    [wheel] = folder.glob("steel_defects-*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_it_runs_elsewhere_and_warns_of_nothing(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    logging_file = tmp_path / "conf" / "logging.yml"
    text = logging_file.read_text(encoding="utf-8")
    logging_file.write_text(text.replace("%(asctime)s ", "%(levelname)s"), encoding="utf-8")
    script = "from steel_defects.__main__ import main; main()"  # of the command steel-defects
    done = subprocess.run(
        [sys.executable, "-c", script, "--env=test", "--pipelines=sample_data"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(installed), "DO_NOT_TRACK": "1"},
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "INFO" in said and "WARN" not in said
    assert len(list((tmp_path / "data" / "test" / "01_raw" / "train_images").glob("*.jpg"))) == 24
