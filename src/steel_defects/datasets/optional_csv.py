"""A CSV file in the catalog that people may leave out."""

import pandas as pd
from kedro_datasets._typing import TablePreview

from steel_defects.datasets.folder import ReadOnlyDataset
from steel_defects.tables.csv_file import read_plain_table


class OptionalCSVDataset(ReadOnlyDataset[pd.DataFrame]):
    """Loads a CSV file as text, or a table without columns where there is no file."""

    def load(self) -> pd.DataFrame:
        """Read the file, if there is one; empty cells are empty text, ``attrs`` name the file.

        Raises:
            DatasetError: The file is not CSV in UTF-8, its rows have more cells than its header,
                or one is too long to read. The cause is a SteelDefectsError.
        """
        table = pd.DataFrame()
        if self._filepath.is_file():
            table = read_plain_table(self._filepath, self._filepath.read_bytes())
        table.attrs["file"] = str(self._filepath)  # for whoever reads it again when it has grown
        return table

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows, for kedro-viz."""
        return TablePreview(self.load().head(nrows).to_dict(orient="split"))
