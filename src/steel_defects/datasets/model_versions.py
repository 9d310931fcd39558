"""What earlier runs saved of the models' answers, in the catalog."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from steel_defects.datasets.folder import ReadOnlyDataset
from steel_defects.datasets.models import is_placeholder, read_model
from steel_defects.errors import SteelDefectsError, shown

#: Names the version before the newest.
PREVIOUS = "previous"


class ModelVersions:
    """Tables of which Kedro keeps a version per run: which versions there are, and what they hold.

    A run saves only what it makes, so that a version seldom has all tables. Of one that it lacks,
    the newest that is not later was in use at that time, and stands for it.
    """

    def __init__(self, folder: Path, tables: Sequence[str]) -> None:
        """Name the folder, and the tables in it by patterns such as ``*.sheet_scores.parquet``."""
        self.folder, self._patterns = folder, tuple(tables)

    @cached_property
    def _files(self) -> dict[str, Path]:
        """The files by name of the dataset, listed once: for hundreds of parts that takes long."""
        files = [file for pattern in self._patterns for file in self.folder.glob(pattern)]
        return {file.stem: file for file in reversed(files)}  # the first pattern counts

    @cached_property
    def names(self) -> list[str]:
        """All versions, the oldest first; those whose file was never written do not count."""
        return sorted({version for name in self._files for version in self.versions_of(name)})

    def check(self, version: str) -> None:
        """Refuse a version that there is not.

        Raises:
            SteelDefectsError: No table has it; the message names those that there are.
        """
        if version != PREVIOUS and version not in self.names:
            raise SteelDefectsError(
                f"there is no version {shown(version)} to compare with; {_offered(self.names)}"
            )

    def resolve(self, version: str, later: str | None = None) -> str:
        """Return the version that is meant by its name or by ``previous``.

        It has to be earlier than ``later``, which it is to be compared with; None for the newest.

        Raises:
            SteelDefectsError: There is no such version, or none before the later one.
        """
        for name in (version, later or PREVIOUS):
            self.check(name)
        *earlier, last = [name for name in self.names if name <= (later or name)] or [""]
        if version == PREVIOUS and earlier:
            return earlier[-1]
        if version in earlier:
            return version
        if version == PREVIOUS:
            raise SteelDefectsError(
                f"there is no version before {last} to compare with"
                if last
                else "there is no version of any model yet; run the pipelines classification and "
                "segmentation first"
            )
        raise SteelDefectsError(
            f"{version} is not earlier than {last}, which it is to be compared with; "
            + _offered(earlier)
        )

    def versions_of(self, name: str) -> list[str]:
        """List the versions of a dataset, such as ``resnet50.sheet_scores``."""
        if (file := self._files.get(name)) is None:
            return []
        written = (path for path in file.glob(f"*/{file.name}") if path.is_file())
        return sorted(path.parent.name for path in written)  # Kedro's file/VERSION/file

    def models_with(self, part: str) -> list[str]:
        """Name the models that have a part, such as ``classifier``, in alphabetical order."""
        ending = f".{part}"
        return sorted(name.removesuffix(ending) for name in self._files if name.endswith(ending))

    def placeholders(self, name: str) -> set[str]:
        """List the versions of a model in which an earlier release trained none."""
        paths = {one: self.path_of(name, one) for one in self.versions_of(name)}
        return {one for one, path in paths.items() if path and is_placeholder(path)}

    def version_of(self, name: str, version: str) -> str | None:
        """Return the newest version of a table that is not later than one; None for none.

        Args:
            name: Name of a dataset, such as ``resnet50.sheet_scores``.
            version: Such as ``2026-11-26T05.52.16.188Z``.
        """
        return max((one for one in self.versions_of(name) if one <= version), default=None)

    def path_of(self, name: str, version: str) -> Path | None:
        """Return the file of a dataset as it was in use at a version: see :meth:`version_of`.

        Of a dataset that is not versioned there is one file.
        """
        file = self._files.get(name)
        if file is None or file.is_file():
            return file
        newest = self.version_of(name, version)
        return file / newest / file.name if newest else None

    def load(self, name: str, version: str) -> Any:
        """Read a table, a JSON file or a model as it was in use at a version; None for none yet.

        Raises:
            SteelDefectsError: The file can't be read.
        """
        path = self.path_of(name, version)
        if path is None:
            return None
        try:
            if path.suffix == ".json":
                return json.loads(path.read_text(encoding="utf-8"))
            return read_model(path) if path.suffix == ".keras" else pd.read_parquet(path)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise SteelDefectsError(f"cannot read {path}: {shown(reason, 200)}") from error


def _offered(versions: Sequence[str]) -> str:
    return f"there are {', '.join(versions)}" if versions else "there are none"


class ModelVersionsDataset(ReadOnlyDataset[ModelVersions]):
    """Finds all versions of some tables; none of them is read before it is asked for.

    Kedro loads one version of a dataset per run. Through this dataset a node compares two.
    """

    def __init__(
        self, *, filepath: str, tables: list[str], metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._tables = tables

    def load(self) -> ModelVersions:
        """Return what finds versions and reads them."""
        return ModelVersions(self._filepath, self._tables)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "tables": self._tables}
