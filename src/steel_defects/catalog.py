"""The catalog without a run, for scripts and notebooks."""

import logging
from pathlib import Path
from typing import Any

from kedro.framework.project import configure_project
from kedro.framework.session import KedroSession
from kedro.io import DataCatalog

from steel_defects.errors import SteelDefectsError


def read_catalog(project: Path, env: str | None, parameters: dict[str, Any]) -> DataCatalog:
    """Return the catalog of a project; see :func:`steel_defects.load_catalog`."""
    folder = project.expanduser().resolve()
    if not (folder / "conf" / "base").is_dir():
        raise SteelDefectsError(f"{folder} is no project: it holds no conf/base; name its folder")
    if env and not (folder / "conf" / env).is_dir():
        there = sorted(path.name for path in (folder / "conf").iterdir() if path.is_dir())
        raise SteelDefectsError(f"there is no environment {env}; there are {', '.join(there)}")
    configure_project("steel_defects")
    # Kedro would tell of each dataset that is loaded, among what a script prints.
    logging.getLogger("kedro.io.data_catalog").setLevel(logging.WARNING)
    with KedroSession.create(folder, env=env, runtime_params=parameters) as session:
        catalog: DataCatalog = session.load_context().catalog  # type: ignore[attr-defined]
        return catalog
