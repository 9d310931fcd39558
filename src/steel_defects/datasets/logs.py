"""Tables to which runs add rows: what was written is never lost."""

from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io.core import DatasetError
from kedro_datasets.pandas import CSVDataset

from steel_defects.files import replaced


class LogDataset(CSVDataset):
    """Adds rows to a CSV file; the old file lives until the new one is whole."""

    def save(self, data: pd.DataFrame) -> None:
        """Write the rows after those that there are; one that is there already is not repeated."""
        path = Path(self._filepath)
        earlier = [self.load()] if path.is_file() else []
        rows = pd.concat([table.astype("str") for table in (*earlier, data)], ignore_index=True)
        with replaced(path) as temporary:
            rows.drop_duplicates().to_csv(temporary, index=False, encoding="utf-8")


class EarlierLogDataset(LogDataset):
    """Loads what another dataset logs; a table without columns where there is nothing yet.

    A node can't take its own output as input: through this dataset it reads what runs before left.
    """

    def load(self) -> pd.DataFrame:
        """Read the file, if there is one."""
        return super().load() if Path(self._filepath).is_file() else pd.DataFrame()

    def save(self, data: Any) -> None:
        """Refuse to save."""
        raise DatasetError(f"{self._filepath} is only read")

    def _exists(self) -> bool:
        # To the check of inputs before a run, which would end it where there is nothing.
        return True
