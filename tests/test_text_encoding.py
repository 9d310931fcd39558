"""Text is UTF-8 in every locale."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kedro.framework.session import KedroSession

from steel_defects.datasets.files import TextFileDataset
from steel_defects.package.folder import read_package

ROOT = Path(__file__).parents[1]
TEXT = "Löcher ✗"
CALLS = {"read_text": 0, "write_text": 1}  # arguments before the encoding
#: ASCII; other locales may not be installed.
PLAIN = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
SAVE = """
import json, sys
import pandas as pd
from kedro.io import DataCatalog
entries, text = json.load(sys.stdin)
catalog = DataCatalog.from_config(entries)
for name in entries:
    catalog.save(name, text if name == "report" else pd.DataFrame({"name": [text]}))
assert catalog.load("report") == text
"""
WRITE_PACKAGE = """
import sys
from pathlib import Path
from steel_defects.package.folder import write_package
from steel_defects.package.manifest import Manifest
write_package(Path(sys.argv[1]), Manifest.model_validate_json(sys.stdin.buffer.read()), {
    "segmenter.keras": lambda path: path.write_bytes(b"segmenter")})
"""
LOG = """
import logging
from steel_defects import cli
logging.basicConfig(stream=cli.sys.stdout)
cli.kedro_run.callback = lambda runner: logging.warning("L\\u00f6cher \\u2717")
cli._run(False)
"""


def run(code: str, *arguments: str, given: str = "") -> str:
    """Run Python in a locale whose encoding is not UTF-8, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], input=given, env=os.environ | PLAIN,
        capture_output=True, encoding="ascii", check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Logging error" not in done.stderr
    return done.stdout


@pytest.mark.slow
def test_texts_of_the_catalog_are_utf_8(tmp_path: Path) -> None:
    with KedroSession.create(ROOT, env="base") as session:
        catalog = session.load_context().config_loader["catalog"]
    entries = {
        name: {key: entry[key] for key in entry if key not in ("validator", "versioned")}
        | {"filepath": str(tmp_path / name)}
        for name, entry in catalog.items()
        if name == "report" or entry["type"] == "pandas.CSVDataset"
    }
    assert len(entries) > 10
    run(SAVE, given=json.dumps([entries, TEXT]))
    for name in entries:
        assert TEXT in (tmp_path / name).read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_package_names_its_classes_in_any_letters(tmp_path: Path) -> None:
    segmenter = {"name": "unet", "file": "segmenter.keras"}
    segmenter["postprocessing"] = [{"threshold": 0.5, "min_area_px": 4}]
    given = json.dumps({"class_names": [TEXT], "gate": None, "segmenter": segmenter})
    run(WRITE_PACKAGE, str(tmp_path / "package"), given=given)
    assert read_package(tmp_path / "package").manifest.class_names == (TEXT,)


def test_a_console_without_a_letter_shows_its_code() -> None:
    assert "L\\xf6cher \\u2717" in run(LOG)


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    report = TextFileDataset(filepath=str(tmp_path / "report.html"))
    report.save(TEXT)
    with pytest.raises(Exception, match="surrogates"):
        report.save("new \udce9")
    assert report.load() == TEXT
    assert os.listdir(tmp_path) == ["report.html"]


@pytest.mark.parametrize("folder", ["src", "tools", "tests", "benchmarks"])
def test_texts_are_read_and_written_with_an_encoding(folder: str) -> None:
    """Ruff's rule misses calls on what it can't tell to be a path."""
    without = [
        f"{file}:{call.lineno}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and len(call.args) <= CALLS.get(call.func.attr, -1)
        and not any(keyword.arg == "encoding" for keyword in call.keywords)
    ]
    assert without == []
