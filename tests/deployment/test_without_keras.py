"""A package with OpenVINO is inspected by a machine that has neither Keras nor Kedro."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ABSENT = ("keras", "tensorflow", "kedro", "kedro_datasets", "jax", "torch")

INSPECT = f"""
import sys


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT}:
            raise ModuleNotFoundError(f"{{name}} is not installed here")


sys.meta_path.insert(0, Absent())
from pathlib import Path

import pandas as pd

from steel_defects.inspection.cascade import Cascade
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.job import run_job
from steel_defects.package.folder import read_package
from steel_defects.inspection.places import Places
from steel_defects.package.runtimes import load_runtime
from steel_defects.inspection.sources import FolderSource
from steel_defects.inspection.job import Inspection
from steel_defects.data.config import PositionsConfig

folder, sheets, jobs = map(Path, sys.argv[1:])
package = read_package(folder)
config = InspectionConfig(
    severity_area_px={{"minor": 0}}, black_share=0.98, saturated_share=0.5, focus_share=0.0,
    runtime="auto",
)
runtime = load_runtime(package, config.runtime, config.execution)
cascade = Cascade(package, runtime, config)
table = pd.DataFrame()
places = Places(table, PositionsConfig(), lambda sheet_id: True)
result = run_job(Inspection(FolderSource(sheets), package, cascade, places, config), jobs, table)
verdicts = next(iter(result.tables()[0]))
pd.read_parquet(verdicts).to_csv(jobs / "verdicts.csv", index=False)
print(*runtime.names.values(), *(name for name in {ABSENT} if name in sys.modules))
"""


def test_inspection_with_openvino_alone(passed, sheets_dir, tmp_path):
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    done = subprocess.run(
        [sys.executable, "-c", INSPECT, str(passed.folder), str(sheets_dir), str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["openvino_fp32", "openvino_fp32"]
    verdicts = pd.read_csv(tmp_path / "verdicts.csv")
    assert verdicts["sheet_id"].tolist() == [f"{number}.png" for number in range(6)]
    assert verdicts["gate_score"].between(0, 1).all()
    assert not verdicts["reason"].str.startswith("unreadable").any()
