from dataclasses import replace

import pandas as pd
import pytest

from steel_defects.reporting.compared import changed_captions, comparison_section
from steel_defects.reporting.report import ReportContext, render_report

NOW, EARLIER, OLDEST = "2026-01-03", "2026-01-02", "2026-01-01"
CHOSEN = {"gate": "vgg16", "segmenter": "unet"}
CHANGED = pd.DataFrame(
    {
        "sheet_id": ["<b>.jpg", "good.jpg"],
        "has_defect": [True, False],
        "verdict_before": ["reject", "review"],
        "verdict_after": ["accept", "accept"],
        "better": [False, True],
    }
)


def figures(*rows: tuple[object, ...]) -> pd.DataFrame:
    columns = ["part", "model", "version", "evaluation", "metric", "before", "after", "difference"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(
        compared_with=EARLIER, sheets=1234, left_out=0,
        difference_low=table["difference"] - 0.01, difference_high=table["difference"] + 0.01,
    )  # fmt: skip


FIGURES = figures(
    ("gate", "vgg16", OLDEST, "test", "accuracy", 0.9, 0.925, 0.025),
    ("segmenter", "unet", EARLIER, "out_of_fold", "mean_dice", 0.8, 0.79, -0.01),
    ("verdicts", "vgg16 and unet", EARLIER, "test", "recall", 1.0, 1.0, 0.0),
)


def test_shares_differ_by_points_and_dice_by_decimals():
    section = comparison_section(FIGURES, CHANGED, CHOSEN)
    cells = [row[1:] for row in section["figures"].rows]
    assert cells[0][:3] == ["gate: vgg16", "test", "1,234"]
    assert cells[0][3:] == ["90.0\u00a0%", "92.5\u00a0%", "+2.5 points (+1.5 to +3.5)"]
    assert cells[1][3:] == ["0.800", "0.790", "-0.010 (-0.020 to +0.000)"]
    assert cells[1][1] == "out-of-fold"
    assert cells[2][-1].startswith("+0.0 points")


def test_what_stands_in_and_what_is_left_out_is_said():
    section = comparison_section(FIGURES.assign(left_out=7), CHANGED, CHOSEN)
    assert section["sentences"][0] == f"The gate vgg16 in use then was that of {OLDEST}."
    assert "up to 7 " in section["sentences"][1] and len(section["sentences"]) == 2
    gone = comparison_section(FIGURES[FIGURES["part"] != "segmenter"], CHANGED, CHOSEN)
    assert gone["sentences"][-1].startswith("The segmenter unet is not compared: 2026-01-02 has")


def test_the_changes_are_counted():
    section = comparison_section(FIGURES, CHANGED, CHOSEN)
    assert section["summary"].endswith("2 verdicts changed: 1 for the better, 1 for the worse.")
    assert section["summary"].startswith("On 1,234 test sheets")
    none = comparison_section(FIGURES, CHANGED.head(0), CHOSEN)
    assert "0 verdicts changed" in none["summary"] and none["changed"] is None
    alone = comparison_section(FIGURES.head(2), CHANGED.head(0), CHOSEN)
    assert alone["summary"] == "No sheet was judged by both versions."


def test_captions():
    assert changed_captions(CHANGED) == [
        "1  <b>.jpg: labelled defective, reject, now accept (worse)",
        "2  good.jpg: labelled clean, review, now accept (better)",
    ]


@pytest.fixture
def context() -> ReportContext:
    nothing = pd.DataFrame()
    return ReportContext(
        "Report", {}, nothing, nothing, nothing, {"name": "vgg16", "reason": ""}, {"name": "unet"},
        run_comparison=FIGURES, changed_verdicts=CHANGED, changed_sheets=b"\x89PNG" + bytes(31),
    )  # fmt: skip


def test_the_report_has_a_section_where_something_was_compared(context):
    html = render_report(context)
    assert f'<h2 id="compared-title">Compared with {EARLIER}</h2>' in html
    assert 'href="#compared"' in html and 'alt="Contact sheet of sheets whose' in html
    assert "&lt;b&gt;.jpg" in html and "<b>.jpg" not in html


def test_the_report_has_none_where_nothing_was(context):
    empty = ReportContext(
        "Report", {}, *(3 * [pd.DataFrame()]), {"name": None, "reason": ""}, {},
        changed_sheets=context.changed_sheets,
    )  # fmt: skip
    html = render_report(empty)
    assert "Compared with" not in html and "#compared" not in html


def test_a_report_without_a_change_has_no_picture(context):
    html = render_report(replace(context, changed_verdicts=CHANGED.head(0)))
    assert "0 verdicts changed" in html and "whose verdict changed" not in html
