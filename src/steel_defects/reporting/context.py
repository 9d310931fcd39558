"""All that the report is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from steel_defects.decision.operating_point import OperatingPoint
from steel_defects.models.trained import ModelSelection
from steel_defects.reporting.gallery import Picture
from steel_defects.reporting.tables import missing

#: Test sheets from which their figures stand for a model, whatever there is out of fold.
_ENOUGH_SHEETS = 100

Row = Mapping[str, Any]


@dataclass(frozen=True)
class DataFindings:
    """What is known of the data.

    That is counts, tables and lists in any form, in which ``quarantined`` lists findings; how near
    held-out sheets come to training sheets; what copying the nearest training sheet scores; and a
    picture of the sheets least like the rest.
    """

    quality: Row = field(default_factory=dict)
    leakage: pd.DataFrame = field(default_factory=pd.DataFrame)
    lookup_baseline: pd.DataFrame = field(default_factory=pd.DataFrame)
    oddest_sheets: bytes = b""


@dataclass(frozen=True)
class GateFindings:
    """Whether the gate looks at the defects, in a sentence and a picture, and its worst mistakes.

    Of the most confident mistakes there is one row per sheet, and a picture.
    """

    attention: str = ""
    grad_cam: bytes = b""
    mistakes: pd.DataFrame = field(default_factory=pd.DataFrame)
    mistake_sheets: bytes = b""


@dataclass(frozen=True)
class ShownSheets:
    """Pictures of test sheets with truth and prediction, and how many there are by outcome."""

    pictures: Sequence[Picture] = ()
    totals: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class EarlierVersion:
    """An earlier version and this one: figures, changed verdicts, and a picture of some."""

    figures: pd.DataFrame = field(default_factory=pd.DataFrame)
    changed_verdicts: pd.DataFrame = field(default_factory=pd.DataFrame)
    changed_sheets: bytes = b""


@dataclass(frozen=True)
class LearningCurves:
    """What models reach with growing shares of the sheets: ``learning_curve``, and its chart."""

    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    figure: bytes = b""


@dataclass(frozen=True)
class ReportContext:
    """What a report shows; anything may be empty, and the report then says so.

    Charts are PNG files, pictures of sheets JPEG files, a fifth as large.

    Attributes:
        run: Record of the run: ``run_id``, ``environment``, ``git_revision``, ``versions`` ….
        classification_comparison: One row per backbone and evaluation.
        segmentation_comparison: One row per architecture and evaluation.
        per_class: One row per architecture and class.
        confusion: How many regions of each class were given which.
        operating_points: Of the gates, by backbone.
        cascade_point: Operating point of gate and segmenter as one; None where there is none.
        false_alarm_target: Share of clean sheets that may not be cleared; None for no target.
        class_names: Names of classes 1, 2, ….
        figures: Charts by title.
        detection: Sentences about detection by size.
        robustness: Figures on worse pictures, one row per corruption and level.
    """

    title: str = "Steel defects: model report"
    run: Row = field(default_factory=dict)
    classification_comparison: pd.DataFrame = field(default_factory=pd.DataFrame)
    segmentation_comparison: pd.DataFrame = field(default_factory=pd.DataFrame)
    per_class: pd.DataFrame = field(default_factory=pd.DataFrame)
    confusion: pd.DataFrame = field(default_factory=pd.DataFrame)
    gate: ModelSelection = ModelSelection(name=None, reason="")
    segmenter: ModelSelection = ModelSelection(name=None, reason="")
    operating_points: Mapping[str, OperatingPoint] = field(default_factory=dict)
    cascade_point: OperatingPoint | None = None
    false_alarm_target: float | None = None
    class_names: Sequence[str] = ()
    data: DataFindings = field(default_factory=DataFindings)
    figures: Mapping[str, bytes] = field(default_factory=dict)
    explained: GateFindings = field(default_factory=GateFindings)
    detection: Sequence[str] = ()
    robustness: pd.DataFrame = field(default_factory=pd.DataFrame)
    shown: ShownSheets = ShownSheets()
    earlier: EarlierVersion = field(default_factory=EarlierVersion)
    learning_curve: LearningCurves = field(default_factory=LearningCurves)

    @property
    def gate_point(self) -> OperatingPoint | None:
        """Operating point of the chosen gate."""
        return self.operating_points.get(self.gate.name or "")

    @property
    def gate_rows(self) -> list[Row]:
        """Figures of the chosen gate, those that stand for it first."""
        return _rows_of(self.classification_comparison, "backbone", self.gate.name)

    @property
    def segmenter_rows(self) -> list[Row]:
        """Figures of the chosen segmenter, those that stand for it first."""
        return _rows_of(self.segmentation_comparison, "architecture", self.segmenter.name)


def _rows_of(frame: pd.DataFrame, column: str, name: str | None) -> list[Row]:
    """The test split comes first, unless it is a handful of sheets; then what has the most."""
    if column not in frame:
        return []

    def standing(row: Row) -> tuple[bool, int]:
        sheets = 0 if missing(row.get("sheets")) else int(row["sheets"])
        return row.get("evaluation") == "test" and sheets >= _ENOUGH_SHEETS, sheets

    rows = frame[frame[column] == name].to_dict("records")
    return sorted(rows, key=standing, reverse=True)
