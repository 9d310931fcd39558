"""Synthetic sheets, drawn once for all tests that several folders share."""

import pytest

from steel_defects.data.config import SampleDataConfig
from steel_defects.data.synthetic import SyntheticSheet, draw_sheet


@pytest.fixture(scope="session")
def synthetic_sheets() -> list[SyntheticSheet]:
    config = SampleDataConfig(seed=11, sheets=120, new_sheets=1)
    return [draw_sheet(config, index) for index in range(120)]
