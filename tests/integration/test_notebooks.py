"""The notebooks, from top to bottom, on the smallest run."""

from pathlib import Path

import nbformat
import pytest
from tests.support.notebooks import NOTEBOOKS, outputs_of, pictures, printed
from tests.support.projects import Project


def test_there_are_notebooks_to_run() -> None:
    assert len(NOTEBOOKS) >= 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_committed_without_outputs(path: Path) -> None:
    cells = nbformat.read(path, 4).cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, small_run: Project) -> None:
    shown = outputs_of(path, small_run)
    assert pictures(shown) or path.stem != "explore_data"


def test_it_says_what_to_give_where_the_pictures_lie_elsewhere(
    small_run: Project, tmp_path: Path
) -> None:
    [path] = [path for path in NOTEBOOKS if path.stem == "explore_data"]
    shown = outputs_of(path, small_run, f"--params=raw_dir={tmp_path}")
    assert "give --params=raw_dir=PATH" in printed(shown)
    assert not pictures(shown)
