"""Tables of the gates, each narrow enough to read."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from steel_defects.reporting.tables import Table, from_frame

Section = tuple[str, Table | None, str]

_KEYS = ("backbone", "evaluation", "sheets")
_QUALITY = (
    *("backbone", "evaluation", "sheets", "repeats", "accuracy", "balanced_accuracy"),
    *("roc_auc", "pr_auc", "brier", "log_loss"),
)
_COST = (
    *("backbone", "weights", "input_height", "input_width", "parameters", "parameters_with_top"),
    *("epochs", "ms_per_sheet_p50", "ms_per_sheet_p90", "training_seconds"),
)
_POINT = (
    *("backbone", "evidence_from", "lower_threshold", "upper_threshold", "target_recall"),
    *("recall", "recall_bound", "false_positive_rate", "false_positive_bound", "review_share"),
    *("defective_sheets", "clean_sheets", "proven", "more_defective_sheets"),
)
_CHECKED = (
    *("backbone", "recall", "recall_bound", "false_positive_rate", "false_positive_bound"),
    *("accept_share", "review_share", "reject_share", "defective_sheets", "clean_sheets"),
)
_WHERE = re.compile(r"(fpr_at_recall|recall_class)_\d+")
_INTERVALS = "with 95 % intervals"
_QUALITY_CAPTION = (
    f"Backbones, {_INTERVALS}; accuracies are those at the threshold that was most accurate on "
    "validation, not at the operating point"
)


def classifier_sections(comparison: pd.DataFrame, chosen: object) -> list[Section]:
    """Split the comparison of gates: quality, where it misses and alarms, and cost.

    Args:
        comparison: ``classification_comparison``; any column may be missing.
        chosen: The backbone whose rows are marked.

    Returns:
        Heading, table and what to say in place of an empty one.
    """
    mark = {"backbone": chosen}
    quality = _only(comparison, _QUALITY)
    if "repeats" in quality and quality["repeats"].eq(1).all():
        quality = quality.drop(columns="repeats")  # nothing was repeated
    where = [str(name) for name in comparison if _WHERE.fullmatch(str(name))]
    once = comparison.drop_duplicates("backbone") if "backbone" in comparison else comparison
    sections = [
        (
            "Classifiers",
            from_frame(_QUALITY_CAPTION, quality, mark),
            "No classifier was compared.",
        )
    ]
    found = _only(comparison, [*_KEYS, *where])
    if where and len(comparison):
        caption = f"False positives at a recall, and recall of each defect class, {_INTERVALS}"
        sections.append(
            ("Misses and false alarms of the classifiers", *_shown(caption, found, mark))
        )
    cost = _only(once, _COST)
    if len(cost.columns) > 1 and len(cost):
        sections.append(
            ("Cost of the classifiers", *_shown("Backbones, one sheet at a time", cost, mark))
        )
    return sections


def _shown(
    caption: str, frame: pd.DataFrame, mark: Mapping[str, object]
) -> tuple[Table | None, str]:
    return from_frame(caption, frame, mark), ""


def _only(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Keep some columns, those there are, with the ends of their intervals."""
    wanted = [f"{name}{end}" for name in columns for end in ("", "_low", "_high")]
    return frame[[name for name in dict.fromkeys(wanted) if name in frame]]


def operating_point_sections(
    points: Mapping[str, Mapping[str, Any]], chosen: object
) -> list[Section]:
    """Show the operating points, what they stand on, and what test sheets say of them.

    Args:
        points: Fields of :class:`steel_defects.decision.operating_point.OperatingPoint` by
            backbone.
        chosen: The backbone whose row is marked.
    """
    mark = {"backbone": chosen}
    rows = pd.DataFrame([{"backbone": name, **point} for name, point in points.items()])
    table = from_frame("Thresholds of the gates", _only(rows, _POINT), mark)
    evidence = str(points.get(str(chosen), {}).get("evidence") or "")
    if table and evidence:
        table = Table(table.caption, table.columns, table.rows, table.chosen, evidence)
    sections = [("Operating points", table, "No operating point was set.")]
    tests = {name: point["test"] for name, point in points.items() if point.get("test")}
    if tests:
        checked = pd.DataFrame([{"backbone": name, **test} for name, test in tests.items()])
        caption = "The same thresholds on the test sheets, looked at once"
        sections.append(
            ("Check of the operating points", *_shown(caption, _only(checked, _CHECKED), mark))
        )
    return sections
