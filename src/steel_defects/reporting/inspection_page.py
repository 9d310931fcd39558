"""The page of an inspection, for whoever leads the shift: one HTML file with small pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from steel_defects.reporting.report import page_templates
from steel_defects.reporting.tables import Table, decimal, percent

#: What people call the verdicts, the one to look at first in front.
VERDICT_WORDS = {"reject": "rejected", "review": "to review", "accept": "accepted"}
_LIMITS = {"area_px": "{:,g} px", "length_px": "{:,g} px long", "count": "{:,g} per sheet"}


@dataclass(frozen=True)
class SheetRow:
    """A sheet on the page.

    Attributes:
        name: Of the sheet.
        facts: Headings and texts, the same headings in each row of a list.
        link: Where its picture lies, as the page links to it; empty for none.
        picture: The same, small; JPEG.
    """

    name: str
    facts: Mapping[str, str]
    link: str = ""
    picture: bytes = b""


@dataclass(frozen=True)
class SheetList:
    """Some sheets under a heading; a remark says what is not listed."""

    heading: str
    rows: Sequence[SheetRow]
    nothing: str
    remark: str = ""

    @property
    def columns(self) -> list[str]:
        """Headings of the facts that some sheet has."""
        names = dict.fromkeys(name for row in self.rows for name in row.facts)
        return [name for name in names if any(row.facts.get(name) for row in self.rows)]


@dataclass(frozen=True)
class InspectionPage:
    """What the page shows.

    Attributes:
        summary: ``inspection_summary``.
        timing: ``inspection_timing``.
        when: From when to when sheets were inspected.
        lists: Sheets to look at.
        files: Names of files next to the page, and what they are.
        recall: Which share of defective sheets is not cleared; empty where nobody knows.
    """

    summary: Mapping[str, Any]
    timing: Mapping[str, float | None]
    when: str = ""
    lists: Sequence[SheetList] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    recall: str = ""

    @property
    def figures(self) -> list[tuple[str, str, str]]:
        """Names, values and what they stand on, of the figures at the top."""
        verdicts, sheets = self.summary["verdicts"], self.summary["sheets"]
        counts = [
            (words, f"{verdicts[name]:,}", f"{percent(verdicts[name] / sheets)} of the sheets")
            for name, words in VERDICT_WORDS.items()
            if sheets
        ]
        rate = self.timing.get("sheets_per_second")
        cleared = self.summary["cleared_by_gate"]
        speed = decimal(1000 / rate if rate else None, 0)
        return [
            ("sheets", f"{sheets:,}", f"{cleared:,} cleared by the gate" if cleared else ""),
            *counts,
            ("milliseconds per sheet", speed, "reading included"),
        ]

    @property
    def warnings(self) -> list[str]:
        """Sentences about what makes the figures doubtful."""
        drift, lines = self.summary["drift"], []
        if drift["alarm"]:
            measures = ", ".join(name.replace("_", " ") for name in drift["worst"])
            lines.append(
                f"In {drift['parts_alarmed']:,} of {drift['parts_tested']:,} parts that were "
                "tested, the sheets are unlike those that the models were made with "
                f"({measures}): look at the camera and the product."
            )
        if not self.summary["complete"]:
            lines.append("Other machines are still at work: these are not all sheets.")
        if left_out := self.summary.get("not_looked_at"):
            lines.append(f"Not looked at: {left_out}.")
        if repeated := self.summary["nearly_repeated_frames"]:
            lines.append(f"{repeated:,} frames nearly repeat others: is the camera frozen?")
        return lines

    @property
    def classes(self) -> Table:
        """One row per class: how many regions, and what is allowed."""
        rules, ignored = self.summary["rules"], self.summary["ignored_by_class"]
        rows = [
            [name, f"{count or ignored[name]:,}", _allowed(name, rules)]
            for name, count in self.summary["defects_by_class"].items()
        ]
        headings = [("Class", False), ("Regions", True), ("Allowed on an accepted sheet", False)]
        return Table("Regions by class, and the limits in force", headings, rows)

    @property
    def reasons(self) -> Table:
        """One row per reason of reviews."""
        rows = [[name, f"{count:,}"] for name, count in self.summary["review_reasons"].items()]
        return Table("Why sheets are to be reviewed", [("Reason", False), ("Sheets", True)], rows)


def _allowed(name: str, rules: Mapping[str, Any]) -> str:
    if not rules:
        return ""
    if name in rules["ignored_classes"]:
        return "anything: the class is ignored"
    limits = rules["limits"][name]
    if limits == {"area_px": 0}:
        return "none"
    return "up to " + ", ".join(_LIMITS[key].format(value) for key, value in limits.items())


def render_inspection_page(page: InspectionPage) -> str:
    """Write the page as an HTML document."""
    html = page_templates().get_template("inspection_page.html.jinja").render(page=page)
    # Names of files may hold what UTF-8 cannot write.
    return html.encode("utf-8", "replace").decode("utf-8")
