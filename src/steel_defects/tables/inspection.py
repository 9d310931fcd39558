"""Tables of inspection."""

import pandas as pd
import pandera.pandas as pa

from steel_defects.tables.columns import count, identifiers, number, one_of, table

VERDICTS = ("accept", "review", "reject")

#: The competition's form: one row a sheet and class, an empty mask for none.
submission = table({"ImageId_ClassId": identifiers(unique=True), "EncodedPixels": pa.Column(str)})

#: One row an inspected sheet.
verdicts = table(
    {
        "sheet_id": identifiers(unique=True),
        "path": identifiers(),
        "coil_id": pa.Column(str, nullable=True),
        "position_mm": number(None, nullable=True),
        "gate_score": number(0, 1, nullable=True),
        "verdict": one_of(VERDICTS),
        "defect_count": count(),
        "defect_area_px": count(),
        "reason": identifiers(),
        "model_id": identifiers(),
        "thresholds_id": identifiers(),
        "inspected_at": pa.Column(pd.DatetimeTZDtype("us", "UTC")),
    }
)

#: One row a defect region.
defects = table(
    {
        "sheet_id": identifiers(),
        "class_id": count(1),
        "coil_id": pa.Column(str, nullable=True),
        "position_mm": number(None, nullable=True),
        "x": count(),
        "y": count(),
        "width": count(1),
        "height": count(1),
        "area_px": count(1),
        "length_px": number(),
        "area_mm2": number(nullable=True),
        "length_mm": number(nullable=True),
        "orientation_deg": number(-90, 90),
        "score": number(0, 1),
        "severity": identifiers(),
    }
)
