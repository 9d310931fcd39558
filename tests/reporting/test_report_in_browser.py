"""The report in a headless Chromium: silent, within the page, printable, and harmless."""

import re
import shutil
import subprocess
from html import escape
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from steel_defects.reporting.gallery import Picture
from steel_defects.reporting.report import ReportContext, render_report

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


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sheet = bytes(cv2.imencode(".jpg", np.full((64, 400, 3), 90, np.uint8))[1])
    plot = bytes(cv2.imencode(".png", np.full((90, 400, 3), 240, np.uint8))[1])
    table = pd.DataFrame({"backbone": [HOSTILE], "evaluation": "test", "accuracy": 0.5})
    context = ReportContext(
        HOSTILE, {"run_id": HOSTILE}, table, pd.DataFrame(), pd.DataFrame(),
        {"name": HOSTILE, "reason": HOSTILE}, {"name": HOSTILE}, class_names=(HOSTILE,),
        figures={HOSTILE: plot}, detection=[HOSTILE],
        pictures=[Picture(HOSTILE, kind, (1,), HOSTILE, sheet) for kind in ("hit", "miss")],
    )  # fmt: skip
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_report(context))
    return path


def browse(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_and_nothing_in_it_runs(page: Path, width: int) -> None:
    choice = re.sub(r'id="outcome-1"', 'id="outcome-1" checked', page.read_text())
    probe = page.with_name(f"probe{width}.html")
    probe.write_text(FRAME.format(width=width, page=escape(choice)))
    found = browse(probe, "--window-size=1400,900", "--dump-dom").stdout
    title = re.search(r"<title>(.*?)</title>", found)
    # The choice of misses hides the hit.
    assert title and title[1] == f"width {width} hidden 1 handlers 0"


def test_the_page_is_silent_and_prints(page: Path) -> None:
    pdf = page.with_name("report.pdf")
    options = "--enable-logging=stderr", "--log-level=0", f"--print-to-pdf={pdf}"
    said = browse(page, *options).stderr
    assert "CONSOLE" not in said
    assert pdf.read_bytes().startswith(b"%PDF")
