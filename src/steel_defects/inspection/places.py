"""Coil and position of sheets that are inspected a part at a time."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from steel_defects.data.config import PositionsConfig
from steel_defects.data.positions import (
    positions_from_names,
    positions_from_table,
    with_plain_columns,
)
from steel_defects.errors import SteelDefectsError
from steel_defects.inspection.sources import size_and_time
from steel_defects.inspection.store.names import name_of, numbered
from steel_defects.labels.masks import Finding
from steel_defects.tables.csv_file import read_plain_table

logger = logging.getLogger(__name__)


class Places:
    """Finds coil and position of each sheet; what is wrong with them is for the log."""

    def __init__(
        self,
        table: pd.DataFrame,
        config: PositionsConfig,
        exists: Callable[[str], bool],
        grows: bool = False,
    ) -> None:
        """Take a table of :func:`~steel_defects.data.positions.positions_from_table`.

        ``exists`` tells whether there is a sheet of an id. With ``grows``, the file that the
        table's ``attrs`` name is read again when it has changed.
        """
        self.config, self._exists, self._grows = config, exists, grows
        self._file, self._state = Path(table.attrs.get("file", "")), (0, 0)
        self._told, self._given = False, pd.DataFrame()
        self._take(table)

    def _take(self, table: pd.DataFrame) -> None:
        """Take the rows of a table; those that are in it no more stay."""
        table = with_plain_columns(table)
        ids: list[str] = []
        if "sheet_id" in table:
            table = _with_numbers(table) if self._grows else table
            ids = table["sheet_id"].dropna().astype(str).str.strip().unique().tolist()
        given, findings = positions_from_table(table, list(filter(self._exists, ids)))
        given = given.set_index("sheet_id", drop=False)
        gone = self._given[~self._given.index.isin(given.index)]
        self._given = pd.concat([given, gone]) if len(gone) else given
        self._tell(findings)

    def _read_again(self) -> None:
        """Read the file again if it has changed; a line without its end is being written."""
        state = size_and_time(self._file)
        if not self._grows or not any(state) or state == self._state:
            return
        self._state = state
        try:
            data = self._file.read_bytes()
            self._take(read_plain_table(self._file, data[: data.rfind(b"\n") + 1]))
        except (OSError, SteelDefectsError) as error:
            logger.warning("%s; the rows of %s that were read before count", error, self._file)

    def of(self, sheet_ids: Sequence[str]) -> pd.DataFrame:
        """Return ``sheet_id, coil_id, position_mm`` of sheets; null where unknown."""
        self._read_again()
        given = self._given[self._given.index.isin(sheet_ids)]
        given, _ = positions_from_table(given, sheet_ids)
        names = [name_of(sheet_id) for sheet_id in sheet_ids]
        named, findings = positions_from_names(names, self.config.pattern)
        self._tell(findings)
        return given.fillna(named)

    def _tell(self, findings: Sequence[Finding]) -> None:
        """Warn once: each part would find fault with its names again."""
        if findings and not self._told:
            self._told, first = True, findings[0]
            logger.warning(
                "%d findings in the positions of sheets; the first: %s (%s), %s",
                len(findings), first.where, first.sheet_id, first.reason,
            )  # fmt: skip


def _with_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Give a name's second row to the second sheet of that name, and so on."""
    names = table["sheet_id"].str.strip()
    numbers = names.groupby(names).cumcount() + 1
    ids = [numbered(name, n) if n > 1 else name for name, n in zip(names, numbers, strict=True)]
    return table.assign(sheet_id=ids)
