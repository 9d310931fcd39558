"""The report in a headless Chromium: silent, within the page, printable, accessible, harmless."""

import json
import re
import shutil
import subprocess
from html import escape, unescape
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from tests.support.operating_points import operating_point

from steel_defects.models.trained import ModelSelection
from steel_defects.reporting.context import (
    DataFindings,
    GateFindings,
    LearningCurves,
    ReportContext,
    ShownSheets,
)
from steel_defects.reporting.gallery import Picture
from steel_defects.reporting.inspection_page import (
    InspectionPage,
    SheetList,
    SheetRow,
    render_inspection_page,
)
from steel_defects.reporting.report import render_report

CHROMIUM = next((path for n in ("chromium", "chromium-browser", "google-chrome", "chrome")
                 if (path := shutil.which(n))), None)  # fmt: skip
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the path")

HOSTILE = "<img src=x onerror=alert(1)>.jpg"
# Windows are never narrower than 500 px, frames are.
FRAME = """<!doctype html><title>no answer</title>
<iframe style="width:{width}px;height:800px;border:0" srcdoc="{page}"></iframe>
<script>window.onload = () => {{
  const page = document.querySelector("iframe").contentDocument;
  const hidden = [...page.querySelectorAll(".gallery li")]
    .filter(li => page.defaultView.getComputedStyle(li).display === "none").length;
  document.title = "width " + page.documentElement.scrollWidth + " hidden " + hidden
    + " handlers " + page.querySelectorAll("[onerror]").length;
}}</script>"""
# Both widths in one start of the browser, which takes longer than the checks.
CHECKED = """<!doctype html><title>checks</title>{frames}<p id="answer"></p>
<script>window.onload = async () => {{
  const found = [];
  for (const frame of document.querySelectorAll("iframe")) {{
    const answer = await frame.contentWindow.axe.run(frame.contentDocument);
    found.push({{
      passes: answer.passes.length,
      violations: answer.violations.map(v => v.id + ": " + v.nodes.map(n => n.html).join(", ")),
    }});
  }}
  document.getElementById("answer").textContent = JSON.stringify(found);
}}</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sheet = bytes(cv2.imencode(".jpg", np.full((64, 400, 3), 90, np.uint8))[1])
    plot = bytes(cv2.imencode(".png", np.full((90, 400, 3), 240, np.uint8))[1])
    table = pd.DataFrame({"backbone": [HOSTILE], "evaluation": "test", "accuracy": 0.5})
    mistakes = pd.DataFrame({"sheet_id": [HOSTILE], "has_defect": [True], "score": [0.01]})
    curve = pd.DataFrame({"model": HOSTILE, "metric": "roc_auc", "seed": 1, "low": 0, "high": 1,
                          "share": [0.5, 0.7, 0.9, 1], "sheets": [50, 70, 90, 100],
                          "value": [0.6, 0.8, 0.85, 0.9]})  # fmt: skip
    context = ReportContext(
        title=HOSTILE, run={"run_id": HOSTILE, "pipelines": ["p"], "parameters": {"a": 1}},
        classification_comparison=table, gate=ModelSelection(name=HOSTILE, reason=HOSTILE),
        segmenter=ModelSelection(name=HOSTILE, reason=""),
        operating_points={HOSTILE: operating_point()}, class_names=(HOSTILE,),
        data=DataFindings(
            {"sheets": 9, "splits": [{"split": "test", "sheets": 9}], "copies": []}
        ),
        figures={HOSTILE: plot}, detection=[HOSTILE],
        explained=GateFindings("", plot, mistakes, plot),
        robustness=pd.DataFrame({"corruption": ["blur"], "level": [0], "sheets": [4]}),
        shown=ShownSheets([Picture(kind, (1,), HOSTILE, sheet) for kind in ("hit", "miss")]),
        learning_curve=LearningCurves(curve, plot),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_report(context), encoding="utf-8")
    return path


def browse(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_and_nothing_in_it_runs(page: Path, width: int) -> None:
    choice = re.sub(r'id="outcome-1"', 'id="outcome-1" checked', page.read_text(encoding="utf-8"))
    probe = page.with_name(f"probe{width}.html")
    probe.write_text(FRAME.format(width=width, page=escape(choice)), encoding="utf-8")
    found = browse(probe, "--window-size=1400,900", "--dump-dom").stdout
    title = re.search(r"<title>(.*?)</title>", found)
    # The choice of misses hides the hit.
    assert title and title[1] == f"width {width} hidden 1 handlers 0"


@pytest.mark.slow
def test_the_page_is_silent_and_prints(page: Path) -> None:
    pdf = page.with_name("report.pdf")
    options = "--enable-logging=stderr", "--log-level=0", f"--print-to-pdf={pdf}"
    said = browse(page, *options).stderr
    assert "CONSOLE" not in said
    assert pdf.read_bytes().startswith(b"%PDF")


@pytest.mark.slow
def test_the_page_keeps_the_rules_of_accessibility(page: Path) -> None:
    """At the width of a desk and of a phone, by axe-core."""
    check_accessibility(page)


@pytest.mark.slow
def test_the_page_of_an_inspection_fits_and_keeps_them_too(page: Path) -> None:
    sheet = bytes(cv2.imencode(".jpg", np.full((64, 400, 3), 90, np.uint8))[1])
    facts = {"Reason": HOSTILE, "Defects": "3", "Defective area (pixels)": "12,345"}
    rows = [SheetRow(HOSTILE, facts, "a.jpg", sheet), SheetRow("b" * 80, {"Reason": "blurred"})]
    counts = dict.fromkeys((HOSTILE, "crack"), 2)
    summary = {
        "sheets": 9, "verdicts": {"accept": 4, "review": 3, "reject": 2}, "cleared_by_gate": 1,
        "review_reasons": {"doubtful": 3}, "nearly_repeated_frames": 1, "complete": False,
        "defects_by_class": counts, "ignored_by_class": counts, "model_id": "m",
        "thresholds_id": "t",
        "rules": {"limits": {HOSTILE: {"area_px": 40, "count": 2}}, "ignored_classes": ["crack"]},
        "drift": {"alarm": True, "parts_alarmed": 1, "parts_tested": 2, "worst": {"contrast": {}}},
    }  # fmt: skip
    lists = [SheetList("Rejected", rows, "None."), SheetList("To review", [], "None.")]
    shown = InspectionPage(
        summary, {"sheets_per_second": 4.0}, "2026", lists, {"a.csv": HOSTILE}, HOSTILE
    )
    path = page.with_name("inspection_page.html")
    path.write_text(render_inspection_page(shown), encoding="utf-8")
    check_accessibility(path)
    for width in (1280, 390):
        probe = page.with_name(f"inspection{width}.html")
        framed = FRAME.format(width=width, page=escape(path.read_text(encoding="utf-8")))
        probe.write_text(framed, encoding="utf-8")
        found = browse(probe, "--window-size=1400,900", "--dump-dom").stdout
        assert f"<title>width {width} hidden 0 handlers 0</title>" in found


def check_accessibility(page: Path) -> None:
    axe = find_spec("axe_core_python")
    if axe is None or axe.origin is None:
        pytest.skip("axe-core-python is not installed")
    script = (
        Path(axe.origin)
        .with_name("axe.min.js")
        .read_text(encoding="utf-8")
        .replace("</script", "<\\/script")
    )
    # Without the policy that forbids scripts, which is what axe is.
    report = re.sub(r"<meta http-equiv=[^>]*>", "", page.read_text(encoding="utf-8"))
    report = report.replace("<head>", f"<head><script>{script}</script>", 1)
    # Contrast cannot be told before the shadow at the side of a wide table.
    report = report.replace("</style>", ".scroll { background: #fff; }</style>", 1)
    frames = "".join(
        f'<iframe title="{width}" style="width:{width}px;height:900px" srcdoc="{escape(report)}">'
        "</iframe>"
        for width in (1280, 390)
    )
    probe = page.with_name("accessible.html")
    probe.write_text(CHECKED.format(frames=frames), encoding="utf-8")
    dom = browse(probe, "--virtual-time-budget=60000", "--window-size=1400,900", "--dump-dom")
    answer = re.search(r'<p id="answer">(.*?)</p>', dom.stdout, re.DOTALL)
    found = json.loads(unescape(answer[1])) if answer else []
    assert [width["violations"] for width in found] == [[], []]
    assert all(width["passes"] > 20 for width in found)
