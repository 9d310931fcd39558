"""What a table held before this run, in the catalog."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io.core import AbstractDataset, DatasetError

logger = logging.getLogger(__name__)


class EarlierTableDataset(AbstractDataset[None, pd.DataFrame]):
    """Loads the Parquet file that another dataset writes; an empty table where there is none yet.

    A node can't take its own output as input. Through this dataset it reads what the run before
    left, and does only what is new.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the file."""
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> pd.DataFrame:
        """Read the table. One that a killed run left half written counts as none."""
        try:
            return pd.read_parquet(self._filepath)
        except FileNotFoundError:
            return pd.DataFrame()
        except (OSError, ValueError) as error:
            logger.warning("%s can't be read and is made anew: %s", self._filepath, error)
            return pd.DataFrame()

    def save(self, data: None) -> None:
        """Refuse: the table is written through its own dataset."""
        raise DatasetError("an earlier table is only read")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
