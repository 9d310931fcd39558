"""Finds and outlines defects on steel sheets."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from steel_defects.environment import prepare

if TYPE_CHECKING:
    from kedro.io import DataCatalog

__version__ = "0.1.0"

prepare()


def load_catalog(
    project: str | Path = ".", env: str | None = None, **parameters: Any
) -> "DataCatalog":
    """Return the catalog of a project, for scripts and notebooks without ``kedro ipython``.

    Args:
        project: Folder that holds ``conf``.
        env: Environment, such as ``demo``; ``local`` by default.
        parameters: What ``--params`` takes, such as ``raw_dir``.

    Returns:
        Datasets by name, such as ``load_catalog(env="demo").load("sheets")``.

    Raises:
        SteelDefectsError: The folder holds no ``conf``, or a parameter is unknown.
    """
    from steel_defects.catalog import read_catalog

    return read_catalog(Path(project), env, parameters)
