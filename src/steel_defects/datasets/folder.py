"""A folder in the catalog that code reads and writes by itself."""

from pathlib import Path
from typing import Any

from kedro.io.core import AbstractDataset, DatasetError

from steel_defects.files import check_target


class FolderTarget:
    """A dataset that writes a folder, which is looked at before there is anything to write."""

    _filepath: Path

    def check_target(self) -> None:
        """Look at the folder.

        Raises:
            SteelDefectsError: It cannot be written.
        """
        check_target(self._filepath, folder=True)


class FolderDataset(AbstractDataset[None, Path]):
    """Loads as the path of a folder, made absolute by the catalog; it need not exist yet."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the folder."""
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """Return the path."""
        return self._filepath

    def save(self, data: None) -> None:
        """Refuse: nothing is saved through this dataset."""
        raise DatasetError("a folder is not saved as a whole")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
