"""Models side by side, and an earlier version beside this one."""

import pandas as pd

from steel_defects.evaluation.pooled import RULE
from steel_defects.models.trained import ModelSelection
from steel_defects.reporting.comparison import changed_captions, changes, comparison_parts
from steel_defects.reporting.context import EarlierVersion, ReportContext
from steel_defects.reporting.report import render_report

NOW, EARLIER, OLDEST = "2026-01-03", "2026-01-02", "2026-01-01"
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


def context_of(figures: pd.DataFrame, changed: pd.DataFrame) -> ReportContext:
    return ReportContext(
        gate=ModelSelection(name="vgg16", reason=""),
        segmenter=ModelSelection(name="unet", reason=""),
        earlier=EarlierVersion(figures, changed, b"\x89PNG" + bytes(31)),
    )


def test_shares_differ_by_points_and_dice_by_decimals():
    section = changes(context_of(FIGURES, CHANGED))
    cells = [row[1:] for row in section.figures.rows]
    assert cells[0][:3] == ["gate: vgg16", "test", "1,234"]
    assert cells[0][3:] == ["90.0\u00a0%", "92.5\u00a0%", "+2.5 points (+1.5 to +3.5)"]
    assert cells[1][3:] == ["0.800", "0.790", "-0.010 (-0.020 to +0.000)"]
    assert cells[1][1] == "out-of-fold"
    assert cells[2][-1].startswith("+0.0 points")


def test_what_stands_in_and_what_is_left_out_is_said():
    section = changes(context_of(FIGURES.assign(left_out=7), CHANGED))
    assert section.sentences[0] == f"The gate vgg16 in use then was that of {OLDEST}."
    assert "up to 7 " in section.sentences[1] and len(section.sentences) == 2
    gone = changes(context_of(FIGURES[FIGURES["part"] != "segmenter"], CHANGED))
    assert gone.sentences[-1].startswith("The segmenter unet is not compared: 2026-01-02 has")


def test_the_changes_are_counted():
    section = changes(context_of(FIGURES, CHANGED))
    assert section.summary.endswith("2 verdicts changed: 1 for the better, 1 for the worse.")
    assert section.summary.startswith("On 1,234 test sheets")
    none = changes(context_of(FIGURES, CHANGED.head(0)))
    assert "0 verdicts changed" in none.summary and none.verdicts is None
    alone = changes(context_of(FIGURES.head(2), CHANGED.head(0)))
    assert alone.summary == "No sheet was judged by both versions."


def test_captions():
    assert changed_captions(CHANGED) == [
        "1  <b>.jpg: labelled defective, reject, now accept (worse)",
        "2  good.jpg: labelled clean, review, now accept (better)",
    ]


def test_the_report_has_a_section_where_something_was_compared():
    html = render_report(context_of(FIGURES, CHANGED))
    assert f"Compared with {EARLIER}" in html
    assert 'href="#compared"' in html and 'alt="Contact sheet of sheets whose' in html
    assert "&lt;b&gt;.jpg" in html and "<b>.jpg" not in html


def test_the_report_has_none_where_nothing_was():
    html = render_report(context_of(FIGURES.head(0), CHANGED))
    assert "Compared with" not in html and "#compared" not in html


def test_a_report_without_a_change_has_no_picture():
    html = render_report(context_of(FIGURES, CHANGED.head(0)))
    assert "0 verdicts changed" in html and "whose verdict changed" not in html


def test_quality_and_cost_stand_in_tables_of_their_own() -> None:
    table = pd.DataFrame(
        {"architecture": ["unet", "fpn"], "evaluation": "test", "sheets": 9, "mean_dice": 0.9,
         "parameters": [3, 2], "tta": "flips", "detection_rate": 1.0}
    )  # fmt: skip
    parts = comparison_parts(
        ReportContext(
            segmentation_comparison=table, segmenter=ModelSelection(name="fpn", reason="")
        )
    )
    tables = {part.heading: part.table for part in parts}
    quality, cost = tables["Segmenters"], tables["Cost of the segmenters"]
    assert quality and cost
    assert [name for name, _ in quality.columns] == [
        "architecture", "evaluation", "sheets", "mean Dice", "detection rate",
    ]  # fmt: skip
    assert [name for name, _ in cost.columns][3:] == ["parameters", "averaged over"]
    assert quality.chosen == cost.chosen == {1}


def test_figures_of_papers_stand_beside_their_rule() -> None:
    table = pd.DataFrame(
        {"architecture": ["unet", "fpn"], "evaluation": "test", "sheets": 9, "mean_dice": 0.9,
         "pooled_mean_iou": [0.7, None], "pooled_mean_iou_low": [0.6, None],
         "pooled_mean_iou_high": [0.8, None], "pooled_mean_iou_with_background": 0.85}
    )  # fmt: skip
    chosen = ModelSelection(name="unet", reason="")

    def tables_of(frame: pd.DataFrame) -> dict:
        context = ReportContext(segmentation_comparison=frame, segmenter=chosen)
        return {part.heading: part.table for part in comparison_parts(context)}

    tables = tables_of(table)
    assert [name for name, _ in tables["Segmenters"].columns][3:] == ["mean Dice"]
    pooled = tables["Segmenters, to compare with papers"]
    assert pooled.remark == RULE and pooled.chosen == {0}
    assert [name for name, _ in pooled.columns][3:] == [
        "pooled mean IoU", "pooled mean IoU with background",
    ]  # fmt: skip
    assert pooled.rows[0][3:] == ["0.700 (0.600–0.800)", "0.850"]
    assert pooled.rows[1][3:] == ["–", "0.850"]
    html = render_report(ReportContext(segmentation_comparison=table, segmenter=chosen))
    assert "counts for the most probable" in html
    # A table of an earlier release has none of them.
    assert "Segmenters, to compare with papers" not in tables_of(table[["architecture"]])


def test_nothing_to_compare_is_said() -> None:
    parts = comparison_parts(ReportContext(gate=ModelSelection(name="vgg16", reason="")))
    assert [(part.table, part.otherwise) for part in parts] == [
        (None, "No classifier was compared."),
        (None, "No operating point was set."),
        (None, "No segmenter was compared."),
        (None, "No class was evaluated."),
        (None, "There is no defect, in truth or in prediction."),
    ]
