"""Fixtures that several folders of tests share."""

import logging
import os
from pathlib import Path

import pytest
from hypothesis import settings
from kedro.framework.startup import bootstrap_project

ROOT = Path(__file__).parents[1]

pytest_plugins = [
    "tests.support.data",
    "tests.support.packages",
    "tests.support.projects",
    "tests.support.sheets",
]

# Before any test module imports TensorFlow. Kedro sets up logging once and closes the handlers it
# finds; absl's, which TensorFlow brings, would take pytest's captured stderr with it.
bootstrap_project(ROOT)

# No test is timed: on a busy machine an example may take long.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def log_is_heard() -> None:
    """Undo what commands that ran in this process did to the loggers."""
    logging.disable(logging.NOTSET)
    for package in ("steel_defects", "kedro"):
        logging.getLogger(package).setLevel(logging.INFO)
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] == "steel_defects":
            logger = logging.getLogger(name)
            logger.disabled, logger.propagate = False, True


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real pictures and masks, where this machine has one."""
    default = ROOT.parent / "shared"
    folder = Path(os.environ.get("STEEL_DEFECTS_REAL_DATA", default)) / "data"
    if not (folder / "severstal").is_dir():
        pytest.skip("no real sheets here; STEEL_DEFECTS_REAL_DATA names the folder that has data/")
    return folder
