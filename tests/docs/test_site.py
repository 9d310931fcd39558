"""The documentation builds without a warning, and links of README lead somewhere."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tools.reference import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The site, and what was said while it was built."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, "-m", "tools.reference"], cwd=ROOT, check=True)
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout + done.stderr


def test_the_site_builds_without_warnings(built: tuple[Path, str]) -> None:
    site, said = built
    assert "WARNING" not in said
    assert (site / "reference" / "parameters.html").is_file()
    assert (site / "tutorial.html").is_file()


class Fetched(HTMLParser):
    """Collect the addresses of what a browser fetches with a page, and how the page asks for it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.marks: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.marks |= set(given.get("class", "").split())
        asked = [given.get(name, "") for name in ("src", "srcset", "data", "poster")]
        asked += [given.get("href", "")] if tag in ("link", "image", "use") else []
        self.addresses += filter(None, asked)


def test_no_page_asks_the_network_for_anything(built: tuple[Path, str]) -> None:
    pages = {page: Fetched(page.read_text(encoding="utf-8")) for page in built[0].rglob("*.html")}
    assert sum(len(page.addresses) for page in pages.values()) > 5 * len(pages) > 100
    away = [
        (page.name, address)
        for page, found in pages.items()
        for address in found.addresses
        if address.startswith(("http:", "https:", "//"))
    ]
    assert away == []
    # The theme's script fetches the library that draws these from elsewhere.
    assert [page.name for page, found in pages.items() if "mermaid" in found.marks] == []
    styles = "".join(path.read_text(encoding="utf-8") for path in built[0].rglob("*.css"))
    assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\s]+", styles) == []


def test_a_page_that_would_ask_is_noticed() -> None:
    page = Fetched('<pre class="mermaid"></pre><link href="https://a/b.css"><a href="https://c">')
    assert page.addresses == ["https://a/b.css"] and page.marks == {"mermaid"}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_in_the_repository_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", (ROOT / page).read_text(encoding="utf-8"))
    inside = [link for link in links if not link.startswith("http")]
    assert [link for link in inside if not (ROOT / link).exists()] == []


def test_links_out_of_docs_lead_somewhere() -> None:
    """Those that the site shows as text."""
    missing = [
        (page.name, link)
        for page in (ROOT / "docs").rglob("*.md")
        for link in re.findall(r"\]\((\.\./[^)#\s]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert missing == []
