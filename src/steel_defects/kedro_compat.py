"""What Kedro keeps to itself and this project needs: the only module that reads private names."""

import logging
import re
from collections.abc import Callable
from logging import LogRecord
from pathlib import Path
from typing import Any, TypeGuard

from kedro.framework.cli import utils
from kedro.framework.context import KedroContext
from kedro.io import AbstractVersionedDataset, Version, core
from kedro.io.core import VALIDATOR_KEY

#: Reads the text of ``--params``; takes click's context, option and text.
split_params: Callable[..., Any] = utils._split_params


def runtime_parameters(context: KedroContext) -> dict[str, Any]:
    """Return the parameters that ``--params``, or a session's caller, gave."""
    return context._runtime_params or {}


def filepath_of(dataset: Any) -> Path | None:
    """Return the file or folder of a dataset, without its version; None where it has none."""
    path = getattr(dataset, "_filepath", None)
    return None if path is None else Path(path)


def is_versioned(dataset: Any) -> TypeGuard[AbstractVersionedDataset[Any, Any]]:
    """Tell whether each run saves a version of the dataset."""
    return isinstance(dataset, AbstractVersionedDataset) and dataset._version is not None


def load_what_was_saved(dataset: AbstractVersionedDataset[Any, Any]) -> None:
    """Let a dataset load the version that this run saves, though another run saves a later one."""
    version = dataset.resolve_save_version()
    dataset._version = Version(version, version)


def without_notes_on_validators() -> None:
    """Keep Kedro from warning of each validator of a pattern when it looks up a dataset's type.

    It hands the catalog's whole entry to the code that makes datasets, which then warns that the
    validator is not for it; the validator itself is in force.
    """

    def is_news(record: LogRecord) -> bool:
        return record.args != (VALIDATOR_KEY,)

    logging.getLogger(core.__name__).addFilter(is_news)


def resume_argument(record: LogRecord) -> str | None:
    """Return ``--from-nodes "..."`` from the advice that a runner logs after an error.

    Returns:
        Empty where no node has run; None where the record is something else.
    """
    if not record.name.startswith("kedro.runner") or record.levelname != "WARNING":
        return None
    argument = re.search(r'--from-nodes ".*"', record.getMessage())
    return argument[0] if argument else ""
