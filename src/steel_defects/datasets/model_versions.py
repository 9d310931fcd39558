"""What earlier runs saved of the models' answers, in the catalog."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from steel_defects.datasets.folder import ReadOnlyDataset
from steel_defects.datasets.keras_model import is_placeholder
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

    @property
    def names(self) -> list[str]:
        """All versions, the oldest first; those whose file was never written do not count."""
        files = (file for pattern in self._patterns for file in self.folder.glob(pattern))
        return sorted({version for file in files for version in _versions_of(file)})

    def check(self, version: str) -> None:
        """Refuse a version that there is not.

        Raises:
            SteelDefectsError: No table has it; the message names those that there are.
        """
        if version != PREVIOUS and version not in self.names:
            raise SteelDefectsError(
                f"there is no version {shown(version)} to compare with; {self._offered(self.names)}"
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
            + self._offered(earlier)
        )

    def versions_of(self, name: str) -> list[str]:
        """List the versions of a dataset, such as ``resnet50.sheet_scores``."""
        file = self._file_of(name)
        return sorted(_versions_of(file)) if file else []

    def models_with(self, part: str) -> list[str]:
        """Name the models that have a part, such as ``classifier``, in alphabetical order."""
        files = (file for pattern in self._patterns for file in self.folder.glob(pattern))
        return sorted({file.stem[: -len(part) - 1] for file in files if _is_part(file, part)})

    def placeholders(self, name: str) -> set[str]:
        """List the versions of a model in which an earlier release trained none."""
        file = self._file_of(name)
        versions = self.versions_of(name)
        return {one for one in versions if file and is_placeholder(file / one / file.name)}

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
        file = self._file_of(name)
        if file is None or file.is_file():
            return file
        newest = self.version_of(name, version)
        return file / newest / file.name if newest else None

    def load(self, name: str, version: str) -> Any:
        """Read a table, or a JSON file, as it was in use at a version; None for none yet.

        Raises:
            SteelDefectsError: The file can't be read.
        """
        path = self.path_of(name, version)
        if path is None:
            return None
        try:
            if path.suffix == ".json":
                return json.loads(path.read_text(encoding="utf-8"))
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise SteelDefectsError(f"cannot read {path}: {shown(reason, 200)}") from error

    def _file_of(self, name: str) -> Path | None:
        files = (file for pattern in self._patterns for file in self.folder.glob(pattern))
        return next((file for file in files if file.stem == name), None)

    @staticmethod
    def _offered(versions: Sequence[str]) -> str:
        return f"there are {', '.join(versions)}" if versions else "there are none"


def _is_part(file: Path, part: str) -> bool:
    return file.stem.endswith(f".{part}")


def _versions_of(file: Path) -> list[str]:
    """List the versions of a file that Kedro keeps as ``file/VERSION/file``."""
    return [path.parent.name for path in file.glob(f"*/{file.name}") if path.is_file()]


class ModelVersionsDataset(ReadOnlyDataset[ModelVersions]):
    """Finds all versions of some tables; none of them is read before it is asked for.

    Kedro loads one version of a dataset per run. Through this dataset a node compares two.
    """

    def __init__(
        self, *, filepath: str, tables: list[str], metadata: dict[str, Any] | None = None
    ) -> None:
        """Name the folder, and patterns of the tables in it."""
        super().__init__(filepath=filepath, metadata=metadata)
        self._tables = tables

    def load(self) -> ModelVersions:
        """Return what finds versions and reads them."""
        return ModelVersions(self._filepath, self._tables)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "tables": self._tables}
