"""The record of every run: what it was made of and how it ended."""

import json
import logging
import os
import platform
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from pydantic import BaseModel

from steel_defects.files import replaced
from steel_defects.threads import core_count

logger = logging.getLogger(__name__)

#: Written by a hook at the start of each run, so that it is never missing.
RUN_RECORD = "run_record"

#: What a record can do without.
_LARGEST = ("parameters", "metrics")

_LIBRARIES = ("steel_defects", "kedro", "keras", "tensorflow", "jax", "numpy", "pandas")


class RunRecordHooks:
    """Writes down what each run was made of and how it ended: ``run.json``."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep the parameters, which later hooks do not get."""
        self._parameters = context.params
        self._project = context.project_path

    @hook_impl(trylast=True)
    def before_pipeline_run(self, run_params: dict[str, Any], catalog: DataCatalog) -> None:
        """Write the record at the start, so that the report can show it."""
        self._record = {
            "run_id": run_params["run_id"],
            "environment": run_params["env"] or "local",
            "pipelines": run_params["pipeline_names"] or ["__default__"],
            "namespaces": run_params["namespaces"],
            "runtime_params": run_params["runtime_params"],
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "status": "running",
            "git_revision": _git_revision(self._project),
            "versions": _versions(),
            "cores": core_count(),
            "parameters": json.loads(json.dumps(self._parameters, default=_as_json)),
        }
        self._write(catalog)
        if core_count() < (os.cpu_count() or 1):
            logger.info(
                "works on %d of %d cores: affinity or CPU quota", core_count(), os.cpu_count()
            )

    @hook_impl
    def after_pipeline_run(self, catalog: DataCatalog) -> None:
        """Add what the data were, what was reached, and that it went well."""
        self._record |= {
            "data_fingerprint": _data_fingerprint(catalog),
            "metrics": _metrics(catalog),
        }
        self._finish(catalog, "finished")

    @hook_impl
    def on_pipeline_error(self, error: Exception, catalog: DataCatalog) -> None:
        """Add why the run ended."""
        if hasattr(self, "_record"):
            self._record["error"] = str(error).splitlines()[0] if str(error) else repr(error)
            with suppress(OSError):  # of a full disk; it must not hide the error itself
                self._finish(catalog, "failed")

    def _finish(self, catalog: DataCatalog, status: str) -> None:
        self._record |= {
            "status": status,
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._write(catalog)

    def _write(self, catalog: DataCatalog) -> None:
        # Versioned: each run keeps a record of its own, under the stamp of what it made.
        latest = path_of_record(catalog)
        for path in (latest.parent / "runs" / f"{self._record['run_id']}.json", latest):
            try:
                with replaced(path) as temporary:
                    temporary.write_text(_json(self._record), encoding="utf-8")
            except OSError:
                if not path.exists():
                    raise
                # The disk is full. Without the parameters the record fits where the old one is.
                record = {k: v for k, v in self._record.items() if k not in _LARGEST}
                _overwrite(path, _json(record))


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, indent=2, default=str) + "\n"


def _overwrite(path: Path, text: str) -> None:
    """Write a shorter text into the blocks that a file has on the disk."""
    with path.open("r+", encoding="utf-8") as file:
        file.write(text)
        file.truncate()


def path_of_record(catalog: DataCatalog) -> Path:
    """Return the file of the latest run's record."""
    return Path(str(catalog[RUN_RECORD]._describe()["filepath"]))


def _as_json(value: object) -> object:
    """Kedro hands out parameters as the models that their nodes ask for."""
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)


def _metrics(catalog: DataCatalog) -> dict[str, Any]:
    found = {}
    for name in ("classification_comparison", "segmentation_comparison"):
        if catalog.exists(name):
            table = catalog.load(name).astype(object)
            found[name] = table.where(table.notna(), None).to_dict("records")
    return found


def _data_fingerprint(catalog: DataCatalog) -> str | None:
    if not catalog.exists("sheets"):
        return None
    from hashlib import sha256

    digests = "".join(sorted(catalog.load("sheets")["sha256"]))
    return sha256(digests.encode()).hexdigest()


def _git_revision(project: Path) -> str | None:
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=project, capture_output=True, encoding="utf-8", timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
