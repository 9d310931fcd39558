"""The documentation builds without a warning, and links of README lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tools.reference import ROOT


def test_the_site_builds_without_warnings(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    assert (tmp_path / "reference" / "parameters.html").is_file()
    assert (tmp_path / "tutorial.html").is_file()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_in_the_repository_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", (ROOT / page).read_text())
    inside = [link for link in links if not link.startswith("http")]
    assert [link for link in inside if not (ROOT / link).exists()] == []


def test_links_out_of_docs_lead_somewhere() -> None:
    """Those that the site shows as text."""
    missing = [
        (page.name, link)
        for page in (ROOT / "docs").rglob("*.md")
        for link in re.findall(r"\]\((\.\./[^)#\s]+)", page.read_text())
        if not (page.parent / link).exists()
    ]
    assert missing == []
