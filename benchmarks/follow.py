"""How soon a sheet's verdict is on disk once a camera has written its file.

    python benchmarks/follow.py [--rate 20] [--sheets 200] [--package PATH] [--backlog 0]

A process writes drawn sheets into a folder as a camera would, each in three pieces, at a steady
rate; another one watches the folder. Prints percentiles of the time from the end of a file's last
write to the end of the write of its verdict. Without a package, a runtime that answers at once
stands in for the networks. `--backlog` puts so many inspected sheets into the folder first.
"""

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from inspection_memory import BrightnessRuntime, stand_in

from steel_defects.data.config import PositionsConfig, SampleDataConfig
from steel_defects.data.synthetic import draw_samples
from steel_defects.inspection.cascade import Cascade
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.console import Stop
from steel_defects.inspection.follow import follow_folder
from steel_defects.inspection.job import Inspection
from steel_defects.inspection.places import Places
from steel_defects.inspection.sources import open_source
from steel_defects.package.folder import read_package
from steel_defects.package.runtimes import load_runtime


def camera(folder: Path, pictures: list[bytes], rate: float) -> None:
    """Write pictures, each in three pieces."""
    started = time.time()
    for number, data in enumerate(pictures):
        time.sleep(max(0.0, started + number / rate - time.time()))
        with (folder / f"new_{number:06}.jpg").open("wb") as file:
            for piece in np.array_split(np.frombuffer(data, np.uint8), 3):
                file.write(piece.tobytes())
                file.flush()
                time.sleep(0.005)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--sheets", type=int, default=200)
    parser.add_argument("--package", default="")
    parser.add_argument("--backlog", type=int, default=0)
    options = parser.parse_args()
    drawn = list(draw_samples(SampleDataConfig(seed=0, sheets=50, new_sheets=1), 0, 50))
    pictures = [drawn[number % 50].jpeg for number in range(options.sheets)]
    package = read_package(Path(options.package)) if options.package else stand_in()
    runtime = load_runtime(package) if options.package else BrightnessRuntime()
    config = InspectionConfig(
        severity_area_px={"minor": 0}, black_share=0.98, saturated_share=0.5, focus_share=0,
        follow=True,
    )  # fmt: skip
    delays: list[float] = []
    stop, left = Stop(), options.sheets + options.backlog
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "sheets"
        folder.mkdir()
        for number in range(options.backlog):
            (folder / f"old_{number:06}.jpg").write_bytes(drawn[number % 50].jpeg)
        places = Places(pd.DataFrame(), PositionsConfig(), lambda sheet_id: True)
        source = open_source(folder)
        setup = Inspection(source, package, Cascade(package, runtime, config), places, config)
        process = multiprocessing.Process(target=camera, args=(folder, pictures, options.rate))

        def count(frame: object, sheet: object) -> None:
            nonlocal left
            left -= 1
            if left == options.sheets:
                process.start()
            # The verdict is written right after this call, in some 50 µs.
            file = folder / sheet.sheet_id
            if file.name.startswith("new"):
                delays.append(time.time() - file.stat().st_mtime)
            stop.requested = left == 0

        if not options.backlog:
            process.start()
        follow_folder(setup, Path(name) / "jobs", lambda job: count, stop)
        process.join()
    quantiles = np.quantile(delays, [0.5, 0.9, 0.99, 1])
    names = ("p50", "p90", "p99", "worst")
    shown = ", ".join(f"{q} {s:.2f} s" for q, s in zip(names, quantiles, strict=True))
    print(f"{len(delays)} sheets at {options.rate:g} a second, {options.backlog} before: {shown}")


if __name__ == "__main__":
    main()
