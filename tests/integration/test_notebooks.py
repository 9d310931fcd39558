"""The notebooks, from top to bottom, on the smallest run."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from tests.support.projects import ROOT, Project

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks_to_run() -> None:
    assert len(NOTEBOOKS) >= 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_committed_without_outputs(path: Path) -> None:
    cells = nbformat.read(path, 4).cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, runs: list[Project]) -> None:
    book = nbformat.read(path, 4)
    env = f"--env=test --conf-source={runs[0].conf}"
    assert sum("--env=demo" in cell.source for cell in book.cells if cell.cell_type == "code") == 1
    for cell in book.cells:
        cell.source = cell.source.replace("--env=demo", env)
    place = {"metadata": {"path": str(path.parent)}}
    NotebookClient(book, timeout=300, resources=place).execute()
    shown = [output for cell in book.cells for output in cell.get("outputs", ())]
    assert any("image/jpeg" in output.get("data", {}) for output in shown) or path.stem != (
        "explore_data"
    )
