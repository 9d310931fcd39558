"""The reference pages of the documentation, generated from the code and ``conf/base``."""

from pathlib import Path

from tools.reference.datasets import datasets_page
from tools.reference.parameters import parameters_page
from tools.reference.pipelines import pipelines_page

ROOT = Path(__file__).parents[2]
#: Where the pages are committed.
FOLDER = ROOT / "docs" / "reference"


def pages() -> dict[str, str]:
    """Return the text of each page by the name of its file."""
    return {
        "pipelines.md": pipelines_page(),
        "datasets.md": datasets_page(ROOT / "conf"),
        "parameters.md": parameters_page(ROOT / "conf"),
    }
