"""Whole runs of the project, each in a data folder of its own."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog

ROOT = Path(__file__).parents[2]


class Project:
    """The project with one environment's data kept apart."""

    def __init__(self, environment: str, folder: Path, backbones: str | None = None) -> None:
        """Copy the configuration and point the environment's data into the folder.

        Args:
            environment: Its name.
            folder: Where the copy and the data go; a configuration that is there stays.
            backbones: Chosen in the configuration, instead of the environment's own.
        """
        self.environment, self.data = environment, folder / "data"
        self.conf = folder / "conf"
        if self.conf.exists():
            return
        shutil.copytree(ROOT / "conf", self.conf)
        globals_file = self.conf / environment / "globals.yml"
        text = globals_file.read_text(encoding="utf-8").replace(
            f"data_root: data/{environment}", f"data_root: {self.data}"
        )
        globals_file.write_text(text, encoding="utf-8")
        if backbones is not None:
            with (self.conf / environment / "parameters.yml").open("a", encoding="utf-8") as file:
                file.write(f"\nbackbones: [{backbones}]\n")

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Call ``kedro run``."""
        command = [sys.executable, "-m", "kedro", "run", f"--env={self.environment}"]
        return subprocess.run(
            [*command, f"--conf-source={self.conf}", *options],
            cwd=ROOT,
            capture_output=True,
            check=False,
            text=True,
            env={**os.environ, "DO_NOT_TRACK": "1", "KEDRO_DISABLE_TELEMETRY": "1"},
        )

    def must_run(self, *options: str) -> None:
        """Call ``kedro run`` and fail with its output unless it succeeds."""
        done = self.run(*options)
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"

    @property
    def catalog(self) -> DataCatalog:
        """The environment's catalog."""
        bootstrap_project(ROOT)
        with KedroSession.create(ROOT, env=self.environment, conf_source=str(self.conf)) as session:
            return session.load_context().catalog


@pytest.fixture(scope="session")
def make_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Project]:
    """Return a function that sets up an environment of the project."""
    return lambda environment: Project(environment, tmp_path_factory.mktemp(environment))


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of pytest-xdist see."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@contextmanager
def made_once(folder: Path) -> Iterator[bool]:
    """Tell whether the block has to make what is in a folder; other workers wait meanwhile."""
    done = folder / "done"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not done.exists()
        done.touch()


def _run_everything(project: Project) -> None:
    project.must_run("--pipelines=sample_data")
    # As in a folder of one's own sheets, where no earlier run has left its record.
    (project.data / "08_reporting" / "run.json").unlink()
    project.must_run()


@pytest.fixture(scope="session")
def runs(shared_folder: Path) -> list[Project]:
    """Two complete runs, each in a folder of its own; tests leave them as they are."""
    folder = shared_folder / "runs"
    with made_once(folder) as to_make:
        projects = [Project("test", folder / name) for name in ("first", "second")]
        if to_make:
            # Beside each other: half of a small run is start-up, on one core.
            with ThreadPoolExecutor(len(projects)) as pool:
                list(pool.map(_run_everything, projects))
            projects[0].must_run("--pipelines=inspection")
    return projects


#: The quickest to build, load and train.
_ONE_BACKBONE = "mobilenet_v2"


@pytest.fixture(scope="session")
def small_run(shared_folder: Path) -> Project:
    """A complete run with one backbone; tests leave it as it is."""
    folder = shared_folder / "small_run"
    with made_once(folder) as to_make:
        project = Project("test", folder, _ONE_BACKBONE)
        if to_make:
            _run_everything(project)
            project.must_run("--pipelines=inspection")
    return project


@pytest.fixture
def copied_run(small_run: Project, tmp_path: Path) -> Project:
    """A complete run with one backbone that a test may change."""
    project = Project("test", tmp_path / "copied", _ONE_BACKBONE)
    shutil.copytree(small_run.data, project.data)
    return project
