"""What a table held before this run, in the catalog."""

import logging

import pandas as pd

from steel_defects.datasets.folder import ReadOnlyDataset

logger = logging.getLogger(__name__)


class EarlierTableDataset(ReadOnlyDataset[pd.DataFrame]):
    """Loads the Parquet file that another dataset writes; an empty table where there is none yet.

    A node can't take its own output as input. Through this dataset it reads what the run before
    left, and does only what is new.
    """

    def load(self) -> pd.DataFrame:
        """Read the table. One that a killed run left half written counts as none."""
        try:
            return pd.read_parquet(self._filepath)
        except FileNotFoundError:
            return pd.DataFrame()
        except (OSError, ValueError) as error:
            logger.warning("%s can't be read and is made anew: %s", self._filepath, error)
            return pd.DataFrame()
