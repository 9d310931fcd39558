"""Tables in the catalog that people write or leave out, or that a run left before."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from kedro.utils import load_obj
from kedro_datasets._typing import TablePreview

from steel_defects.datasets.folder import LocalDataset, ReadOnlyDataset
from steel_defects.errors import SteelDefectsError
from steel_defects.files import replaced
from steel_defects.labels.formats.recognise import LabelFolder, has_labels
from steel_defects.labels.mask_folder import MaskFolder
from steel_defects.labels.severstal import layout_of
from steel_defects.tables.csv_file import parse_csv, read_plain_table

logger = logging.getLogger(__name__)


class Previewed:
    """A table whose first rows kedro-viz shows."""

    load: Callable[[], pd.DataFrame]

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows, for kedro-viz, which knows lists and no arrays."""
        rows = self.load().head(nrows).map(lambda v: v.tolist() if isinstance(v, np.ndarray) else v)
        return TablePreview(rows.to_dict(orient="split"))


class AnnotationFileDataset(Previewed, LocalDataset[pd.DataFrame, pd.DataFrame]):
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


class LabelsDataset(AnnotationFileDataset):
    """Labels of a data folder in whatever format, beside which ``train.csv`` would lie.

    Loads ``train.csv`` as a table; where there is none, as a :class:`LabelFolder`, or, if there
    is nothing but masks in ``annotations/``, as a :class:`MaskFolder`. Saves ``train.csv``.
    """

    def __init__(
        self, *, filepath: str, follow_links: bool = False, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._follow_links = follow_links

    def load(self) -> pd.DataFrame | MaskFolder | LabelFolder:
        """Read the table, or name the folder to those who read its labels."""
        root = self._filepath.parent
        if self._filepath.is_file():
            return super().load()
        masks = MaskFolder(root / "annotations", self._follow_links)
        others = LabelFolder(root, self._follow_links)
        numbered = masks.root.is_dir() and masks.files and not has_labels(others)
        return masks if numbered else others

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows of the table, for kedro-viz; none of other formats."""
        return super().preview(nrows) if self._filepath.is_file() else TablePreview({})

    def _exists(self) -> bool:
        if super()._exists():
            return True
        if not self._filepath.parent.is_dir():
            return False
        found = self.load()
        return isinstance(found, MaskFolder) or has_labels(found)


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


class RowsIfAnyDataset(Previewed, LocalDataset[pd.DataFrame, pd.DataFrame]):
    """A table in a Parquet file that is there only if the table has rows.

    ``table`` is the full name of its declaration, which says what an empty one looks like.
    """

    def __init__(
        self, *, filepath: str, table: str, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._table = table

    def load(self) -> pd.DataFrame:
        """Read the table; one without rows where there is no file."""
        if self._filepath.is_file():
            return pd.read_parquet(self._filepath)
        empty: pd.DataFrame = load_obj(self._table).empty()
        return empty

    def save(self, data: pd.DataFrame) -> None:
        """Write the table, or delete the file of before where there is no row."""
        if data.empty:
            self._filepath.unlink(missing_ok=True)
            return
        with replaced(self._filepath) as temporary:
            data.to_parquet(temporary, index=False)

    def _exists(self) -> bool:
        return True


class OptionalCSVDataset(Previewed, ReadOnlyDataset[pd.DataFrame]):
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
