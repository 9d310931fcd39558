"""Fixtures that several folders of tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real pictures and masks, where this machine has one."""
    default = Path(__file__).parents[1].parent / "shared"
    folder = Path(os.environ.get("STEEL_DEFECTS_REAL_DATA", default)) / "data"
    if not (folder / "severstal").is_dir():
        pytest.skip("no real sheets here; STEEL_DEFECTS_REAL_DATA names the folder that has data/")
    return folder
