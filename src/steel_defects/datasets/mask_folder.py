"""A folder of mask pictures in the catalog, in the place of a file of encoded masks."""

from pathlib import Path
from typing import Any

from kedro.io.core import AbstractDataset, DatasetError

from steel_defects.labels.mask_folder import MaskFolder


class MaskFolderDataset(AbstractDataset[None, MaskFolder]):
    """Loads as a :class:`MaskFolder`, whose masks are read where they are used."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the folder."""
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> MaskFolder:
        """Name the folder to those who read masks."""
        if not self._exists():
            raise DatasetError(f"there is no folder {self._filepath}")
        return MaskFolder(self._filepath)

    def save(self, data: None) -> None:
        """Refuse: masks are somebody's work."""
        raise DatasetError("a folder of masks is only read")

    def _exists(self) -> bool:
        return self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
