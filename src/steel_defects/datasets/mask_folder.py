"""A folder of mask pictures in the catalog, in the place of a file of encoded masks."""

from kedro.io.core import DatasetError

from steel_defects.datasets.folder import ReadOnlyDataset
from steel_defects.labels.mask_folder import MaskFolder


class MaskFolderDataset(ReadOnlyDataset[MaskFolder]):
    """Loads as a :class:`MaskFolder`, whose masks are read where they are used."""

    def load(self) -> MaskFolder:
        """Name the folder to those who read masks."""
        if not self._exists():
            raise DatasetError(f"there is no folder {self._filepath}")
        return MaskFolder(self._filepath)

    def _exists(self) -> bool:
        return self._filepath.is_dir()
