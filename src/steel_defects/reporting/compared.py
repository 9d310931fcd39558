"""What the report says of an earlier version of the models."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.reporting import tables
from steel_defects.reporting.tables import Table

_MOST_ROWS = 200
_COLUMNS = (
    ("figure", False), ("of", False), ("evaluation", False), ("sheets", True), ("before", True),
    ("after", True), ("difference, with its 95 % interval", True),
)  # fmt: skip


def comparison_section(
    figures: pd.DataFrame, changed: pd.DataFrame, chosen: Mapping[str, object]
) -> dict[str, Any] | None:
    """Set out the comparison.

    Args:
        figures: ``run_comparison``.
        changed: ``changed_verdicts``.
        chosen: The chosen models by part: ``gate``, ``segmenter``; None for none.

    Returns:
        ``version``, ``sentences``, ``figures``, ``summary`` and ``changed``; None where nothing was
        compared.
    """
    if figures.empty:
        return None
    version = str(figures["compared_with"].iloc[0])
    return {
        "version": version,
        "sentences": _sentences(figures, version, chosen),
        "figures": _figures(figures),
        "summary": _summary(figures, changed),
        "changed": tables.from_records(
            "Sheets whose verdict changed, for the worse first",
            changed.to_dict("records"),
            _MOST_ROWS,
        ),
    }


def changed_captions(changed: pd.DataFrame) -> list[str]:
    """Describe each changed verdict in a line: sheet, label, and the verdict before and after."""
    return [
        f"{number}  {row.sheet_id}: labelled {'defective' if row.has_defect else 'clean'}, "
        f"{row.verdict_before}, now {row.verdict_after} ({'better' if row.better else 'worse'})"
        for number, row in enumerate(changed.itertuples(), start=1)
    ]


def _sentences(figures: pd.DataFrame, version: str, chosen: Mapping[str, object]) -> list[str]:
    """Say which versions stand in, and which model is left out."""
    found = []
    for part, name in chosen.items():
        rows = figures[figures["part"] == part]
        if name is None:
            continue
        if rows.empty:
            found.append(
                f"The {part} {name} is not compared: {version} has none, or none on these sheets."
            )
        elif (older := rows["version"].iloc[0]) != version:
            found.append(f"The {part} {name} in use then was that of {older}.")
    left_out = int(figures["left_out"].max())
    if left_out:
        found.append(
            "Figures stand on the sheets that both versions scored; "
            f"up to {left_out:,} that only one of them scored are left out."
        )
    return found


def _summary(figures: pd.DataFrame, changed: pd.DataFrame) -> str:
    rows = figures[figures["part"] == "verdicts"]
    if rows.empty:
        return "No sheet was judged by both versions."
    sheets, kind = int(rows["sheets"].iloc[0]), _kind(str(rows["evaluation"].iloc[0]))
    better = int(changed["better"].sum())
    verdicts = "verdict" if len(changed) == 1 else "verdicts"
    return (
        f"On {sheets:,} {kind} sheets that neither version had seen, {len(changed):,} {verdicts} "
        f"changed: {better:,} for the better, {len(changed) - better:,} for the worse."
    )


def _figures(figures: pd.DataFrame) -> Table:
    return Table(
        caption="Before and after, on the same sheets",
        columns=list(_COLUMNS),
        rows=[
            [
                tables.label(row.metric),
                f"{row.part}: {row.model}",
                _kind(row.evaluation),
                tables.cell("sheets", row.sheets),
                *(tables.cell(row.metric, value) for value in (row.before, row.after)),
                _difference(row),
            ]
            for row in figures.itertuples()
        ],
    )


def _kind(evaluation: str) -> str:
    return evaluation.replace("_", "-")


def _difference(row: Any) -> str:
    """Write a difference with its sign; one between percentages is in percentage points."""
    if tables.missing(row.difference):
        return tables.cell(row.metric, None)
    in_points = tables.cell(row.metric, 0.5).endswith("%")
    scale, digits = (100, 1) if in_points else (1, 3)
    values = (row.difference, row.difference_low, row.difference_high)
    middle, low, high = (f"{np.round(scale * value, digits) + 0.0:+.{digits}f}" for value in values)
    interval = "" if tables.missing(row.difference_low) else f" ({low} to {high})"
    return f"{middle}{' points' if in_points else ''}{interval}"
