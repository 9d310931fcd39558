"""How often the drift alarm is raised: by undisturbed sheets, blurred ones and brighter ones.

    python benchmarks/drift.py --sheets-dir PATH [--share 0.24] [--parts 20] [--seed 0]

Takes a random share of a folder's sheets (that of validation and calibration together, in the
environment cpu) as the reference of a package, as `build_package` does, and compares parts of 200
sheets with it. Undisturbed ones are drawn from the reference sheets themselves and, for comparison,
from all others: a reference of few sheets then differs from what is inspected by the chance of its
draw, and alarms are not sure.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from steel_defects.data.appearance import frame_statistics
from steel_defects.images.folder import SheetFolder
from steel_defects.inspection.config import DriftConfig
from steel_defects.inspection.drift import Comparison, DriftMonitor

PART = 200
LEVELS = np.linspace(0, 1, 101)
MEASURES = ["brightness", "contrast", "sharpness"]
CHANGES = {
    "undisturbed": lambda image: image,
    "blurred, sigma 2": lambda image: cv2.GaussianBlur(image, (0, 0), 2),
    "20 % brighter": lambda image: cv2.convertScaleAbs(image, alpha=1.2),
    "20 % darker": lambda image: cv2.convertScaleAbs(image, alpha=0.8),
}


def draw(rng: np.random.Generator, frames: pd.DataFrame) -> dict[str, np.ndarray]:
    """Draw a part, no sheet after itself."""
    steps = np.r_[rng.integers(len(frames)), rng.integers(1, len(frames), PART - 1)]
    chosen = frames.iloc[np.cumsum(steps) % len(frames)]
    return {name: chosen[name].to_numpy() for name in MEASURES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sheets-dir", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.24)
    parser.add_argument("--parts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    folder = SheetFolder(options.sheets_dir)
    images = [folder[sheet_id] for sheet_id in folder.sheet_ids]
    frames = {
        name: pd.DataFrame([frame_statistics(change(image)) for image in images])
        for name, change in CHANGES.items()
    }
    order = rng.permutation(len(images))
    held_out, others = np.split(order, [round(options.share * len(images))])
    reference = {
        name: np.quantile(
            frames["undisturbed"].iloc[held_out][name],
            np.linspace(0, 1, 101),
            method="inverted_cdf",
        )
        for name in MEASURES
    }
    reference["sheets"] = [len(held_out)]
    monitor = DriftMonitor(reference, DriftConfig())
    print(f"{len(images)} sheets, {len(held_out)} the reference; {options.parts} parts of {PART}")
    cases = [(name, frame, held_out) for name, frame in frames.items()]
    cases.append(("undisturbed, of the other sheets", frames["undisturbed"], others))
    for name, frame, rows in cases:
        found = [monitor.compare(draw(rng, frame.iloc[rows])) for _ in range(options.parts)]
        alarms = {m: sum(part[m].alarm for part in found) for m in MEASURES}
        parts = sum(any(value.alarm for value in part.values()) for part in found)
        sure = sum(any(v.alarm and v.sure for v in part.values()) for part in found)
        shown = ", ".join(f"{m} {alarms[m]} ({spread(found, m)})" for m in MEASURES)
        print(f"{name}: alarms in {parts} parts, sure in {sure}; {shown}")


def spread(found: list[dict[str, Comparison]], measure: str) -> str:
    """Return the least and the largest statistic, in shares of its band."""
    values = [part[measure] for part in found]
    ratios = [max(one.psi / one.psi_band, one.ks / one.ks_band) for one in values]
    return f"{min(ratios):.2f} to {max(ratios):.2f} of the band"


if __name__ == "__main__":
    main()
