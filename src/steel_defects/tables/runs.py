"""Tables that set two runs side by side."""

import pandera.pandas as pa

from steel_defects.tables.columns import (
    count,
    identifiers,
    number,
    one_of,
    rate,
    table,
)
from steel_defects.tables.inspection import VERDICTS

#: One row a part, evaluation and figure of two versions, on the sheets that both scored; no rows
#: where none was named to compare with.
run_comparison = table(
    {
        "compared_with": identifiers(),
        "part": one_of(("gate", "segmenter", "verdicts")),
        "model": identifiers(),
        "version": identifiers(),
        "evaluation": one_of(("test", "out_of_fold")),
        "sheets": count(1),
        "left_out": count(),
        "metric": identifiers(),
        "before": rate(),
        "after": rate(),
        "difference": number(-1, 1, nullable=True),
        "difference_low": number(-1, 1, nullable=True),
        "difference_high": number(-1, 1, nullable=True),
    },
    unique=["part", "evaluation", "metric"],
)

#: One row a sheet whose verdict is another than that of the earlier version.
changed_verdicts = table(
    {
        "sheet_id": identifiers(unique=True),
        "has_defect": pa.Column(bool),
        "verdict_before": one_of(VERDICTS),
        "verdict_after": one_of(VERDICTS),
        "better": pa.Column(bool),
    }
)
