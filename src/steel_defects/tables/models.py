"""Tables of classification, segmentation and reporting."""

import pandera.pandas as pa

from steel_defects.tables.columns import (
    SPLITS,
    comparison,
    count,
    identifiers,
    lists,
    number,
    one_of,
    rate,
    table,
)

# A threshold that no score reaches lies just above 1.
_ABOVE_ONE = 1 + 1e-9

_EVALUATED = {
    "sheet_id": identifiers(),
    "split": one_of(SPLITS),
    "repeat": count(nullable=True),
    "fold": count(nullable=True),
}

#: What the network says, the same calibrated, and from where on a sheet counts as defective.
_SCORED = {
    "output": number(0, 1),
    "score": number(0, 1),
    "threshold": number(0, _ABOVE_ONE),
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

#: One row a sheet: where in it the network sees a defect, as ``rows × columns`` values.
heat_maps = table(
    {
        "sheet_id": identifiers(unique=True),
        "rows": count(1),
        "columns": count(1),
        "heat": lists(0),
    }
)

#: One row a sheet and repeat of a cross-validation; no rows without one.
out_of_fold_scores = table(
    {
        "sheet_id": identifiers(),
        "repeat": count(nullable=True),
        "fold": count(nullable=True),
        **_SCORED,
    },
    unique=["sheet_id", "repeat"],
)

#: One row a sheet, and one more for each repeat of a cross-validation.
sheet_scores = table(
    {**_EVALUATED, "has_defect": pa.Column(bool), **_SCORED}, unique=["sheet_id", "repeat"]
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

#: The chosen gate's score of each sheet, and one more for each repeat of a cross-validation; no
#: rows without a gate.
gate_scores = table(
    {
        "sheet_id": identifiers(),
        "repeat": count(nullable=True),
        "score": number(0, 1),
        "cleared": pa.Column(bool),
    },
    unique=["sheet_id", "repeat"],
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

#: One row a backbone and evaluation; further figures, and the intervals of all, stand beside these.
classification_comparison = comparison(
    ["backbone", "evaluation"],
    {
        "backbone": identifiers(),
        "weights": identifiers(),
        "evaluation": one_of(("test", "out_of_fold")),
        "sheets": count(),
        "defective_sheets": count(),
        "repeats": count(1),
        "accuracy": rate(),
        "accuracy_low": rate(),
        "accuracy_high": rate(),
        "roc_auc": rate(),
        "pr_auc": rate(),
        "fpr_at_recall_99": rate(),
        "parameters": count(1),
        "parameters_with_top": count(1),
        "ms_per_sheet_p50": number(),
        "ms_per_sheet_p90": number(),
        "training_seconds": number(),
    },
)

#: One row an architecture and evaluation.
segmentation_comparison = comparison(
    ["architecture", "evaluation"],
    {
        "architecture": identifiers(),
        "evaluation": one_of(("test", "out_of_fold")),
        "sheets": count(),
        "mean_dice": rate(),
        "mean_iou": rate(),
        "dice_on_positives": rate(),
        "boundary_iou_on_positives": rate(),
        "boundary_f1_on_positives": rate(),
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
        "mean_iou": rate(),
        "dice_on_positives": rate(),
        "detection_rate": rate(),
        "false_positive_rate": rate(),
    },
)

#: One row a sheet to draw.
overlay_selection = table(
    {"sheet_id": identifiers(), "outcome": identifiers(), "caption": identifiers()}
)

_SHARES = ("heat_share", "gaussian_share", "uniform_share")

#: One row a defective sheet: how much of its heat lies on its defects, and of a map that knows
#: nothing of it; ``…_near`` counts what is within a cell of them, too.
grad_cam_check = table(
    {
        "sheet_id": identifiers(unique=True),
        "outcome": one_of(("hit", "miss")),
        **{name: number(0, 1) for name in _SHARES},
        **{f"{name}_near": number(0, 1) for name in _SHARES},
    },
    csv=True,
)

#: One row a sheet that the chosen gate is wrong about, the most certain first.
confident_mistakes = table(
    {
        "sheet_id": identifiers(unique=True),
        "has_defect": pa.Column(bool),
        "score": number(0, 1),
        "evaluation": one_of(("out_of_fold", *SPLITS)),
    },
    csv=True,
)
