"""What the catalog's own datasets share, and folders that code reads and writes by itself."""

from pathlib import Path
from typing import Any, TypeVar

from kedro.io.core import AbstractDataset, DatasetError

from steel_defects.files import check_target
from steel_defects.labels.mask_folder import MaskFolder

Saved = TypeVar("Saved")
Loaded = TypeVar("Loaded")


class LocalDataset(AbstractDataset[Saved, Loaded]):
    """One file or folder on a local disk, which counts as there once it is a file."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class ReadOnlyDataset(LocalDataset[None, Loaded]):
    """What is somebody's work, or written through another dataset; a run may do without it."""

    def save(self, data: None) -> None:
        """Refuse to save."""
        raise DatasetError(f"{self._filepath} is only read")

    def _exists(self) -> bool:
        # To the check of inputs before a run, which would end it where there is nothing.
        return True


class FolderTarget:
    """A dataset that writes a folder, which is looked at before there is anything to write."""

    _filepath: Path

    def check_target(self) -> None:
        """Refuse a folder that cannot be written, with a SteelDefectsError."""
        check_target(self._filepath, folder=True)


class FolderDataset(ReadOnlyDataset[Path]):
    """Loads as the path of a folder, made absolute by the catalog; it need not exist yet."""

    def load(self) -> Path:
        """Return the path."""
        return self._filepath


class MaskFolderDataset(ReadOnlyDataset[MaskFolder]):
    """Loads as a :class:`MaskFolder`, whose masks are read where they are used."""

    def __init__(
        self, *, filepath: str, follow_links: bool = False, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._follow_links = follow_links

    def load(self) -> MaskFolder:
        """Name the folder to those who read masks."""
        if not self._exists():
            raise DatasetError(f"there is no folder {self._filepath}")
        return MaskFolder(self._filepath, self._follow_links)

    def _exists(self) -> bool:
        return self._filepath.is_dir()
