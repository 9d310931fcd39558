"""The report: complete, harmless, and never without words."""

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from tests.support.operating_points import operating_point, rates

from steel_defects.models.trained import ModelSelection
from steel_defects.reporting import headlines, tables
from steel_defects.reporting.config import ReportingConfig
from steel_defects.reporting.context import (
    DataFindings,
    GateFindings,
    ReportContext,
    ShownSheets,
)
from steel_defects.reporting.gallery import Picture
from steel_defects.reporting.report import data_page, provenance, render_report, run_line

HOSTILE = "<img src=x onerror=alert(1)>.jpg"
NOTHING = pd.DataFrame()
POINT = operating_point()


@pytest.fixture
def context() -> ReportContext:
    gates = pd.DataFrame(
        {
            "backbone": ["resnet50", "resnet50", "vgg16"],
            "evaluation": ["out_of_fold", "test", "test"],
            "sheets": [12568, 1256, 1256],
            "accuracy": [0.5, 0.934, 0.9],
            "roc_auc": [0.5, 0.9811, np.nan],
            "parameters": [24637826, 24637826, 138357544],
            "training_seconds": [36000.0, 7200.0, 30.0],
        }
    )
    segmenters = pd.DataFrame(
        {
            "architecture": ["unet", "fpn"],
            "evaluation": "test",
            "sheets": 1256,
            "mean_dice": [0.91, 0.9],
            "all_empty_dice": 0.862,
            "dice_on_positives": [0.61, 0.6],
        }
    )
    return ReportContext(
        title=f"Report {HOSTILE}",
        run={"run_id": HOSTILE, "versions": {"keras": "3"}, "parameters": {"x": HOSTILE}},
        classification_comparison=gates,
        segmentation_comparison=segmenters,
        per_class=pd.DataFrame({"architecture": ["unet"], "class_id": [1], "mean_dice": [0.9]}),
        gate=ModelSelection(name="resnet50", reason="best of all"),
        segmenter=ModelSelection(name="unet", reason=HOSTILE),
        operating_points={"resnet50": POINT},
        data=DataFindings(
            {
                "sheets": 12568,
                "class_balance": {"pitting": {"sheets": 897}},
                "quarantined": [
                    {
                        "where": "row 3",
                        "sheet_id": HOSTILE,
                        "reason": "too long",
                        "set_aside": True,
                    },
                    {
                        "where": "row 4",
                        "sheet_id": "a\udcff",
                        "reason": "colour",
                        "set_aside": False,
                    },
                ],
            }
        ),
        figures={HOSTILE: b"\x89PNG" + bytes(30)},
        explained=GateFindings(
            attention="The gate looks at the defects.",
            grad_cam=b"\x89PNG" + bytes(30),
            mistakes=pd.DataFrame({"sheet_id": [HOSTILE], "has_defect": [True], "score": [0.01]}),
            mistake_sheets=b"\x89PNG" + bytes(31),
        ),
        shown=ShownSheets([Picture("hit", (1,), f"{HOSTILE}  Dice 0.80  hit", b"\xff\xd8")]),
        class_names=(HOSTILE,),
    )


