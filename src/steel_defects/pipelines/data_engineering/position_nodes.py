"""The node that says which coil each sheet was taken from, and where along it."""

import logging
from dataclasses import asdict
from typing import Any

import pandas as pd

from steel_defects.data.config import PositionsConfig
from steel_defects.data.positions import find_positions

logger = logging.getLogger(__name__)


def locate_sheets(
    sheets: pd.DataFrame,
    sheet_inventory: pd.DataFrame,
    raw_positions: pd.DataFrame,
    positions: PositionsConfig,
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Find coil and position of every sound sheet.

    Args:
        sheets: The sound sheets.
        sheet_inventory: All pictures: a row for one that was set aside is no mistake.
        raw_positions: ``positions.csv`` as text, without any column where there is none.
        positions: Holds the pattern that reads names.

    Returns:
        ``sheet_id``, ``coil_id`` (text) and ``position_mm`` (float64, millimetres along the strip,
        of the sheet's left edge), one row per sheet in the order of ``sheets``, null where unknown;
        and findings, as dictionaries, none of which sets a sheet aside.

    Raises:
        SteelDefectsError: The columns of ``positions.csv`` are not those that it should have.
    """
    everything, findings = find_positions(
        sheet_inventory["sheet_id"].tolist(), raw_positions, positions
    )
    if findings:
        logger.warning("%d findings in the positions of sheets", len(findings))
    located = sheets[["sheet_id"]].merge(everything, on="sheet_id", how="left", validate="1:1")
    return located, [asdict(finding) for finding in findings]
