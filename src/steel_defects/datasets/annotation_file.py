"""The file of encoded masks in the catalog."""

import pandas as pd
from kedro_datasets._typing import TablePreview

from steel_defects.datasets.folder import LocalDataset
from steel_defects.errors import SteelDefectsError
from steel_defects.files import replaced
from steel_defects.labels.severstal import layout_of
from steel_defects.tables.csv_file import parse_csv


class AnnotationFileDataset(LocalDataset[pd.DataFrame, pd.DataFrame]):
    """Severstal's ``train.csv``, in either of its layouts.

    Loads CSV as people's tools write it (see :func:`steel_defects.tables.csv_file.parse_csv`)
    as a table of text, and saves CSV with commas.
    """

    def load(self) -> pd.DataFrame:
        """Read the file; empty cells are empty text.

        Raises:
            SteelDefectsError: The file can't be read, is not CSV, or lacks columns; the message
                names it. The catalog hands it on as the cause of a DatasetError.
        """
        try:
            with self._filepath.open("rb") as file:
                table = parse_csv(file)
            layout_of(table.columns)
        except OSError as error:
            raise SteelDefectsError(f"{self._filepath} cannot be read: {error.strerror}") from error
        except SteelDefectsError as error:
            raise SteelDefectsError(f"{self._filepath}: {error}") from error
        return table

    def save(self, data: pd.DataFrame) -> None:
        """Write the table; the old file lives until the new one is whole."""
        with replaced(self._filepath) as temporary:
            data.to_csv(temporary, index=False)

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows, for kedro-viz."""
        return TablePreview(self.load().head(nrows).to_dict(orient="split"))
