"""A CSV file in the catalog that people may leave out."""

from collections import deque
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io.core import AbstractDataset, DatasetError
from kedro_datasets._typing import TablePreview

from steel_defects.annotations.csv_file import read_rows
from steel_defects.errors import SteelDefectsError


class OptionalCSVDataset(AbstractDataset[None, pd.DataFrame]):
    """Loads a CSV file as text, or a table without columns where there is no file."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the file."""
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> pd.DataFrame:
        """Read the file, if there is one; empty cells are empty text.

        Raises:
            DatasetError: The file is not CSV in UTF-8, its rows have more cells than its header,
                or one is too long to read. The cause is a SteelDefectsError.
        """
        if not self._filepath.is_file():
            return pd.DataFrame()
        try:
            with self._filepath.open("rb") as file:
                # pandas takes minutes and gigabytes for rows that this refuses.
                deque(read_rows(file, strict=False), maxlen=0)
            table = pd.read_csv(self._filepath, dtype=str, keep_default_na=False)
        except (ValueError, SteelDefectsError) as error:
            reason = f"{self._filepath} can't be read as CSV in UTF-8: {error}"
            raise SteelDefectsError(reason) from error
        # pandas takes the first cells of such rows for names of rows, and moves all others along.
        if not isinstance(table.index, pd.RangeIndex):
            raise SteelDefectsError(f"{self._filepath} has rows with more cells than its header")
        return table

    def save(self, data: None) -> None:
        """Refuse: the file is somebody's work."""
        raise DatasetError("an optional CSV file is only read")

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows, for kedro-viz."""
        return TablePreview(self.load().head(nrows).to_dict(orient="split"))

    def _exists(self) -> bool:
        # To the check of inputs before a run, which would end it where there is no file.
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
