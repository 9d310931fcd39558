"""The sheets to inspect, in the catalog."""

from functools import cached_property

from kedro_datasets._typing import ImagePreview

from steel_defects.datasets.folder import ReadOnlyDataset
from steel_defects.datasets.image_folder import contact_sheet
from steel_defects.images.folder import SheetFolder
from steel_defects.inspection.sources import FolderSource, ListSource, open_source


class SheetSourceDataset(ReadOnlyDataset[FolderSource | ListSource]):
    """A folder of pictures, or a text file with one path per line; nothing is listed yet."""

    def load(self) -> FolderSource | ListSource:
        """Open the folder or the list."""
        return self._source

    @cached_property
    def _source(self) -> FolderSource | ListSource:
        """Opened once: all nodes of a run read the same picture folder, whatever comes later."""
        return open_source(self._filepath)

    def preview(self) -> ImagePreview:
        """Draw a contact sheet of the first pictures that can be read, for kedro-viz."""
        return contact_sheet(SheetFolder(self._filepath))

    def _exists(self) -> bool:
        return self._filepath.exists()
