"""Columns, types and ranges of the tables that people rely on.

Each is a catalog dataset's ``validator``. The number of classes is a parameter, so class ids are
only held to be positive here; :func:`steel_defects.annotations.severstal.check_annotations` knows
the range.
"""

import pandas as pd
import pandera.pandas as pa

SPLITS = ("train", "validation", "calibration", "test")
VERDICTS = ("accept", "review", "reject")


def _ids(unique: bool = False) -> pa.Column:
    return pa.Column(str, pa.Check.str_length(min_value=1), unique=unique)


def _count(minimum: int = 0, nullable: bool = False) -> pa.Column:
    return pa.Column("Int64" if nullable else int, pa.Check.ge(minimum), nullable=nullable)


def _number(low: float | None = 0, high: float | None = None, nullable: bool = False) -> pa.Column:
    checks = [pa.Check.ge(low)] if low is not None else []
    if high is not None:
        checks.append(pa.Check.le(high))
    return pa.Column(float, checks, nullable=nullable)


def _digest(nullable: bool = False, unique: bool = False) -> pa.Column:
    return pa.Column(str, pa.Check.str_length(64, 64), nullable=nullable, unique=unique)


def _one_of(values: tuple[str, ...]) -> pa.Column:
    return pa.Column(str, pa.Check.isin(values))


def _lists(minimum: int) -> pa.Column:
    """A column of lists of whole numbers."""
    check = pa.Check(lambda cell: all(value >= minimum for value in cell), element_wise=True)
    return pa.Column(object, check)


def _table(
    columns: dict[str, pa.Column], unique: list[str] | None = None, csv: bool = False
) -> pa.DataFrameSchema:
    # A CSV file without rows does not say what its columns hold.
    return pa.DataFrameSchema(columns, strict=True, ordered=True, unique=unique, coerce=csv)


#: One row a picture that was found; one that can't be used has a ``problem`` and may lack the rest.
sheet_inventory = _table(
    {
        "sheet_id": _ids(unique=True),
        "path": _ids(),
        "problem": pa.Column(str),
        "note": pa.Column(str),
        "width": _count(1, nullable=True),
        "height": _count(1, nullable=True),
        "sha256": _digest(nullable=True),
        "bytes": _count(),
        "modified_ns": pa.Column(int),
        "mean_intensity": _number(0, 255, nullable=True),
        "contrast": _number(0, 128, nullable=True),
        "black_fraction": _number(0, 1, nullable=True),
        "saturated_fraction": _number(0, 1, nullable=True),
        "thumbnail": pa.Column(object, nullable=True),
        "fingerprint": pa.Column(object, nullable=True),
        "version": _count(),
    }
)

_RELATIONS = ("same file", "copy", "shared part", "look-alike", "different")

#: One row a pair of sheets that was worth comparing.
similar_sheets = _table(
    {
        "sheet_id": _ids(),
        "other_id": _ids(),
        "sha256": _digest(),
        "other_sha256": _digest(),
        "relation": _one_of(_RELATIONS),
        "similarity": _number(-1.01, 1.01, nullable=True),
        "score": _number(-1.01, 1.01, nullable=True),
        "orientation": pa.Column(int, pa.Check.in_range(0, 7)),
    },
    unique=["sheet_id", "other_id"],
)

#: One row a sound picture; one that would join groups of different splits has a ``problem``.
sheet_groups = _table(
    {"sheet_id": _ids(unique=True), "group_id": _ids(), "problem": pa.Column(str)}
)

#: One row a sheet.
sheets = _table(
    {
        "sheet_id": _ids(unique=True),
        "path": _ids(),
        "width": _count(1),
        "height": _count(1),
        "sha256": _digest(),
        "group_id": _ids(),
        "mean_intensity": _number(0, 255),
        "black_fraction": _number(0, 1),
        "has_defect": pa.Column(bool),
    }
)

#: One row a defective sheet and class.
annotations = _table(
    {"sheet_id": _ids(), "class_id": _count(1), "rle": _ids(), "area_px": _count(1)},
    unique=["sheet_id", "class_id"],
)


def _groups_stay_together(table: pd.DataFrame) -> bool:
    return bool((table.groupby("group_id")["split"].nunique() <= 1).all())


#: One row a sheet; near-duplicates share a group and groups never straddle splits.
splits = pa.DataFrameSchema(
    {
        "sheet_id": _ids(unique=True),
        "group_id": _ids(),
        "split": _one_of(SPLITS),
        "fold": _lists(0),
    },
    checks=pa.Check(_groups_stay_together, error="a group lies in two splits"),
    strict=True,
    ordered=True,
)

#: One row a content of a sheet: what keeps it where it is when sheets are added.
split_assignments = _table(
    {"sha256": _digest(unique=True), "split": _one_of(SPLITS), "fold": _lists(0)}
)

#: One row a sheet: which coil it was taken from, and where along it; null where unknown.
sheet_positions = _table(
    {
        "sheet_id": _ids(unique=True),
        "coil_id": pa.Column(str, nullable=True),
        "position_mm": _number(None, nullable=True),
    }
)

#: One row a window of a sheet.
tiles = _table(
    {
        "sheet_id": _ids(),
        "split": _one_of(SPLITS),
        "x": _count(),
        "y": _count(),
        "width": _count(1),
        "height": _count(1),
        "area_px": _lists(0),
    }
)

