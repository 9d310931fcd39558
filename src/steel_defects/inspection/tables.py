"""Writing what inspection found as tables."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from steel_defects.decision.regions import Region
from steel_defects.decision.rules import severity
from steel_defects.inspection.cascade import InspectedSheet
from steel_defects.inspection.config import InspectionConfig
from steel_defects.labels.rle import area
from steel_defects.labels.severstal import submission_table
from steel_defects.package.folder import ModelPackage
from steel_defects.tables.declared import DEFECTS, VERDICTS

_ARROW_TYPES = {
    "str": pa.large_string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "datetime64[us, UTC]": pa.timestamp("us", tz="UTC"),
}


def verdicts_table(
    inspected: Sequence[InspectedSheet],
    relative_path: Callable[[str], str],
    package: ModelPackage,
    positions: pd.DataFrame,
) -> pd.DataFrame:
    """Return one row an inspected sheet.

    Args:
        inspected: What was found.
        relative_path: Returns the path of a sheet as the table holds it.
        package: What judged them.
        positions: ``sheet_id, coil_id, position_mm``, one row for each sheet of the folder, null
            where unknown; millimetres along the strip, of a sheet's left edge.
    """
    places = _places(positions)
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
    """Return one row a defect region.

    ``position_mm`` of a region is that of its left edge, its sheet's + ``x * mm_per_px``: positions
    grow from left to right. While ``mm_per_px`` is not known, it is that of its sheet.

    Args:
        inspected: What was found.
        config: Names the severities.
        positions: As in :func:`verdicts_table`.
        mm_per_px: Length of a pixel on the strip; None where it is not known.
    """
    places = _places(positions)
    counts = {sheet.sheet_id: Counter(r.class_id for r in sheet.regions) for sheet in inspected}
    rows = [
        {
            "sheet_id": sheet.sheet_id,
            "coil_id": places[sheet.sheet_id]["coil_id"],
            "position_mm": places[sheet.sheet_id]["position_mm"] + region.x * (mm_per_px or 0.0),
            **_describe(region, mm_per_px),
            "severity": severity(region, config, counts[sheet.sheet_id][region.class_id]),
        }
        for sheet in inspected
        for region in sheet.regions
    ]
    return DEFECTS.typed(rows)


def _places(positions: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return ``coil_id`` and ``position_mm`` by sheet id; NaN where unknown."""
    places: dict[str, dict[str, Any]] = positions.set_index("sheet_id").to_dict("index")
    return places


def _describe(region: Region, mm_per_px: float | None) -> dict[str, object]:
    return {
        **vars(region),
        "area_mm2": region.area_px * mm_per_px**2 if mm_per_px else None,
        "length_mm": region.length_px * mm_per_px if mm_per_px else None,
    }


def submission(inspected: Sequence[InspectedSheet]) -> pd.DataFrame:
    """Return the competition's table: one row a sheet and class."""
    rows = [
        (sheet.sheet_id, number, rle)
        for sheet in inspected
        for number, rle in enumerate(sheet.masks, start=1)
    ]
    return submission_table(pd.DataFrame(rows, columns=["sheet_id", "class_id", "rle"]))


def to_arrow(table: pd.DataFrame) -> pa.Table:
    """Turn verdicts or defects into what Parquet holds, with the same types whatever the rows."""
    types = (VERDICTS if "verdict" in table.columns else DEFECTS).types
    schema = pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in types.items()])
    return pa.Table.from_pandas(table, schema=schema, preserve_index=False)
