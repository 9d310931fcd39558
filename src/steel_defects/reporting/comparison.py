"""Tables that set models side by side, each narrow enough to read; and an earlier version."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.decision.operating_point import Rates
from steel_defects.evaluation.pooled import POOLED, RULE
from steel_defects.reporting import tables
from steel_defects.reporting.class_confusion import confusion_table
from steel_defects.reporting.context import ReportContext
from steel_defects.reporting.tables import Table, evaluation, from_frame

_MOST_ROWS = 200  # of changed verdicts
_QUALITY = (
    *("backbone", "evaluation", "sheets", "repeats", "accuracy", "balanced_accuracy"),
    *("roc_auc", "pr_auc", "brier", "log_loss"),
)
_COST = (
    *("backbone", "weights", "input_height", "input_width", "parameters", "parameters_with_top"),
    *("epochs", "ms_per_sheet_p50", "ms_per_sheet_p90", "training_seconds"),
)
_SEGMENTER_COST = (
    *("folds", "parameters", "learning_rate", "epochs", "training_seconds", "tta", "ms_per_sheet"),
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
_BEHIND_GATE = ("mean_dice_gated", "dice_on_positives_gated")
_WHERE = re.compile(r"(fpr_at_recall|recall_class)_\d+")
_INTERVALS = "with 95 % intervals"
_BEFORE_AND_AFTER = [
    ("figure", False), ("of", False), ("evaluation", False), ("sheets", True), ("before", True),
    ("after", True), ("difference, with its 95 % interval", True),
]  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A table under its heading, and what to say where it has no rows."""

    heading: str
    table: Table | None
    otherwise: str = "None."


def comparison_parts(context: ReportContext) -> list[Part]:
    """Set out all gates, operating points, segmenters and classes; empty tables are told of."""
    classes = from_frame("Each class on its own", context.per_class, context.segmenter.name)
    gates: list[Part] = []
    segmenters = context.segmentation_comparison
    if not context.gate.name:
        segmenters = segmenters.drop(columns=list(_BEHIND_GATE), errors="ignore")
    else:
        gates += _gate_parts(context.classification_comparison, context.gate.name)
        gates += _operating_point_parts(context)
    return [
        *gates,
        *_segmenter_parts(segmenters, context.segmenter.name),
        Part("Defect classes", classes, "No class was evaluated."),
        Part(
            "Which class is taken for which",
            confusion_table(context.confusion),
            "There is no defect, in truth or in prediction.",
        ),
    ]


def _gate_parts(comparison: pd.DataFrame, chosen: str | None) -> list[Part]:
    """Quality, where the gates miss and alarm, and what they cost."""
    quality = _only(comparison, _QUALITY)
    if "repeats" in quality and quality["repeats"].eq(1).all():
        quality = quality.drop(columns="repeats")  # nothing was repeated
    caption = (
        f"Backbones, {_INTERVALS}; accuracies are those at the threshold that was most accurate "
        "on validation, not at the operating point"
    )
    table = from_frame(caption, quality, chosen)
    parts = [Part("Classifiers", table, "No classifier was compared.")]
    if comparison.empty:
        return parts
    where = [name for name in comparison.columns if _WHERE.fullmatch(name)]
    caption = f"False positives at a recall, and recall of each defect class, {_INTERVALS}"
    errors = _only(comparison, ["backbone", "evaluation", "sheets", *where])
    cost = _only(comparison.drop_duplicates("backbone"), _COST)
    if where:
        heading = "Misses and false alarms of the classifiers"
        parts.append(Part(heading, from_frame(caption, errors, chosen)))
    if len(cost.columns) > 1:
        table = from_frame("Backbones, one sheet at a time", cost, chosen)
        parts.append(Part("Cost of the classifiers", table))
    return parts


