"""Commands that train nothing start without TensorFlow."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("tensorflow", "keras", "jax", "torch")

PROJECT = """
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
bootstrap_project(".")
assert len(pipelines["__default__"].nodes) > 20
with KedroSession.create(".", env="test") as session:
    catalog = session.load_context().catalog
    assert "unet.segmenter" in catalog
"""
INSPECTION = """
import importlib, pkgutil
import steel_defects.inspection as package
names = [module.name for module in pkgutil.iter_modules(package.__path__)]
assert "cascade" in names
for name in names:
    importlib.import_module(f"steel_defects.inspection.{name}")
"""


def imported_by(code: str) -> list[str]:
    show = f"import sys; print('HEAVY', *[m for m in {HEAVY} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return found.stdout.splitlines()[-1].split()[1:]


@pytest.mark.slow
@pytest.mark.parametrize("code", [PROJECT, INSPECTION], ids=["project", "inspection"])
def test_nothing_heavy_is_imported(code):
    assert imported_by(code) == []


def test_the_check_notices_heavy_modules():
    assert imported_by("import sys; sys.modules['keras'] = sys") == ["keras"]
