"""How often the drift alarm is raised: by undisturbed sheets, blurred ones and brighter ones.

    python benchmarks/drift.py --sheets-dir PATH [--reference 200] [--parts 20] [--seed 0]

Takes random sheets of a folder as the reference of a package, as `build_package` does, and compares
parts of 200 sheets with it: the reference sheets themselves, undisturbed and disturbed, and the
folder's sheets, while the reference, too, is drawn anew for each part. It then differs from what is
inspected by the chance of its draw: many parts are beyond its band, and that is no alarm.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from steel_defects.data.appearance import frame_statistics
from steel_defects.images.folder import SheetFolder
from steel_defects.inspection.config import DriftConfig
from steel_defects.inspection.drift import LEAST_REFERENCE, Comparison, DriftMonitor
from steel_defects.package.manifest import SHEETS

PART = 200
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
    parser.add_argument("--reference", type=int, default=LEAST_REFERENCE)
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
    plain = frames["undisturbed"]
    if len(plain) < options.reference:
        sys.exit(f"Error: {options.sheets_dir} has {len(plain)} sheets; give --reference")
    chosen = rng.permutation(len(plain))[: options.reference]
    monitor = monitor_of(plain.iloc[chosen])
    if monitor.untested:
        sys.exit(f"Error: {monitor.untested}")
    print(f"{len(plain)} sheets, {len(chosen)} the reference; {options.parts} parts of {PART}")
    for name, frame in frames.items():
        show(name, [monitor.compare(draw(rng, frame.iloc[chosen])) for _ in range(options.parts)])
    found = []
    for _ in range(options.parts):
        drawn = plain.iloc[rng.integers(len(plain), size=options.reference)]
        found.append(monitor_of(drawn).compare(draw(rng, plain)))
    show("undisturbed, reference drawn anew", found)


def monitor_of(frames: pd.DataFrame) -> DriftMonitor:
    """Make a monitor with a package's percentiles of some sheets."""
    levels = np.linspace(0, 1, 101)
    reference: dict[str, Any] = {
        name: np.quantile(frames[name], levels, method="inverted_cdf") for name in MEASURES
    }
    return DriftMonitor(reference | {SHEETS: [len(frames)]}, DriftConfig())


def show(name: str, found: list[dict[str, Comparison]]) -> None:
    """Print in how many parts there was an alarm, by which measure, and how far off they were."""
    alarms = {m: sum(part[m].alarm for part in found) for m in MEASURES}
    beyond, parts = (
        sum(any(getattr(one, kind) for one in part.values()) for part in found)
        for kind in ("beyond", "alarm")
    )
    shown = ", ".join(f"{m} {alarms[m]} ({spread(found, m)})" for m in MEASURES)
    print(f"{name}: beyond the band in {beyond} parts, alarms in {parts}; {shown}")


def spread(found: list[dict[str, Comparison]], measure: str) -> str:
    """Return the least and the largest statistic, in shares of its band."""
    values = [part[measure] for part in found]
    ratios = [max(one.psi / one.psi_band, one.ks / one.ks_band) for one in values]
    return f"{min(ratios):.2f} to {max(ratios):.2f} of the band"


if __name__ == "__main__":
    main()
