"""A figure in the catalog, as a PNG file."""

import base64
from pathlib import Path
from typing import Any

from kedro_datasets._typing import ImagePreview

from steel_defects.datasets.folder import LocalDataset
from steel_defects.files import replaced

_DPI = 130


class FigureDataset(LocalDataset[Any, Path]):
    """Saves a Matplotlib figure as PNG, and loads as the path of that file.

    Unlike ``matplotlib.MatplotlibDataset`` it can be loaded, so that the report takes its pictures
    from the catalog.
    """

    def load(self) -> Path:
        """Return the path of the PNG file."""
        return self._filepath

    def save(self, data: Any) -> None:
        """Draw a figure."""
        from steel_defects.drawing.style import to_png

        with replaced(self._filepath) as temporary:
            temporary.write_bytes(to_png(data, _DPI))

    def preview(self) -> ImagePreview:
        """Show the picture in kedro-viz."""
        return ImagePreview(base64.b64encode(self._filepath.read_bytes()).decode())
