"""Tables of data engineering."""

import pandas as pd
import pandera.pandas as pa

from steel_defects.tables.columns import (
    SPLITS,
    count,
    digest,
    identifiers,
    lists,
    number,
    one_of,
    table,
)

_RELATIONS = ("same file", "copy", "shared part", "look-alike", "different")

#: One row a picture that was found; one that can't be used has a ``problem`` and may lack the rest.
sheet_inventory = table(
    {
        "sheet_id": identifiers(unique=True),
        "path": identifiers(),
        "problem": pa.Column(str),
        "note": pa.Column(str),
        "width": count(1, nullable=True),
        "height": count(1, nullable=True),
        "sha256": digest(nullable=True),
        "bytes": count(),
        "modified_ns": pa.Column(int),
        "mean_intensity": number(0, 255, nullable=True),
        "contrast": number(0, 128, nullable=True),
        "black_fraction": number(0, 1, nullable=True),
        "saturated_fraction": number(0, 1, nullable=True),
        "thumbnail": pa.Column(object, nullable=True),
        "fingerprint": pa.Column(object, nullable=True),
        "version": count(),
    }
)

#: One row a pair of sheets that was worth comparing.
similar_sheets = table(
    {
        "sheet_id": identifiers(),
        "other_id": identifiers(),
        "sha256": digest(),
        "other_sha256": digest(),
        "relation": one_of(_RELATIONS),
        "similarity": number(-1.01, 1.01, nullable=True),
        "score": number(-1.01, 1.01, nullable=True),
        "orientation": pa.Column(int, pa.Check.in_range(0, 7, error="must be 0 to 7")),
    },
    unique=["sheet_id", "other_id"],
)

#: One row a sound picture; one that would join groups of different splits has a ``problem``.
sheet_groups = table(
    {"sheet_id": identifiers(unique=True), "group_id": identifiers(), "problem": pa.Column(str)}
)

#: One row a sheet.
sheets = table(
    {
        "sheet_id": identifiers(unique=True),
        "path": identifiers(),
        "width": count(1),
        "height": count(1),
        "sha256": digest(),
        "group_id": identifiers(),
        "mean_intensity": number(0, 255),
        "black_fraction": number(0, 1),
        "has_defect": pa.Column(bool),
    }
)

#: One row a defective sheet and class.
annotations = table(
    {"sheet_id": identifiers(), "class_id": count(1), "rle": identifiers(), "area_px": count(1)},
    unique=["sheet_id", "class_id"],
)


def _groups_stay_together(frame: pd.DataFrame) -> bool:
    return bool((frame.groupby("group_id")["split"].nunique() <= 1).all())


#: One row a sheet; near-duplicates share a group and groups never straddle splits.
splits = pa.DataFrameSchema(
    {
        "sheet_id": identifiers(unique=True),
        "group_id": identifiers(),
        "split": one_of(SPLITS),
        "fold": lists(0),
    },
    checks=pa.Check(_groups_stay_together, error="a group lies in two splits"),
    strict=True,
    ordered=True,
)

#: One row a content of a sheet: what keeps it where it is when sheets are added.
split_assignments = table(
    {"sha256": digest(unique=True), "split": one_of(SPLITS), "fold": lists(0)}
)

#: One row a sheet: which coil it was taken from, and where along it; null where unknown.
sheet_positions = table(
    {
        "sheet_id": identifiers(unique=True),
        "coil_id": pa.Column(str, nullable=True),
        "position_mm": number(None, nullable=True),
    }
)

#: One row a window of a sheet.
tiles = table(
    {
        "sheet_id": identifiers(),
        "split": one_of(SPLITS),
        "x": count(),
        "y": count(),
        "width": count(1),
        "height": count(1),
        "area_px": lists(0),
    }
)

#: One row a way to divide and a held-out split: how close its sheets come to training sheets.
leakage = table(
    {
        "division": identifiers(),
        "split": one_of(SPLITS),
        "sheets": count(1),
        "similarity_p50": number(-1, 1),
        "similarity_p95": number(-1, 1),
        "similarity_max": number(-1, 1),
        "copies": count(),
    },
    unique=["division", "split"],
    csv=True,
)

#: One row a way to divide: what the masks of the nearest training sheets score on the test sheets.
lookup_baseline = table(
    {
        "division": identifiers(unique=True),
        "sheets": count(),
        "mean_dice": number(0, 1, nullable=True),
        "mean_iou": number(0, 1, nullable=True),
        "all_empty_dice": number(0, 1, nullable=True),
    },
    csv=True,
)

#: One row a sheet that is unlike the rest.
oddest_sheets = table(
    {
        "sheet_id": identifiers(unique=True),
        "path": identifiers(),
        "measure": identifiers(),
        "value": number(None),
        "percentile": number(0, 100),
    },
    csv=True,
)
