"""The record of every run: what it was made of and how it ended."""

import json
import logging
import os
import platform
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Node
from pydantic import BaseModel

from steel_defects.errors import Stopped
from steel_defects.files import replaced
from steel_defects.kedro_compat import filepath_of
from steel_defects.threads import core_count

logger = logging.getLogger(__name__)

#: Written by a hook at the start of each run, so that it is never missing.
RUN_RECORD = "run_record"

#: What a record can do without.
_LARGEST = ("parameters", "metrics")
#: What people open after a run.
_MAIN = ("report", "labelling_job", "proposed_parameters")

_LIBRARIES = ("steel_defects", "kedro", "keras", "tensorflow", "jax", "numpy", "pandas")


class RunRecordHooks:
    """Writes down what each run was made of and how it ended: ``run.json``."""

    def __init__(self) -> None:
        """Begin without a run."""
        self._records: dict[str, dict[str, Any]] = {}
        self._made: dict[str, set[str]] = {}

    @hook_impl(trylast=True)
    def before_pipeline_run(self, run_params: dict[str, Any], catalog: DataCatalog) -> None:
        """Write the record at the start, so that the report can show it."""
        record = {
            "run_id": run_params["run_id"],
            "environment": run_params["env"] or "local",
            "pipelines": run_params["pipeline_names"] or ["__default__"],
            "namespaces": run_params["namespaces"],
            "runtime_params": run_params["runtime_params"],
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "status": "running",
            "git_revision": _git_revision(run_params["project_path"]),
            "versions": _versions(),
            "cores": core_count(),
            "parameters": json.loads(json.dumps(catalog.load("parameters"), default=as_json)),
        }
        _write(record, catalog)
        self._records[run_params["run_id"]] = record
        self._made[run_params["run_id"]] = set()
        if core_count() < (os.cpu_count() or 1):
            logger.info(
                "works on %d of %d cores: affinity or CPU quota", core_count(), os.cpu_count()
            )

    @hook_impl
    def after_node_run(self, node: Node, run_id: str) -> None:
        """Note what the run makes."""
        self._made[run_id].update(node.outputs)

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], catalog: DataCatalog) -> None:
        """Add what the data were, what this run reached, and that it went well."""
        record = self._records.pop(run_params["run_id"])
        made = self._made.pop(run_params["run_id"])
        results = {
            "data_fingerprint": _data_fingerprint(catalog),
            "made": sorted(made),
            "metrics": _metrics(made, catalog),
        }
        _write(record | results | _ended("finished"), catalog)
        if made and "inspection_page" not in made:  # which says so itself
            main = next((filepath_of(catalog[name]) for name in _MAIN if name in made), None)
            logger.info("results in %s", main or path_of_record(catalog).parents[1])

    @hook_impl
    def on_pipeline_error(
        self, error: Exception, run_params: dict[str, Any], catalog: DataCatalog
    ) -> None:
        """Add why the run ended."""
        self._made.pop(run_params["run_id"], None)
        if record := self._records.pop(run_params["run_id"], None):
            reason = {"error": str(error).splitlines()[0] if str(error) else repr(error)}
            status = "stopped" if isinstance(error, Stopped) else "failed"
            with suppress(OSError):  # of a full disk; it must not hide the error itself
                _write(record | reason | _ended(status), catalog)


def _ended(status: str) -> dict[str, str]:
    return {"status": status, "finished_at": datetime.now(UTC).isoformat(timespec="seconds")}


def _write(record: dict[str, Any], catalog: DataCatalog) -> None:
    # Versioned: each run keeps a record of its own, under the stamp of what it made.
    latest = path_of_record(catalog)
    for path in (latest.parent / "runs" / f"{record['run_id']}.json", latest):
        try:
            with replaced(path) as temporary:
                temporary.write_text(_json(record), encoding="utf-8")
        except OSError:
            if not path.exists():
                raise
            # The disk is full. Without the parameters the record fits where the old one is.
            _overwrite(path, _json({k: v for k, v in record.items() if k not in _LARGEST}))


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, indent=2, default=str) + "\n"


def _overwrite(path: Path, text: str) -> None:
    """Write a shorter text into the blocks that a file has on the disk."""
    with path.open("r+", encoding="utf-8") as file:
        file.write(text)
        file.truncate()


def path_of_record(catalog: DataCatalog) -> Path:
    """Return the file of the latest run's record."""
    path = filepath_of(catalog[RUN_RECORD])
    assert path is not None  # noqa: S101 (the catalog names a file)
    return path


def as_json(value: object) -> object:
    """Kedro hands out parameters as the models that their nodes ask for."""
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)


def _metrics(made: set[str], catalog: DataCatalog) -> dict[str, Any]:
    metrics: dict[str, Any] = {}
    for name in ("classification_comparison", "segmentation_comparison"):
        if name in made:
            table = catalog.load(name).astype(object)
            metrics[name] = table.where(table.notna(), None).to_dict("records")
    return metrics


def _data_fingerprint(catalog: DataCatalog) -> str | None:
    if not catalog.exists("sheets"):
        return None
    digests = "".join(sorted(catalog.load("sheets")["sha256"]))
    return sha256(digests.encode()).hexdigest()


def _git_revision(project: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=project, capture_output=True, encoding="utf-8", timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions
