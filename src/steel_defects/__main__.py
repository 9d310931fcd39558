"""Runs the project as ``python -m steel_defects``, from a checkout or an installed wheel."""

import sys
from pathlib import Path
from typing import Any

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project


def main(*args: Any, **options: Any) -> Any:
    """Run pipelines with the command line's options."""
    package_name = Path(__file__).parent.name
    configure_project(package_name)
    interactive = hasattr(sys, "ps1")
    options["standalone_mode"] = not interactive
    return find_run_command(package_name)(*args, **options)


if __name__ == "__main__":
    main()
