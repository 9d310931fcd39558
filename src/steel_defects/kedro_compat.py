"""What Kedro keeps to itself and this project needs: the only module that reads private names."""

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeGuard

from kedro.framework.cli import utils
from kedro.framework.context import KedroContext
from kedro.io import AbstractVersionedDataset, DataCatalog, Version
from kedro.io.core import VALIDATOR_KEY
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner

from steel_defects.errors import Stopped

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


def file_of(dataset: Any) -> Path | None:
    """Return the file or folder that a dataset loads now; of a versioned one, its newest version.

    Returns:
        None where it has no path, or no version yet.
    """
    path = filepath_of(dataset)
    if path is None or not is_versioned(dataset):
        return path
    version = dataset._version.load  # type: ignore[union-attr]
    versions = (
        [version] if version else sorted(file.parent.name for file in path.glob(f"*/{path.name}"))
    )
    return path / versions[-1] / path.name if versions else None


def load_what_was_saved(dataset: AbstractVersionedDataset[Any, Any]) -> None:
    """Let a dataset load the version that this run saves, though another run saves a later one."""
    version = dataset.resolve_save_version()
    dataset._version = Version(version, version)


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out that a validator is not for the code that makes datasets: it is in force.

    Kedro says so of each pattern with a validator whose type it looks up.
    """
    return record.args != (VALIDATOR_KEY,)


logging.getLogger("kedro.io.core").addFilter(_is_news)


class _OneLinePerNode(logging.Filter):
    """Joins the two lines that Kedro logs of a node, and leaves out its advice on threads."""

    _node = ""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.msg == "Completed node: %s":
            self._node = str(record.args[0]) if isinstance(record.args, tuple) else ""
        elif record.msg == "Completed %d out of %d tasks":
            record.msg = f"{self._node} is done, %d of %d"
        return not record.msg.startswith(("Completed node", "Using synchronous mode"))


_RUNNER_LOG = logging.getLogger("kedro.runner")
_RUNNER_LOG.addFilter(_OneLinePerNode())


class FilteringRunner(SequentialRunner):
    """Runs, with ``only_missing_outputs``, the nodes that :meth:`needed` names.

    Ctrl-C ends it as an error does, so that hooks hear of it.
    """

    _logger = _RUNNER_LOG

    def __str__(self) -> str:
        # kedro-viz shows runs of Kedro's sequential runner, which it knows by this text.
        return f"{type(self).__name__}, a kedro.runner.sequential_runner.SequentialRunner object"

    def run(self, *args: Any, **options: Any) -> Any:
        """Run a pipeline.

        Raises:
            Stopped: The user pressed Ctrl-C.
        """
        try:
            return super().run(*args, **options)
        except KeyboardInterrupt as error:
            raise Stopped("stopped") from error

    def needed(self, pipeline: Pipeline, catalog: DataCatalog) -> set[str]:
        """Name the nodes that have to run."""
        raise NotImplementedError

    def _filter_pipeline_for_missing_outputs(self, pipeline: Pipeline, catalog: Any) -> Pipeline:
        names = self.needed(pipeline, catalog)
        return pipeline.filter(node_names=names) if names else Pipeline([])


def resume_argument(record: logging.LogRecord) -> str | None:
    """Return ``--from-nodes "..."`` from the advice that a runner logs after an error.

    Returns:
        Empty where no node has run; None where the record is something else.
    """
    if not record.name.startswith("kedro.runner") or record.levelname != "WARNING":
        return None
    argument = re.search(r'--from-nodes ".*"', record.getMessage())
    return argument[0] if argument else ""
