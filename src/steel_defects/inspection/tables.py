"""Verdicts, defects and the submission of inspected sheets."""

from collections import Counter
from collections.abc import Callable, Sequence

import pandas as pd

from steel_defects.decision.verdict import severity
from steel_defects.inspection.cascade import InspectedSheet
from steel_defects.inspection.config import InspectionConfig
from steel_defects.labels.rle import area
from steel_defects.labels.severstal import submission_table
from steel_defects.package.folder import ModelPackage
from steel_defects.tables.declared import DEFECTS, VERDICTS


def verdicts_table(
    inspected: Sequence[InspectedSheet],
    relative_path: Callable[[str], str],
    package: ModelPackage,
    positions: pd.DataFrame,
) -> pd.DataFrame:
    """Return one row per inspected sheet.

    Args:
        inspected: The sheets.
        relative_path: Returns the path of a sheet as the table holds it.
        package: The package that judged them.
        positions: ``sheet_id, coil_id, position_mm``, one row for each sheet of the folder, null
            where unknown; millimetres along the strip, of a sheet's left edge.
    """
    places = positions.set_index("sheet_id").to_dict("index")
    rows = [
        {
            "sheet_id": sheet.sheet_id,
            "path": relative_path(sheet.sheet_id),
            **places[sheet.sheet_id],
            "gate_score": sheet.gate_score,
            "verdict": sheet.verdict.verdict,
            "defect_count": len(sheet.regions),
            "defect_area_px": sum(map(area, sheet.masks)),
            "reason": sheet.verdict.reason,
            "model_id": package.model_id,
            "thresholds_id": package.thresholds_id,
            "inspected_at": sheet.inspected_at,
        }
        for sheet in inspected
    ]
    return VERDICTS.typed(rows)


def defects_table(
    inspected: Sequence[InspectedSheet],
    config: InspectionConfig,
    positions: pd.DataFrame,
    mm_per_px: float | None,
) -> pd.DataFrame:
    """Return one row per defect region.

    ``position_mm`` of a region is that of its left edge, its sheet's + ``x * mm_per_px``: positions
    grow from left to right. While ``mm_per_px`` is not known, it is that of its sheet.

    Args:
        inspected: The sheets.
        config: Names the severities.
        positions: As in :func:`verdicts_table`.
        mm_per_px: Length of a pixel on the strip; None where it is not known.
    """
    places = positions.set_index("sheet_id").to_dict("index")
    counts = {sheet.sheet_id: Counter(r.class_id for r in sheet.regions) for sheet in inspected}
    rows = [
        {
            "sheet_id": sheet.sheet_id,
            "coil_id": places[sheet.sheet_id]["coil_id"],
            "position_mm": places[sheet.sheet_id]["position_mm"] + region.x * (mm_per_px or 0.0),
            **vars(region),
            "area_mm2": region.area_px * mm_per_px**2 if mm_per_px else None,
            "length_mm": region.length_px * mm_per_px if mm_per_px else None,
            "severity": severity(region, config, counts[sheet.sheet_id][region.class_id]),
        }
        for sheet in inspected
        for region in sheet.regions
    ]
    return DEFECTS.typed(rows)


def submission(inspected: Sequence[InspectedSheet]) -> pd.DataFrame:
    """Return the competition's table: one row per sheet and class."""
    rows = [
        (sheet.sheet_id, number, rle)
        for sheet in inspected
        for number, rle in enumerate(sheet.masks, start=1)
    ]
    return submission_table(pd.DataFrame(rows, columns=["sheet_id", "class_id", "rle"]))
