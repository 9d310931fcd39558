"""The notebooks, run from top to bottom on a project of a test."""

from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from tests.support.projects import ROOT, Project

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def outputs_of(path: Path, project: Project, options: str = "") -> list[dict[str, Any]]:
    """Run a notebook with the environment of a project; returns what its cells showed."""
    book = nbformat.read(path, 4)
    asked = f"--env={project.environment} --conf-source={project.conf} {options}"
    assert sum("--env=demo" in cell.source for cell in book.cells if cell.cell_type == "code") == 1
    for cell in book.cells:
        cell.source = cell.source.replace("--env=demo", asked)
    place = {"metadata": {"path": str(path.parent)}}
    NotebookClient(book, timeout=300, resources=place).execute()
    return [output for cell in book.cells for output in cell.get("outputs", ())]


def pictures(outputs: list[dict[str, Any]]) -> int:
    """Count the pictures of sheets among what was shown."""
    return sum("image/jpeg" in output.get("data", {}) for output in outputs)


def printed(outputs: list[dict[str, Any]]) -> str:
    """Join the text that was printed."""
    return "".join(output.get("text", "") for output in outputs)
