"""Tables of classification, segmentation and reporting."""

import pandera.pandas as pa

from steel_defects.annotations.schemas.columns import (
    SPLITS,
    comparison,
    count,
    identifiers,
    number,
    one_of,
    rate,
    table,
)

_EVALUATED = {
    "sheet_id": identifiers(),
    "split": one_of(SPLITS),
    "repeat": count(nullable=True),
    "fold": count(nullable=True),
}

#: One row a sheet: what the network says, before calibration.
classifier_outputs = table(
    {
        "sheet_id": identifiers(unique=True),
        "split": one_of(SPLITS),
        "has_defect": pa.Column(bool),
        "output": number(0, 1),
    }
)

#: One row a sheet and repeat of a cross-validation; no rows without one.
out_of_fold_scores = table(
    {
        "sheet_id": identifiers(),
        "repeat": count(nullable=True),
        "fold": count(nullable=True),
        "score": number(0, 1),
    },
    unique=["sheet_id", "repeat"],
)

#: One row a sheet, and one more for each repeat of a cross-validation.
sheet_scores = table(
    {**_EVALUATED, "has_defect": pa.Column(bool), "score": number(0, 1)},
    unique=["sheet_id", "repeat"],
)

#: One row a sheet and class.
predictions = table(
    {
        **_EVALUATED,
        "class_id": count(1),
        "rle": pa.Column(str),
        "area_px": count(),
        "score": number(0, 1),
    },
    unique=["sheet_id", "repeat", "class_id"],
)

#: One row an epoch.
history = pa.DataFrameSchema(
    {"epoch": count(1), "loss": number(None)}, strict=False, unique=["epoch"]
)

_SPEED = {
    "parameters": count(1),
    "ms_per_sheet": number(),
    "training_seconds": number(),
}

#: One row a backbone.
classification_comparison = comparison(
    ["backbone"],
    {
        "backbone": identifiers(),
        "weights": identifiers(),
        "evaluation": one_of(("test", "out_of_fold")),
        "sheets": count(),
        "accuracy": rate(),
        "roc_auc": rate(),
        "pr_auc": rate(),
        **_SPEED,
    },
)

#: One row an architecture.
segmentation_comparison = comparison(
    ["architecture"],
    {
        "architecture": identifiers(),
        "evaluation": one_of(("test", "out_of_fold")),
        "sheets": count(),
        "mean_dice": rate(),
        "dice_on_positives": rate(),
        "boundary_iou_on_positives": rate(),
        "detection_rate": rate(),
        "false_positive_rate": rate(),
        **_SPEED,
    },
)

#: One row an architecture and class.
class_comparison = comparison(
    ["architecture", "class_id"],
    {
        "architecture": identifiers(),
        "class_id": count(1),
        "class_name": identifiers(),
        "positives": count(),
        "mean_dice": rate(),
        "dice_on_positives": rate(),
        "detection_rate": rate(),
        "false_positive_rate": rate(),
    },
)

#: One row a sheet to draw.
overlay_selection = table(
    {"sheet_id": identifiers(), "outcome": identifiers(), "caption": identifiers()}
)
