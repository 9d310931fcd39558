"""What each node read and made: tells a later run what is still up to date.

A node is up to date while its parameters, the files that it read and the files that it made are
the same. Files are compared by size and time of change, as ``make`` does.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from kedro.io import DataCatalog
from kedro.pipeline import Node
from pydantic import Field, ValidationError

from steel_defects.config import Record
from steel_defects.files import replaced
from steel_defects.kedro_compat import file_of, is_versioned
from steel_defects.run_record import RUN_RECORD, as_json, path_of_record

# They hold what earlier runs left: it spares time, and changes no result.
_HISTORY = ("trained_models", "checkpoints", "inspection_jobs", RUN_RECORD)
#: Folder in the data root with the newest version of each table.
NEWEST = "newest"


class NodeRecord(Record):
    """What a node read and made: each name with the state that it had."""

    parameters: dict[str, str] = Field(default_factory=dict)
    inputs: dict[str, str | None] = Field(default_factory=dict)
    outputs: dict[str, str | None] = Field(default_factory=dict)

    def changed(self, other: "NodeRecord") -> list[str]:
        """Name what differs; outputs that are not there are another matter."""
        return sorted(
            name.removeprefix("params:")
            for before, now in (
                (self.parameters, other.parameters),
                (self.inputs, other.inputs),
                (self.outputs, other.outputs),
            )
            for name in before.keys() | now.keys()
            if before.get(name) != now.get(name)
        )


class NodeRecords:
    """The records of all nodes, in the data root of a catalog."""

    def __init__(self, catalog: DataCatalog) -> None:
        self._catalog = catalog
        self._folder = path_of_record(catalog).parents[1] / ".nodes"
        #: States of files that no node of a run makes: looked at once, for folders may be large.
        self.state_of_source = cache(self._state)

    def now(self, node: Node, made: Iterable[str] = ()) -> NodeRecord:
        """Look at what a node reads and made; ``made`` names what nodes of the run make."""
        parameters = [name for name in node.inputs if _is_parameter(name)]
        inputs = [name for name in node.inputs if not (_is_parameter(name) or _is_history(name))]
        return NodeRecord(
            parameters={name: _digest(self._catalog.load(name)) for name in parameters},
            inputs={
                name: self._state(name) if name in made else self.state_of_source(name)
                for name in inputs
            },
            outputs={name: self._state(name) for name in node.outputs},
        )

    def load(self, node: Node) -> NodeRecord | None:
        """Read the record of a node; None where it never ran, or nobody can tell."""
        try:
            text = self._path(node).read_text(encoding="utf-8")
            return NodeRecord.model_validate_json(text)
        except (OSError, ValidationError):
            return None

    def save(self, node: Node, record: NodeRecord) -> None:
        """Write the record of a node."""
        path = self._path(node)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path) as temporary:
            temporary.write_text(record.model_dump_json(indent=2), encoding="utf-8")

    def offer_newest(self, node: Node) -> None:
        """Let the newest version of each table lie at a path of its own, for other tools.

        Of a folder of versions, DuckDB, Polars and pandas read all versions as one table.
        """
        for dataset in map(self._catalog.__getitem__, node.outputs):
            file = file_of(dataset) if is_versioned(dataset) else None
            if file and file.suffix == ".parquet":
                place = self._folder.parent / NEWEST / file.name
                place.parent.mkdir(exist_ok=True)
                with replaced(place) as temporary:
                    try:
                        os.link(file, temporary)
                    except OSError:  # the drive knows no links
                        shutil.copyfile(file, temporary)

    def forget(self, node: Node) -> None:
        """Delete the record of a node that is about to run."""
        self._path(node).unlink(missing_ok=True)

    def _path(self, node: Node) -> Path:
        return self._folder / f"{node.name}.json"

    def _state(self, name: str) -> str | None:
        return _state_of(file_of(self._catalog[name]))


def _is_parameter(name: str) -> bool:
    return name.startswith("params:") or name == "parameters"


def _is_history(name: str) -> bool:
    return name in _HISTORY or name.startswith("earlier_")


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=as_json)
    return hashlib.sha256(text.encode()).hexdigest()


def _state_of(path: Path | None) -> str | None:
    """Return size and time of change of a file, or a digest of all in a folder."""
    if path is None or not path.exists():
        return None
    if path.is_file():
        return _stamp(path.stat())
    lines = sorted(f"{name} {stamp}" for name, stamp in _files_below(path, ""))
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns}"


def _files_below(folder: Path, start: str) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{start}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(Path(entry.path), f"{name}/")
            else:
                yield name, _stamp(entry.stat(follow_symlinks=False))
