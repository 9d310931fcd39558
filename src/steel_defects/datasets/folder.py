"""A folder in the catalog that code reads and writes by itself."""

from pathlib import Path
from typing import Any

from kedro.io.core import AbstractDataset, DatasetError


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
