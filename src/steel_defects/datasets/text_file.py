"""A text in the catalog, such as a page of HTML."""

from pathlib import Path

from kedro_datasets.text import TextDataset

from steel_defects.files import replaced


class TextFileDataset(TextDataset):
    """Saves a text as UTF-8, whatever the locale; the old file lives until the new one is whole."""

    DEFAULT_FS_ARGS = {"open_args_load": {"mode": "r", "encoding": "utf-8"}}

    def save(self, data: str) -> None:
        """Write the text."""
        with replaced(Path(self._filepath)) as temporary:
            temporary.write_text(data, encoding="utf-8")