#: One row a way to divide and a held-out split: how close its sheets come to training sheets.
leakage = _table(
    {
        "division": _ids(),
        "split": _one_of(SPLITS),
        "sheets": _count(1),
        "similarity_p50": _number(-1, 1),
        "similarity_p95": _number(-1, 1),
        "similarity_max": _number(-1, 1),
        "copies": _count(),
    },
    unique=["division", "split"],
    csv=True,
)

#: One row a way to divide: what the masks of the nearest training sheets score on the test sheets.
lookup_baseline = _table(
    {
        "division": _ids(unique=True),
        "sheets": _count(),
        "mean_dice": _number(0, 1, nullable=True),
        "mean_iou": _number(0, 1, nullable=True),
        "all_empty_dice": _number(0, 1, nullable=True),
    },
    csv=True,
)

#: One row a sheet that is unlike the rest.
oddest_sheets = _table(
    {
        "sheet_id": _ids(unique=True),
        "path": _ids(),
        "measure": _ids(),
        "value": _number(None),
        "percentile": _number(0, 100),
    },
    csv=True,
)

_EVALUATED = {
    "sheet_id": _ids(),
    "split": _one_of(SPLITS),
    "repeat": _count(nullable=True),
    "fold": _count(nullable=True),
}

#: One row a sheet: what the network says, before calibration.
classifier_outputs = _table(
    {
        "sheet_id": _ids(unique=True),
        "split": _one_of(SPLITS),
        "has_defect": pa.Column(bool),
        "output": _number(0, 1),
    }
)

#: One row a sheet and repeat of a cross-validation; no rows without one.
out_of_fold_scores = _table(
    {
        "sheet_id": _ids(),
        "repeat": _count(nullable=True),
        "fold": _count(nullable=True),
        "score": _number(0, 1),
    },
    unique=["sheet_id", "repeat"],
)

#: One row a sheet, and one more for each repeat of a cross-validation.
sheet_scores = _table(
    {**_EVALUATED, "has_defect": pa.Column(bool), "score": _number(0, 1)},
    unique=["sheet_id", "repeat"],
)

#: One row a sheet and class.
predictions = _table(
    {
        **_EVALUATED,
        "class_id": _count(1),
        "rle": pa.Column(str),
        "area_px": _count(),
        "score": _number(0, 1),
    },
    unique=["sheet_id", "repeat", "class_id"],
)

#: One row an epoch.
history = pa.DataFrameSchema(
    {"epoch": _count(1), "loss": _number(None)}, strict=False, unique=["epoch"]
)


def _comparison(unique: list[str], columns: dict[str, pa.Column]) -> pa.DataFrameSchema:
    """A table that sets models side by side; further columns may stand in it."""
    return pa.DataFrameSchema(columns, unique=unique, coerce=True)


def _rate() -> pa.Column:
    """A share; missing where there are no sheets of the kind that it is a share of."""
    return _number(0, 1, nullable=True)


_SPEED = {
    "parameters": _count(1),
    "ms_per_sheet": _number(),
    "training_seconds": _number(),
}

#: One row a backbone.
classification_comparison = _comparison(
    ["backbone"],
    {
        "backbone": _ids(),
        "weights": _ids(),
        "evaluation": _one_of(("test", "out_of_fold")),
        "sheets": _count(),
        "accuracy": _rate(),
        "roc_auc": _rate(),
        "pr_auc": _rate(),
        **_SPEED,
    },
)

#: One row an architecture.
segmentation_comparison = _comparison(
    ["architecture"],
    {
        "architecture": _ids(),
        "evaluation": _one_of(("test", "out_of_fold")),
        "sheets": _count(),
        "mean_dice": _rate(),
        "dice_on_positives": _rate(),
        "boundary_iou_on_positives": _rate(),
        "detection_rate": _rate(),
        "false_positive_rate": _rate(),
        **_SPEED,
    },
)

#: One row an architecture and class.
class_comparison = _comparison(
    ["architecture", "class_id"],
    {
        "architecture": _ids(),
        "class_id": _count(1),
        "class_name": _ids(),
        "positives": _count(),
        "mean_dice": _rate(),
        "dice_on_positives": _rate(),
        "detection_rate": _rate(),
        "false_positive_rate": _rate(),
    },
)

#: One row a sheet to draw.
overlay_selection = _table({"sheet_id": _ids(), "outcome": _ids(), "caption": _ids()})

#: The competition's form: one row a sheet and class, an empty mask for none.
submission = _table({"ImageId_ClassId": _ids(unique=True), "EncodedPixels": pa.Column(str)})

#: One row an inspected sheet.
verdicts = _table(
    {
        "sheet_id": _ids(unique=True),
        "path": _ids(),
        "coil_id": pa.Column(str, nullable=True),
        "position_mm": _number(None, nullable=True),
        "gate_score": _number(0, 1, nullable=True),
        "verdict": _one_of(VERDICTS),
        "defect_count": _count(),
        "defect_area_px": _count(),
        "reason": _ids(),
        "model_id": _ids(),
        "thresholds_id": _ids(),
        "inspected_at": pa.Column(pd.DatetimeTZDtype("us", "UTC")),
    }
)

#: One row a defect region.
defects = _table(
    {
        "sheet_id": _ids(),
        "class_id": _count(1),
        "coil_id": pa.Column(str, nullable=True),
        "position_mm": _number(None, nullable=True),
        "x": _count(),
        "y": _count(),
        "width": _count(1),
        "height": _count(1),
        "area_px": _count(1),
        "length_px": _number(),
        "area_mm2": _number(nullable=True),
        "length_mm": _number(nullable=True),
        "orientation_deg": _number(-90, 90),
        "score": _number(0, 1),
        "severity": _ids(),
    }
)
