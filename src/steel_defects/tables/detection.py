"""Tables of what is found: by sheet and class, by defect, and on worse pictures."""

import pandera.pandas as pa

from steel_defects.tables.columns import (
    count,
    identifiers,
    number,
    one_of,
    rate,
    table,
)

#: One row a sheet, class and evaluation: how well its masks agree.
evaluated_pairs = table(
    {
        "sheet_id": identifiers(),
        "class_id": count(1),
        "dice": number(0, 1),
        "iou": number(0, 1),
        "boundary_iou": number(0, 1),
        "boundary_f1": number(0, 1),
        "true_px": count(),
        "predicted_px": count(),
        "evaluation": one_of(("test", "out_of_fold")),
    },
    unique=["sheet_id", "class_id", "evaluation"],
)

#: One row a connected region of a true mask.
defect_targets = table(
    {
        "sheet_id": identifiers(),
        "class_id": count(1),
        "size_px": count(1),
        "found": pa.Column(bool),
    }
)

#: One row a corruption and level, 0 for the sheets as they are; no rows where it is not measured.
robustness = table(
    {
        "corruption": identifiers(),
        "level": count(),
        "strength": number(nullable=True),
        "sheets": count(1),
        "accuracy": rate(),
        "recall": rate(),
        "false_positive_rate": rate(),
        "mean_dice": rate(),
        "dice_on_positives": rate(),
    },
    unique=["corruption", "level"],
    csv=True,
)