class Tags(HTMLParser):
    """Collect tags with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ({"clean": 2, "false alarm": 1}, "No test sheet has a defect: "),
        ({"hit": 1, "miss": 1}, "No test sheet is clean: "),
        ({}, "There is no test sheet: "),
        ({"clean": 1, "weak": 1}, None),
    ],
)
def test_sheets_of_a_kind_that_are_absent_are_told(context, outcomes, words):
    html = render_report(dataclasses.replace(context, shown=ShownSheets([], outcomes)))
    told = re.findall(r"<p>(No test sheet|There is no test sheet)([^<]*)</p>", html)
    assert ["".join(parts)[: len(words or "")] for parts in told] == ([words] if words else [])


def test_hostile_names_come_out_as_text(context: ReportContext) -> None:
    html = render_report(context)
    assert "<img src=x" not in html and html.count("&lt;img src=x") >= 6
    tags = Tags(html).found
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
    assert not any(tag == "script" for tag, _ in tags)
    html.encode("utf-8")


def test_nothing_is_asked_of_the_network(context: ReportContext) -> None:
    html = render_report(context)
    for tag, attributes in Tags(html).found:
        for name in ("src", "href", "srcset", "action", "poster"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
    assert "url(" not in html and "@import" not in html


def test_inner_links_lead_somewhere_and_pictures_have_words(context: ReportContext) -> None:
    tags = Tags(render_report(context)).found
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {str(a["href"])[1:] for t, a in tags if t == "a"}
    assert links <= set(ids)
    assert all(attributes.get("alt") for tag, attributes in tags if tag == "img")
    assert ("html", {"lang": "en"}) in tags


def test_the_decision_stands_on_the_test_rows(context: ReportContext) -> None:
    html = render_report(context).replace("\u00a0", " ")
    for text in ("The gate is resnet50.", "93.4 %", "0.981", "on 1,256 test sheets", "2.0 %",
                 "at most 5.0 % with 95 % confidence", "not proven", "299", "there are 100",
                 "0.910", "finding nothing at all scores 0.862", "0.610"):  # fmt: skip
        assert text in html, text


def test_a_proven_target_is_said() -> None:
    proven = headlines.proof(operating_point(proven=True))
    assert proven.startswith("The calibration sheets prove")
    assert "takes at least" not in headlines.proof(operating_point(defective_sheets=400))
    assert headlines.proof(None) == ""


def test_what_is_not_proven_says_what_it_would_take() -> None:
    missed = headlines.proof(operating_point(allowed_misses=2, more_with_these_misses=527))
    assert missed.endswith("With 2 missed, as now, it takes 527 more sheets, none missed.")
    likely = headlines.proof(operating_point(evidence_from="out_of_fold", recall_bound=0.995))
    assert "not proven" in likely and "likely" in likely and "299 defective" in likely
    short = headlines.proof(operating_point(evidence_from="out_of_fold"))
    assert "likely" not in short and "there are 100" in short


def test_an_interval_stands_in_the_cell_of_its_figure(context: ReportContext) -> None:
    gates = context.classification_comparison.assign(
        accuracy_low=[0.4, 0.9, np.nan], accuracy_high=[0.6, 0.95, np.nan], accuracy_sd=0.01,
        recall_class_1=0.5, recall_class_1_low=0.25, recall_class_1_high=0.75,
        ms_per_sheet_p50=12.0, ms_per_sheet_p90=13.0,
    )  # fmt: skip
    point = operating_point(test=rates(defective_sheets=7), evidence="Said so.")
    html = render_report(
        dataclasses.replace(
            context, classification_comparison=gates, operating_points={"resnet50": point}
        )
    ).replace("\u00a0", " ")
    html = re.sub(r'<span class="interval">(.*?)</span>', r"\1", html)
    for text in ("93.4 % (90.0–95.0 %)", "90.0 %<", "50.0 % (25.0–75.0 %)", "Said so.", "looked at",
                 "95 % interval 90.0 % to 95.0 %", "50.0 % on 12,568 out-of-fold sheets",
                 "2.0 % of 7 defective test sheets", "12.0"):  # fmt: skip
        assert text in html, text
    assert "low</th>" not in html and " sd</th>" not in html


def test_pictures_of_sheets_come_before_tables(context: ReportContext) -> None:
    html = render_report(context)
    assert html.index("Truth and prediction: ") < html.index("<table")


def test_the_chosen_rows_are_marked_and_numbers_readable(context: ReportContext) -> None:
    html = render_report(context)
    rows = re.findall(r'<tr class="chosen">(.*?)</tr>', html, re.S)
    assert len(rows) == 6 and all("chosen</span>" in row for row in rows)
    assert "24,637,826" in html and "out of fold" in html and "10.0\u00a0h" in html


def test_data_and_provenance_are_shown(context: ReportContext) -> None:
    html = render_report(context)
    for text in ("12,568", "pitting", "897", "too long", "set aside", "noted only", "2 findings"):
        assert text in html, text
    assert "keras" in html and "not recorded" in html


def test_what_a_run_does_not_know_yet_is_left_out() -> None:
    run = {"run_id": "r", "started_at": "2026-11-26T10:01:28+00:00", "status": "running"}
    facts = dict(provenance(run).facts)
    assert facts["started at"] == "2026-11-26 10:01 UTC" and facts["git revision"] == "not recorded"
    assert "status" not in facts and "data fingerprint" not in facts
    ended = dict(provenance(run | {"status": "finished", "data_fingerprint": "f"}).facts)
    assert ended["status"] == "finished" and ended["data fingerprint"] == "f"
    assert run_line(run) == "Run r · started 2026-11-26 10:01 UTC"


def test_splits_come_in_the_order_of_their_use() -> None:
    rows = [{"split": name} for name in ("calibration", "test", "train", "validation")]
    [part] = data_page({"splits": rows}).parts
    assert part.table and [row[0] for row in part.table.rows] == [
        "train",
        "validation",
        "calibration",
        "test",
    ]


def test_robustness_says_on_how_few_sheets_it_stands() -> None:
    text = headlines.worse_pictures(pd.DataFrame({"sheets": [4, 4]}))
    assert "same 4 test sheets" in text and "So few" in text
    assert "So few" not in headlines.worse_pictures(pd.DataFrame({"sheets": [60]}))
    assert "the gate" not in headlines.worse_pictures(pd.DataFrame({"sheets": [60]}), gate=False)
    assert headlines.worse_pictures(NOTHING) == ""


def test_the_gate_is_explained(context: ReportContext) -> None:
    page = render_report(context).split('<section id="gate"')[1].split("</section>")[0]
    assert "The gate looks at the defects." in page
    assert page.count("data:image/png") == 2 and "0.010" in page and "&lt;img src=x" in page
    bare = dataclasses.replace(context, explained=GateFindings())
    page = render_report(bare).split('<section id="gate"')[1].split("</section>")[0]
    assert "No sheet was explained." in page and "None." in page and "data:" not in page


def test_what_is_missing_is_said_in_words() -> None:
    html = render_report(ReportContext())
    for text in ("There is no segmenter",
                 "No segmenter was compared", "No figure was drawn", "No sheet was drawn",
                 "Nothing was quarantined", "The run was not recorded"):  # fmt: skip
        assert text in html, text


def test_without_a_gate_nothing_is_said_of_one(context: ReportContext) -> None:
    sections = re.compile('<section id="(gate)"|<h3>(Gate|Classifiers|Operating points)')
    assert {part for found in sections.findall(render_report(context)) for part in found if part}
    without = dataclasses.replace(
        context,
        gate=ModelSelection(name=None, reason="no backbone was chosen"),
        classification_comparison=NOTHING,
        operating_points={},
        explained=GateFindings(),
        segmentation_comparison=context.segmentation_comparison.assign(mean_dice_gated=0.5),
        shown=ShownSheets([], {"hit": 2}),
    )
    html = render_report(without)
    assert "No test sheet is clean: false alarms are not known on test sheets." in html
    assert (
        not sections.search(html)
        and "There is no gate (no backbone was chosen): it sees every sheet." in html
    )
    for words in (
        "Recall at least",
        "recall at least",
        "operating_point.",
        "ROC-AUC",
        "behind the gate",
    ):
        assert words not in html


def test_tables_with_columns_and_no_rows(context: ReportContext) -> None:
    bare = dataclasses.replace(
        context,
        classification_comparison=context.classification_comparison.head(0),
        segmentation_comparison=context.segmentation_comparison.head(0),
        operating_points={},
    )
    html = render_report(bare)
    assert "Its accuracy was not measured." in html and "It has not been evaluated." in html
    assert "no operating point" in html


@pytest.mark.parametrize(("test_sheets", "first", "beside"), [
    (20, "91.3\u00a0%", "100.0\u00a0% on 20 test sheets"),
    (100, "100.0\u00a0%", "91.3\u00a0% on 123 out-of-fold sheets"),
])  # fmt: skip
def test_a_handful_of_test_sheets_does_not_stand_for_a_model(test_sheets, first, beside) -> None:
    kinds = {"evaluation": ["test", "out_of_fold"], "sheets": [test_sheets, 123]}
    gates = pd.DataFrame({"backbone": "vgg16", **kinds, "accuracy": [1.0, 0.913]})
    networks = pd.DataFrame({"architecture": "unet", **kinds, "mean_dice": [0.977, 0.853]})
    gate, segmenter = headlines.headlines(
        ReportContext(
            classification_comparison=gates,
            segmentation_comparison=networks,
            gate=ModelSelection(name="vgg16", reason=""),
            segmenter=ModelSelection(name="unet", reason=""),
        )
    )
    (fact,) = gate.facts
    assert fact.value == first
    assert beside in fact.remark
    (fact,) = segmenter.facts
    assert (fact.value == "0.853") == (test_sheets < 100)
    assert ("0.977 on" in fact.remark) == (test_sheets < 100)


def test_the_data_page_is_written_in_words() -> None:
    quality = {
        "brightness": [{"measure": "mean_intensity", "p0": 9.4, "p100": 172.4}],
        "black_border": {"left": 0.25, "width_p50": 0.28},
    }
    brightness, border = (part.table for part in data_page(quality).parts)
    assert brightness and border
    assert [name for name, _ in brightness.columns] == ["measure", "least", "greatest"]
    assert brightness.rows == [["mean gray value", "9.400", "172.400"]]
    assert border.rows == [["left", "0.250"], ["median width, where there is one", "0.280"]]


def test_a_gate_that_met_one_kind_of_sheet(context: ReportContext) -> None:
    point = operating_point(recall=None, recall_bound=0.0, defective_sheets=0)
    context = dataclasses.replace(
        context, gate=ModelSelection(name="vgg16", reason=""), operating_points={"vgg16": point}
    )
    gate, _ = headlines.headlines(context)
    values = {fact.name: fact.value for fact in gate.facts}
    assert values["Gate ROC-AUC"] == "not known" and values["Escape rate"] == "not known"


def test_long_lists_are_cut_and_say_so() -> None:
    table = tables.from_records("x", [{"a": n} for n in range(900)], most=10)
    assert table is not None and len(table.rows) == 10 and table.remark == "The first 10 of 900."


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("parameters", 5330571, "5,330,571"),
        ("sheets_set_aside", 0, "0"),
        ("recall", 1, "100.0\u00a0%"),
        ("accuracy", 1.0, "100.0\u00a0%"),
        ("mean_dice", 1.0, "1.000"),
        ("training_seconds", 3.0, "3\u00a0s"),
        ("roc_auc", float("nan"), "–"),
        ("proven", True, "yes"),
        ("anything", ["a"], "['a']"),
    ],
)
def test_cells(column: str, value: object, text: str) -> None:
    assert tables.cell(column, value) == text


def test_config_refuses_too_few_overlays() -> None:
    assert ReportingConfig(overlays=8, seed=0).overlays == 8
    with pytest.raises(ValidationError):
        ReportingConfig(overlays=7, seed=0)
