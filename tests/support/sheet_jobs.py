"""Jobs with a runtime that costs nothing, for tests and for processes that tests start."""

import sys
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from steel_defects.data.config import PositionsConfig
from steel_defects.decision.postprocessing import ClassPostprocessing, SheetPrediction
from steel_defects.inspection.cascade import Cascade
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.job import Inspection, run_job
from steel_defects.inspection.places import Places
from steel_defects.inspection.sources import SheetSource, open_source
from steel_defects.inspection.store.parts import JoinedTable
from steel_defects.inspection.tables import JobResult
from steel_defects.package.folder import ModelPackage
from steel_defects.package.manifest import GateSpec, Manifest, SegmenterSpec

SETTINGS = ClassPostprocessing(threshold=0.5, min_area_px=2)


class BrightnessRuntime:
    """Takes bright pixels for pits, and a sheet's share of them for the gate's score."""

    def __init__(self, parallel: int = 1, seconds: float = 0.0) -> None:
        """Answer after some time."""
        self.parallel, self._seconds = parallel, seconds
        self.names: dict[str, str] = {}

    def gate_score(self, image: np.ndarray) -> float:
        time.sleep(self._seconds)
        return float(np.clip((image > 200).mean() * 20, 0, 1))

    def segment(self, image: np.ndarray) -> SheetPrediction:
        maps = np.where(image > 200, 230, 0).astype(np.uint8)[..., None]
        return SheetPrediction(maps, np.array([0.9], np.float32))


def package(reference: dict[str, list[float]] | None = None) -> ModelPackage:
    """A package without files."""
    manifest = Manifest(
        class_names=("pit",),
        gate=GateSpec(
            name="none", file="gate.keras", input_size=(8, 8), temperature=1.0,
            lower_threshold=0.05, upper_threshold=0.9,
        ),
        segmenter=SegmenterSpec(name="none", file="u.keras", postprocessing=(SETTINGS,)),
        mm_per_px=0.5,
        reference=reference or {},
    )  # fmt: skip
    return ModelPackage(Path("nowhere"), manifest)


def config(**values: object) -> InspectionConfig:
    """Parts of five sheets."""
    return InspectionConfig(
        **{
            "severity_area_px": {"minor": 0}, "black_share": 0.98, "saturated_share": 0.5,
            "focus_share": 0.0, "part_sheets": 5,
        } | values
    )  # fmt: skip


def draw_sheet(seed: int) -> np.ndarray:
    """A sheet with as many bright spots as seed modulo 4."""
    image = np.random.default_rng(seed).normal(120, 12, (32, 96)).clip(40, 190).astype(np.uint8)
    for spot in range(seed % 4):
        image[8 : 14 + spot, 10 + 20 * spot : 18 + 20 * spot] = 240
    return image


def write_sheets(folder: Path, count: int) -> None:
    """Write sheets; the third of each ten repeats the second, and the fifth is broken."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        seed = number - 1 if number % 10 == 3 else number
        data = cv2.imencode(".png", draw_sheet(seed))[1].tobytes()
        if number % 10 == 5:
            data = data[:100]
        (folder / f"sheet_{number:04}.png").write_bytes(data)


def inspection(
    source: SheetSource, settings: InspectionConfig, runtime: BrightnessRuntime, **values: object
) -> Inspection:
    """All that sheets are judged with."""
    used = package(**values)
    places = Places(pd.DataFrame(), PositionsConfig(), lambda sheet_id: True)
    return Inspection(source, used, Cascade(used, runtime, settings), places, settings)


def run(
    sheets: Path, jobs: Path, settings: InspectionConfig, runtime: BrightnessRuntime | None = None
) -> JobResult:
    """Inspect a folder or a list."""
    setup = inspection(open_source(sheets), settings, runtime or BrightnessRuntime())
    return run_job(setup, jobs, pd.DataFrame())


def loaded(table: JoinedTable) -> pd.DataFrame:
    """Put a table together from its parts, without what differs between runs."""
    csv = partial(pd.read_csv, dtype="str", keep_default_na=False)
    read = csv if table.file.endswith("csv") else pd.read_parquet
    found = pd.concat([read(path) for path in table], ignore_index=True)
    return found.drop(columns="inspected_at", errors="ignore")


if __name__ == "__main__":
    # python sheet_jobs.py SHEETS JOBS: slow enough to be killed in the middle.
    run(Path(sys.argv[1]), Path(sys.argv[2]), config(), BrightnessRuntime(seconds=0.01))
