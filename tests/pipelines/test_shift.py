"""What the shift leader gets: a table for spreadsheets, a page, and the last lines of the log."""

import logging
from html.parser import HTMLParser
from urllib.parse import quote, unquote

import pandas as pd
import pytest
from tests.support.sheet_jobs import config, package, run, write_sheets

from steel_defects.datasets.image_folder import ImageFolderDataset
from steel_defects.datasets.joined_tables import SpreadsheetDataset
from steel_defects.inspection.sources import FolderSource
from steel_defects.pipelines.inspection import nodes, shift

HOSTILE = "=<img src=x onerror=alert(1)>.png"
COUNTS = {"accepted": "accept", "rejected": "reject", "to review": "review"}


class Page(HTMLParser):
    """Links, pictures, and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links, self.pictures, self.text, self.handlers = [], [], [], 0
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.handlers += "onerror" in given
        if tag == "a":
            self.links.append(given["href"])
        if tag == "img":
            self.pictures.append(given["src"])

    def handle_data(self, data):
        self.text.append(data.strip())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The outputs of the pipeline's last nodes, in a folder as the catalog has them."""
    folder = tmp_path_factory.mktemp("shift")
    write_sheets(folder / "sheets", 24)
    (folder / "sheets" / "sheet_0002.png").rename(folder / "sheets" / HOSTILE)
    jobs, rules, used = folder / "jobs", config(sheets_to_check=6), package()
    result = run(folder / "sheets", jobs, rules)
    summary, timing = result.summary(used), result.timing()
    to_check = nodes.list_sheets_to_check(summary, jobs, rules)
    source = FolderSource(folder / "sheets")
    overlays = ImageFolderDataset(filepath=str(folder / "inspection_overlays"))
    overlays.save(nodes.draw_inspection_overlays(summary, jobs, source, used, to_check, rules))
    log = logging.getLogger(nodes.__name__)
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        table, html = nodes.write_shift_results(
            summary, timing, jobs, used, to_check, overlays.load()
        )
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)
    dataset = SpreadsheetDataset(
        filepath=str(folder / "inspection_table.csv"),
        load_args={"encoding": "utf-8-sig", "keep_default_na": False},
    )
    dataset.save(table)
    return folder, summary, dataset.load(), html, lines


def test_the_table_has_one_row_per_sheet_in_words(made):
    folder, summary, table, *_ = made
    assert len(table) == summary["sheets"] == 24
    counts = table["Verdict"].value_counts().to_dict()
    assert {COUNTS[words]: count for words, count in counts.items()} == summary["verdicts"]
    assert set(table["Classes"]) == {"", "pit"}
    assert table["Defects"].sum() == summary["defects_by_class"]["pit"]
    assert table["Reason"].str.contains("over limits, pit").any()
    for row in table.itertuples():
        assert not row.Picture or (folder / "inspection_overlays" / row.Picture).is_file()
    drawn = list((folder / "inspection_overlays").glob("*.jpg"))
    assert (table["Picture"] != "").sum() == len(drawn)
    assert (folder / "inspection_table.csv").read_bytes().startswith(b"\xef\xbb\xbfSheet,Coil,")
    # A name that a spreadsheet would take for a formula.
    assert table["Sheet"].iloc[0].startswith("'=<img")


def test_the_page_shows_what_to_look_at(made):
    folder, summary, table, html, _ = made
    page = Page(html)
    for link in page.links:
        assert link in shift.FILES or (folder / unquote(link)).is_file()
    names = table["Picture"][table["Verdict"] == "rejected"]
    rejected = [f"inspection_overlays/{quote(name)}" for name in names]
    assert len(rejected) == summary["verdicts"]["reject"] > 0
    assert set(rejected) <= set(page.links)
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.pictures)
    assert page.handlers == 0 and "onerror" in html
    text = " ".join(page.text)
    for words, name in COUNTS.items():
        assert f"{words} {summary['verdicts'][name]}" in " ".join(text.split())
    assert "unreadable: truncated file" in text
    # Nobody knows where along the coil the sheets lie.
    assert "Coil" not in text and "Position" not in text


def test_the_last_lines_say_what_came_out_and_where(made):
    folder, summary, *_, lines = made
    counts = summary["verdicts"]
    assert lines[0].startswith(
        f"24 sheets are inspected: {counts['reject']} rejected, {counts['review']} to review, "
        f"{counts['accept']} accepted; "
    )
    assert lines[0].endswith(" ms per sheet")
    assert lines[1] == (
        f"results in {folder}: inspection_page.html, inspection_table.csv, sheets_to_check.csv, "
        "inspection_overlays/"
    )


def test_the_worst_rejected_sheets_stay_whatever_the_parts():
    rows = pd.DataFrame(
        {
            "sheet_id": list("abcd"), "verdict": ["reject"] * 3 + ["accept"],
            "severity": ["minor", "severe", "minor", None], "defect_area_px": [5, 1, 9, 0],
            "inspected_at": pd.to_datetime(["2026-01-01 06:00"] * 4, utc=True),
        }
    )  # fmt: skip
    for parts in ([rows], [rows.iloc[:1], rows.iloc[1:1], rows.iloc[1:]]):
        sheets = shift.PageSheets(["minor", "severe"])
        for part in parts:
            sheets.add(part)
        assert sheets.rejected["sheet_id"].tolist() == ["b", "c", "a"]
        assert sheets.when == "2026-01-01 06:00 UTC"
    assert shift.PageSheets([]).when == ""
