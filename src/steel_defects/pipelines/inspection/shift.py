"""What the shift leader gets: a table for spreadsheets, and the rows of a page."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from steel_defects.images.folder import SheetFolder
from steel_defects.pipelines.inspection.overlays import Drawing, with_class_names
from steel_defects.reporting.gallery import as_jpeg
from steel_defects.reporting.inspection_page import (
    VERDICT_WORDS,
    InspectionPage,
    SheetList,
    SheetRow,
)
from steel_defects.reporting.tables import missing
from steel_defects.tables.columns import COLUMNS, title_of

# As the catalog names them.
PAGE, TABLE, TO_CHECK = "inspection_page.html", "inspection_table.csv", "sheets_to_check.csv"
#: Files next to the page.
FILES = {
    TABLE: "one row per sheet, for spreadsheets",
    TO_CHECK: "the sheets to look at again, the most doubtful first",
}
#: Sheets that a list of the page has at most: a page is read, not searched.
MOST_ROWS = 100
_THUMBNAIL = 640, 70  # columns of a small picture, which screens show at half its size; quality
_COLUMNS = (
    *("sheet_id", "coil_id", "position_mm", "verdict", "reason", "classes", "severity"),
    *("defect_count", "defect_area_px", "ignored_count", "gate_score", "joint_score", "margin"),
)
_ON_PAGE = ("coil_id", "position_mm", "reason", "classes", "severity", "defect_count")


def picture_name(sheet_id: str, verdict: str) -> str:
    """Return the name of a sheet's picture, if it was drawn."""
    return Drawing(sheet_id, verdict, "", ()).name


def heading(column: str) -> str:
    """Return a column's title with its unit, as a spreadsheet shows it."""
    unit = COLUMNS[column].unit
    title = title_of(column).capitalize()
    return f"{title} ({unit})" if unit else title


def spreadsheet_rows(
    verdicts: Iterable[pd.DataFrame], class_names: tuple[str, ...], drawn: Collection[str]
) -> Iterator[pd.DataFrame]:
    """Yield one table per part, with one row per sheet, in words.

    Args:
        verdicts: Tables of verdicts, one part after the other.
        class_names: Names of classes 1, 2, ….
        drawn: Names of the pictures that there are.
    """
    for table in verdicts:
        names = map(picture_name, table["sheet_id"], table["verdict"])
        rows = table[list(_COLUMNS)].assign(
            verdict=table["verdict"].map(VERDICT_WORDS),
            reason=[with_class_names(reason, class_names) for reason in table["reason"]],
            classes=[", ".join(of_sheet) for of_sheet in table["classes"]],
            **{name: table[name].round(3) for name in ("gate_score", "joint_score", "margin")},
        )
        rows = rows.rename(columns=heading)
        rows["Picture"] = [name if name in drawn else "" for name in names]
        rows["Inspected at (UTC)"] = table["inspected_at"].dt.strftime("%Y-%m-%d %H:%M:%S")
        yield rows


class PageSheets:
    """Collects the rejected sheets to show, and the times, from one table after the other."""

    def __init__(self, severities: Sequence[str]) -> None:
        """Name severities, the lowest first."""
        self._ranks = {name: rank for rank, name in enumerate(severities)}
        self.rejected = pd.DataFrame()
        self._times: list[pd.Timestamp] = []

    def add(self, verdicts: pd.DataFrame) -> None:
        """Take the verdicts of a part; the worst rejected sheets stay."""
        if len(verdicts):
            self._times += [verdicts["inspected_at"].min(), verdicts["inspected_at"].max()]
            self._times = [min(self._times), max(self._times)]
        rejected = verdicts[verdicts["verdict"] == "reject"]
        ranked = rejected.assign(rank=rejected["severity"].map(self._ranks))
        tables = [table for table in (self.rejected, ranked) if len(table)]
        if tables:
            worst = ["rank", "defect_area_px"]
            together = pd.concat(tables).sort_values(worst, ascending=False, kind="stable")
            self.rejected = together.head(MOST_ROWS)

    @property
    def when(self) -> str:
        """From when to when sheets were inspected."""
        times = [f"{time:%Y-%m-%d %H:%M}" for time in self._times]
        return f"{' to '.join(dict.fromkeys(times))} UTC" if times else ""


def severities_of(summary: Mapping[str, Any]) -> list[str]:
    """Return the names of severities in force, the lowest first."""
    areas: Mapping[str, int] = summary["rules"].get("severity_area_px", {})
    return sorted(areas, key=lambda name: areas[name])


def page_lists(
    summary: Mapping[str, Any],
    rejected: pd.DataFrame,
    to_check: pd.DataFrame,
    pictures: SheetFolder,
    class_names: tuple[str, ...],
) -> list[SheetList]:
    """Return the lists of the page: rejected, to review, and accepted but doubtful."""
    counts, drawn = summary["verdicts"], set(pictures.sheet_ids)
    reviews, accepted = (to_check[to_check["verdict"] == name] for name in ("review", "accept"))

    def link(name: str) -> str:
        return f"{pictures.root.name}/{quote(name)}"

    def small(name: str) -> bytes:
        return as_jpeg(pictures.read_file(name), *_THUMBNAIL)

    def rows(table: pd.DataFrame, further: Sequence[str] = ()) -> list[SheetRow]:
        shown = [name for name in (*_ON_PAGE, *further) if name in table]
        records = table.head(MOST_ROWS).to_dict("records")
        return [
            replace(row, link=link(name), picture=small(name)) if name in drawn else row
            for row, name in (_row(record, shown, class_names) for record in records)
        ]

    def first(table: pd.DataFrame, verdict: str) -> str:
        shown, all_of_them = len(table.head(MOST_ROWS)), counts[verdict]
        return "" if shown >= all_of_them else f"The first {shown:,} of {all_of_them:,}."

    return [
        SheetList(
            "Rejected, the worst first", rows(rejected, ["defect_area_px"]),
            "No sheet was rejected.", first(rejected, "reject"),
        ),
        SheetList(
            "To review", rows(reviews, ["gate_score"]), "No sheet is to be reviewed.",
            first(reviews, "review"),
        ),
        SheetList(
            "Cleared, the nearest to a threshold first",
            rows(accepted, ["gate_score", "joint_score", "margin"]),
            "No sheet that a score cleared is listed.",
        ),
    ]  # fmt: skip


def _row(
    record: Mapping[Any, Any], shown: Sequence[str], class_names: tuple[str, ...]
) -> tuple[SheetRow, str]:
    """Return a row without its picture, and the name of that."""
    facts = {heading(name): _text(name, record[name], class_names) for name in shown}
    name = picture_name(record["sheet_id"], record["verdict"])
    return SheetRow(record["sheet_id"], facts), name


def _text(column: str, value: Any, class_names: tuple[str, ...]) -> str:
    if isinstance(value, list | np.ndarray):
        return ", ".join(value)
    if missing(value):
        return ""
    if column == "reason":
        return with_class_names(value, class_names)
    if isinstance(value, float):
        return f"{value:,.0f}" if column == "position_mm" else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def last_lines(page: InspectionPage, pictures: Path) -> list[str]:
    """Return what the log says at the end of an inspection, whose pictures lie in a folder."""
    counts = ", ".join(f"{value} {name}" for name, value, _ in page.figures[1:-1])
    *_, (_, speed, _) = page.figures
    return [
        f"{page.summary['sheets']:,} sheets are inspected: {counts}; {speed} ms per sheet",
        f"results in {pictures.parent}: {PAGE}, {TABLE}, {TO_CHECK}, {pictures.name}/",
    ]