def _only(frame: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Keep some columns, those there are, with the ends of their intervals."""
    wanted = [f"{name}{end}" for name in columns for end in ("", "_low", "_high")]
    return frame[[name for name in dict.fromkeys(wanted) if name in frame]]


def _operating_point_parts(context: ReportContext) -> list[Part]:
    """The operating points, what they stand on, and what test sheets say of them."""

    def table(caption: str, points: Mapping[str, Rates], columns: Iterable[str]) -> Table | None:
        rows = pd.DataFrame([{"backbone": name, **dict(point)} for name, point in points.items()])
        return from_frame(caption, _only(rows, columns), context.gate.name)

    points = context.operating_points
    thresholds = table("Thresholds of the gates", points, _POINT)
    if thresholds and context.gate_point:
        thresholds = replace(thresholds, remark=context.gate_point.evidence)
    parts = [Part("Operating points", thresholds, "No operating point was set.")]
    checked = {name: point.test for name, point in points.items() if point.test}
    if test := table("The same thresholds on the test sheets, looked at once", checked, _CHECKED):
        parts.append(Part("Check of the operating points", test))
    return parts


def _segmenter_parts(comparison: pd.DataFrame, chosen: str | None) -> list[Part]:
    """How well the segmenters outline, the figures of papers, and what they cost."""
    cost = [name for name in _SEGMENTER_COST if name in comparison]
    pooled = list(_only(comparison, POOLED))
    quality = from_frame("Architectures", comparison.drop(columns=[*cost, *pooled]), chosen)
    parts = [Part("Segmenters", quality, "No segmenter was compared.")]
    keys = ("architecture", "evaluation", "sheets")
    if comparison[pooled].notna().any(axis=None):
        caption = f"Architectures, the pixels of all sheets pooled, {_INTERVALS}"
        table = from_frame(caption, _only(comparison, [*keys, *POOLED]), chosen)
        table = replace(table, remark=RULE) if table else None
        parts.append(Part("Segmenters, to compare with papers", table))
    if cost and len(comparison):
        rows = _only(comparison, [*keys, *cost])
        table = from_frame("Architectures, one sheet at a time", rows, chosen)
        parts.append(Part("Cost of the segmenters", table))
    return parts


# --- an earlier version ---------------------------------------------------------------------


@dataclass(frozen=True)
class Changes:
    """What became of the figures and verdicts of an earlier version."""

    version: str
    sentences: list[str]
    figures: Table
    summary: str
    verdicts: Table | None


def changes(context: ReportContext) -> Changes | None:
    """Set out the comparison with an earlier version; None where nothing was compared."""
    figures, changed = context.earlier.figures, context.earlier.changed_verdicts
    if figures.empty:
        return None
    version = str(figures["compared_with"].iloc[0])
    caption = "Sheets whose verdict changed, for the worse first"
    return Changes(
        version,
        _sentences(context, version),
        _before_and_after(figures),
        _summary(figures, changed),
        tables.from_records(caption, changed.to_dict("records"), _MOST_ROWS),
    )


def changed_captions(changed: pd.DataFrame) -> list[str]:
    """Describe each changed verdict in a line: sheet, label, and the verdict before and after."""
    return [
        f"{tables.labelled(number, row)}, {row.verdict_before}, now {row.verdict_after} "
        f"({'better' if row.better else 'worse'})"
        for number, row in enumerate(changed.itertuples(), start=1)
    ]


def _sentences(context: ReportContext, version: str) -> list[str]:
    """Say which versions stand in, and which model is left out."""
    figures, sentences = context.earlier.figures, []
    for part, name in (("gate", context.gate.name), ("segmenter", context.segmenter.name)):
        versions = figures.loc[figures["part"] == part, "version"].tolist()
        if name and not versions:
            sentences.append(
                f"The {part} {name} is not compared: {version} has none, or none on these sheets."
            )
        elif name and versions[0] != version:
            sentences.append(f"The {part} {name} in use then was that of {versions[0]}.")
    if left_out := int(figures["left_out"].max()):
        sentences.append(
            "Figures stand on the sheets that both versions scored; "
            f"up to {left_out:,} that only one of them scored are left out."
        )
    if "changed_labels" in figures and (changed := int(figures["changed_labels"].max())):
        labels = "label of 1 sheet" if changed == 1 else f"labels of {changed:,} sheets"
        sentences.append(
            f"People changed the {labels} among these since then; both versions are judged by the "
            "labels of today."
        )
    return sentences


def _summary(figures: pd.DataFrame, changed: pd.DataFrame) -> str:
    verdicts = figures[figures["part"] == "verdicts"].to_dict("records")
    if not verdicts:
        return "No sheet was judged by both versions."
    better = int(changed["better"].sum())
    return (
        f"On {tables.basis(verdicts[0])} that neither version had seen, "
        f"{len(changed):,} {'verdict' if len(changed) == 1 else 'verdicts'} changed: "
        f"{better:,} for the better, {len(changed) - better:,} for the worse."
    )


def _before_and_after(figures: pd.DataFrame) -> Table:
    rows = [
        [
            tables.title_of(row["metric"]),
            f"{row['part']}: {row['model']}",
            evaluation(row),
            tables.cell("sheets", row["sheets"]),
            *(tables.cell(row["metric"], row[key]) for key in ("before", "after")),
            _difference(row),
        ]
        for row in figures.to_dict("records")
    ]
    return Table("Before and after, on the same sheets", _BEFORE_AND_AFTER, rows)


def _difference(row: Mapping[Any, Any]) -> str:
    """Write a difference with its sign; one between percentages is in percentage points."""
    if tables.missing(row["difference"]):
        return tables.cell(row["metric"], None)
    in_points = tables.cell(row["metric"], 0.5).endswith("%")
    scale, digits = (100, 1) if in_points else (1, 3)
    middle, low, high = (
        f"{np.round(scale * row[f'difference{end}'], digits) + 0.0:+.{digits}f}"
        for end in ("", "_low", "_high")
    )
    interval = "" if tables.missing(row["difference_low"]) else f" ({low} to {high})"
    return f"{middle}{' points' if in_points else ''}{interval}"
