"""The sheets to inspect, in the catalog."""

from functools import cached_property
from pathlib import Path
from typing import Any

from kedro.io.core import DatasetError

from steel_defects.datasets.image_folder import ImageFolderDataset
from steel_defects.inspection.sources import SheetSource, open_source


class SheetSourceDataset(ImageFolderDataset):
    """A folder of pictures, or a text file with a path a line; nothing is listed yet."""

    def load(self) -> SheetSource:  # type: ignore[override]
        """Open the folder or the list."""
        return self._source

    @cached_property
    def _source(self) -> SheetSource:
        """Opened once: all nodes of a run read the same picture folder, whatever comes later."""
        return open_source(self._filepath)

    def save(self, data: Any) -> None:
        """Refuse: the sheets are somebody's work."""
        raise DatasetError("sheets to inspect are only read")

    def _exists(self) -> bool:
        return Path(self._filepath).exists()
