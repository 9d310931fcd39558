"""Single files in the catalog: texts, figures and records."""

import base64
from pathlib import Path
from typing import Any

from kedro.utils import load_obj
from kedro_datasets._typing import ImagePreview
from kedro_datasets.json import JSONDataset
from kedro_datasets.text import TextDataset
from pydantic import ValidationError

from steel_defects.config import Record
from steel_defects.datasets.folder import LocalDataset
from steel_defects.errors import SteelDefectsError
from steel_defects.files import replaced

_DPI = 130


class TextFileDataset(TextDataset):
    """Saves a text as UTF-8, whatever the locale; the old file lives until the new one is whole."""

    DEFAULT_FS_ARGS = {"open_args_load": {"mode": "r", "encoding": "utf-8"}}

    def save(self, data: str) -> None:
        """Write the text."""
        with replaced(Path(self._filepath)) as temporary:
            temporary.write_text(data, encoding="utf-8")


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


class RecordDataset(JSONDataset):
    """Saves a record as JSON, and loads it as an object of its class, named by its full path."""

    def __init__(self, *, record: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._record = record

    def load(self) -> Record:
        """Read a record.

        Raises:
            SteelDefectsError: The file holds another kind of record.
        """
        content = super().load()
        try:
            return load_obj(self._record).model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "it"
            raise SteelDefectsError(
                f"{self._get_load_path()}: {place}: {first['msg']}; another release wrote it: run "
                "the pipeline that makes it again"
            ) from error

    def save(self, data: Record) -> None:
        """Write a record."""
        super().save(data.model_dump(mode="json"))
