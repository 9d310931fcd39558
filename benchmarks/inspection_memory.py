"""Peak memory of inspecting many sheets beside that of inspecting few.

    python benchmarks/inspection_memory.py [--sheets-dir PATH] [--package PATH] [--follow]
        [--counts 2000 20000]

The sheets are hard links to those of a folder (drawn ones, without it), no sheet after itself.
Each count is inspected in a process of its own, from the files to the joined tables. Without a
package, a runtime that takes bright pixels for defects stands in for the networks: it leaves about
as many regions and masks as networks do, and takes no time.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

MOST_MB, MOST_SHARE = 50, 0.10


class BrightnessRuntime:
    """Takes the brightest pixels for defects of the first class."""

    parallel = 1
    names: ClassVar[dict[str, str]] = {}

    def gate_score(self, image: np.ndarray) -> float:
        return float(np.clip(image[::8].mean() / 128, 0, 1))

    def segment(self, image: np.ndarray) -> object:
        from steel_defects.decision.postprocessing import SheetPrediction

        maps = np.zeros((*image.shape, 4), np.uint8)
        maps[..., 0] = np.where(image > np.quantile(image[::8], 0.99), 230, 0)
        return SheetPrediction(maps, np.full(4, 0.9, np.float32))


def stand_in() -> object:
    """Return a package without files."""
    from steel_defects.decision.postprocessing import ClassPostprocessing
    from steel_defects.package.folder import ModelPackage
    from steel_defects.package.manifest import GateSpec, Manifest, SegmenterSpec

    settings = (ClassPostprocessing(threshold=0.5, min_area_px=60),) * 4
    gate = GateSpec(
        name="none", file="gate", input_size=(8, 8), temperature=1,
        lower_threshold=0.6, upper_threshold=0.9,
    )  # fmt: skip
    segmenter = SegmenterSpec(name="none", file="segmenter", postprocessing=settings)
    levels = np.linspace(20, 200, 101).tolist()
    names = ("a", "b", "c", "d")
    reference = {"brightness": levels, "contrast": levels}
    manifest = Manifest(class_names=names, gate=gate, segmenter=segmenter, reference=reference)
    return ModelPackage(Path("none"), manifest)


def inspect(sheets: Path, work: Path, package_dir: str, follow: bool) -> None:
    """Inspect a folder, write the joined tables, and print the peak of this process, MB."""
    import logging

    from steel_defects.data.config import PositionsConfig
    from steel_defects.datasets.joined_tables import JoinedCSVDataset, JoinedParquetDataset
    from steel_defects.inspection.cascade import Cascade
    from steel_defects.inspection.config import InspectionConfig
    from steel_defects.inspection.console import Stop
    from steel_defects.inspection.follow import follow_folder
    from steel_defects.inspection.job import Inspection, run_job
    from steel_defects.inspection.places import Places
    from steel_defects.inspection.sources import open_source
    from steel_defects.package.folder import read_package
    from steel_defects.package.runtimes import load_runtime

    logging.disable(logging.WARNING)
    package = read_package(Path(package_dir)) if package_dir else stand_in()
    runtime = load_runtime(package) if package_dir else BrightnessRuntime()
    config = InspectionConfig(
        severity_area_px={"minor": 0}, black_share=0.98, saturated_share=0.5, focus_share=0,
        follow=follow,
    )  # fmt: skip
    none = pd.DataFrame()
    places = Places(none, PositionsConfig(), lambda sheet_id: True)
    source = open_source(sheets)
    setup = Inspection(source, package, Cascade(package, runtime, config), places, config)
    if follow:
        stop, left = Stop(), len(os.listdir(sheets))

        def count(*_: object) -> None:
            nonlocal left
            left -= 1
            stop.requested = left == 0

        result = follow_folder(setup, work, lambda folder: count, stop)
    else:
        result = run_job(setup, work, none)
    verdicts, defects, submission = result.tables()
    JoinedParquetDataset(filepath=str(work / "verdicts.parquet")).save(verdicts)
    JoinedParquetDataset(filepath=str(work / "defects.parquet")).save(defects)
    JoinedCSVDataset(filepath=str(work / "submission.csv")).save(submission)
    print(result.summary(package)["sheets"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def originals(folder: Path | None, to: Path) -> list[Path]:
    """Copy the sheets, or draw some, so that links to them are possible."""
    from steel_defects.data.config import SampleDataConfig
    from steel_defects.data.synthetic import draw_samples
    from steel_defects.images.folder import SheetFolder

    to.mkdir()
    if folder:
        found = SheetFolder(folder)
        for sheet_id in found.sheet_ids:
            shutil.copy(found.path_of(sheet_id), to / sheet_id.replace("/", "_"))
    else:
        for sample in draw_samples(SampleDataConfig(seed=0, sheets=100, new_sheets=1), 0, 100):
            (to / sample.name).write_bytes(sample.jpeg)
    return sorted(to.iterdir())


def measure(count: int, sheets: list[Path], work: Path, options: argparse.Namespace) -> float:
    """Inspect so many sheets in a process of its own; return its peak, MB."""
    folder, jobs = work / f"sheets_{count}", work / f"jobs_{count}"
    folder.mkdir()
    for number in range(count):
        path = sheets[number % len(sheets)]
        (folder / f"{number:07}{path.suffix}").hardlink_to(path)
    command = [sys.executable, __file__, "--inspect", str(folder), "--jobs", str(jobs)]
    command += ["--package", options.package] + ["--follow"] * options.follow
    started = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    inspected, peak = map(int, done.stdout.split()[-2:])
    if inspected != count:
        raise SystemExit(f"{inspected} of {count} sheets were inspected")
    seconds = time.perf_counter() - started
    print(f"{count} sheets: peak {peak / 1024:.0f} MB, {seconds:.0f} s")
    return peak / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sheets-dir", type=Path)
    parser.add_argument("--package", default="")
    parser.add_argument("--follow", action="store_true")
    parser.add_argument("--counts", type=int, nargs=2, default=[2_000, 20_000])
    parser.add_argument("--inspect", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--jobs", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inspect:
        inspect(options.inspect, options.jobs, options.package, options.follow)
        return
    with tempfile.TemporaryDirectory() as name:
        sheets = originals(options.sheets_dir, Path(name) / "originals")
        few, many = (measure(count, sheets, Path(name), options) for count in options.counts)
    within = many <= few * (1 + MOST_SHARE) + MOST_MB
    print(f"{many - few:+.0f} MB; within 10 % + 50 MB: {'yes' if within else 'no'}")
    sys.exit(not within)


if __name__ == "__main__":
    main()
