"""Coil and position of sheets that are inspected a part at a time."""

import logging
from collections.abc import Callable, Sequence

import pandas as pd

from steel_defects.annotations.severstal import Finding
from steel_defects.sheets.config import PositionsConfig
from steel_defects.sheets.positions import find_positions, positions_from_table

logger = logging.getLogger(__name__)


class Places:
    """Finds coil and position of each sheet; what is wrong with them is for the log."""

    def __init__(
        self, table: pd.DataFrame, config: PositionsConfig, exists: Callable[[str], bool]
    ) -> None:
        """Check the table, so that one that can't be used ends the run before the long work.

        Args:
            table: See :func:`steel_defects.sheets.positions.positions_from_table`.
            config: Holds the pattern that names are read by.
            exists: Tells whether there is a sheet of an id.

        Raises:
            SteelDefectsError: The table has other columns than it should.
        """
        known = [sheet_id for sheet_id in _ids(table) if exists(sheet_id)]
        given, findings = positions_from_table(table, known)
        self._given = given.set_index("sheet_id", drop=False)
        self.config = config
        self._told = False
        self._tell(findings)

    def of(self, sheet_ids: Sequence[str]) -> pd.DataFrame:
        """Return ``sheet_id, coil_id, position_mm`` of sheets; null where unknown."""
        given = self._given[self._given.index.isin(sheet_ids)]
        places, findings = find_positions(sheet_ids, given, self.config)
        self._tell(findings)
        return places

    def _tell(self, findings: Sequence[Finding]) -> None:
        """Warn once: each part would find fault with its names again."""
        if not findings or self._told:
            return
        self._told = True
        first = findings[0]
        logger.warning(
            "%d findings in the positions of sheets; the first: %s (%s), %s",
            len(findings), first.where, first.sheet_id, first.reason,
        )  # fmt: skip


def _ids(table: pd.DataFrame) -> list[str]:
    names = {str(name).strip().lstrip("\ufeff"): name for name in table.columns}
    column = names.get("sheet_id", names.get("ImageId"))
    if column is None:
        return []
    return [str(value) for value in table[column].dropna().astype(str).str.strip().unique()]
