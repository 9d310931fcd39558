"""The catalog in a plain script, from any folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from steel_defects import load_catalog
from steel_defects.errors import SteelDefectsError

ROOT = Path(__file__).parents[1]


def test_paths_are_those_of_the_project_from_any_folder(tmp_path: Path) -> None:
    code = (
        "from steel_defects import load_catalog\n"
        f"catalog = load_catalog({str(ROOT)!r}, env='demo', raw_dir='pictures')\n"
        "print(catalog['sheets']._filepath, catalog['raw_sheets']._filepath)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    sheets, pictures = done.stdout.splitlines()[-1].split()
    assert sheets == str(ROOT / "data" / "demo" / "03_primary" / "sheets.parquet")
    assert pictures == str(ROOT / "pictures")
    assert done.stderr == ""


def test_what_is_no_project_or_no_environment_is_told(tmp_path: Path) -> None:
    with pytest.raises(SteelDefectsError, match="is no project: it holds no conf/base"):
        load_catalog(tmp_path)
    with pytest.raises(SteelDefectsError, match="no environment mine; there are base, cpu, demo"):
        load_catalog(ROOT, env="mine")
    with pytest.raises(SteelDefectsError, match="there is no parameter raw_dri"):
        load_catalog(ROOT, raw_dri="x")
