"""How fast sheets are inspected, from JPEG on disk to tables on disk.

    python benchmarks/inspection.py --raw-dir PATH --package DIR [--runtime NAME] [--sheets 100]

Draws folders of sheets from the labelled ones, by seed, at the folder's own mix and at 95 % clean,
no sheet twice among 33 in a row (hard links, or copies). For each mix, in one run and in turns,
five times:

* the peer: ``model.predict(x, batch_size=1)`` of both Keras models on every sheet, preloaded and
  resized, warm;
* the limit: the package's gate on all sheets and its segmenter on those that it does not clear,
  preloaded, several at a time, and nothing else;
* inspection: the product's own, from the folder to verdicts, defects and submission on disk.

Prints sheets a second (medians), the ratio of inspection to the peer, and its share of the limit.
The peer is timed on fewer sheets, which changes nothing about its speed.
"""

import argparse
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from timing import median_seconds

from steel_defects.data.config import PositionsConfig
from steel_defects.decision.verdict import clears
from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.images.reading import resize
from steel_defects.inspection.cascade import Cascade
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.frames import RECENT_FRAMES
from steel_defects.inspection.job import Inspection, run_job
from steel_defects.inspection.places import Places
from steel_defects.inspection.sources import FolderSource
from steel_defects.package.folder import ModelPackage, read_package
from steel_defects.package.manifest import Manifest
from steel_defects.package.networks import load_keras
from steel_defects.package.runtimes import PackageRuntime, load_runtime
from steel_defects.prediction.inference import sheet_batch

SEED = 20
REPEATS = 5
CLEAN_SHARE = 0.95
PEER_SHEETS = 8


def draw_mix(
    labelled: SheetFolder, defective: set[str], sheets: int, clean_share: float | None
) -> list[str]:
    """Draw sheets, none twice among 33 in a row; at their own mix where no share is given."""
    rng = np.random.default_rng(SEED)
    ids = labelled.sheet_ids
    clean = [name for name in ids if name not in defective]
    drawn: list[str] = []
    while len(drawn) < sheets:
        pool = ids
        if clean_share is not None:
            pool = clean if rng.random() < clean_share else sorted(defective & set(ids))
        name = pool[int(rng.integers(len(pool)))]
        if name not in drawn[-RECENT_FRAMES:]:
            drawn.append(name)
    return drawn


def lay_out(labelled: SheetFolder, names: Sequence[str], folder: Path) -> None:
    """Put the drawn sheets into a folder, in their order."""
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        source, target = labelled.path_of(name), folder / f"{number:06d}{Path(name).suffix}"
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)


def peer(package: ModelPackage, images: Sequence[NDArray[np.uint8]]) -> Callable[[], None]:
    """Return a function that asks both Keras models for every sheet, one at a time."""
    manifest = package.manifest
    inputs = []
    if manifest.gate:
        gate = load_keras(package, manifest.gate.file)
        small = [resize(image, manifest.gate.input_size) for image in images]
        inputs += [(gate, one[None, ..., None].astype(np.float32)) for one in small]
    segmenter = load_keras(package, manifest.segmenter.file)
    stride = manifest.segmenter.stride
    inputs += [
        (segmenter, sheet_batch(image, stride=stride).astype(np.float32)) for image in images
    ]

    def predict() -> None:
        for model, x in inputs:
            model.predict(x, batch_size=1, verbose=0)

    return predict


def limit(
    runtime: PackageRuntime, manifest: Manifest, images: Sequence[NDArray[np.uint8]]
) -> Callable[[], None]:
    """Return a function that runs the networks alone."""
    gate = manifest.gate
    thresholds = gate and gate.thresholds

    def run() -> None:
        scores = list(runtime.score_many(images))
        rest = (
            image
            for image, score in zip(images, scores, strict=True)
            if not clears(score, thresholds)
        )
        for _ in runtime.segment_many(rest):
            pass

    return run


def inspection_of(
    setup: Callable[[Path], Inspection], sheets: Path, jobs: Path
) -> Callable[[], None]:
    """Return a function that inspects a folder, each time as a job of its own."""
    numbers = count()

    def run() -> None:
        place = jobs / str(next(numbers))
        place.mkdir(parents=True)
        result = run_job(setup(sheets), place, pd.DataFrame())
        verdicts, _, submission = result.tables()
        assert sum(1 for _ in verdicts) and sum(1 for _ in submission)

    return run


def measure(
    given: argparse.Namespace, names: Sequence[str], labelled: SheetFolder, runtime: PackageRuntime
) -> dict[str, float]:
    """Return sheets a second of the peer, the limit and inspection on one mix."""
    package = read_package(given.package)
    config = InspectionConfig(
        severity_area_px={"minor": 0}, black_share=0.98, saturated_share=0.5, focus_share=0.0,
    )  # fmt: skip
    cascade = Cascade(package, runtime, config)

    def setup(folder: Path) -> Inspection:
        places = Places(pd.DataFrame(), PositionsConfig(), lambda _: True)
        return Inspection(FolderSource(folder), package, cascade, places, config)

    images = {name: labelled[name] for name in sorted(set(names))}
    preloaded = [images[name] for name in names]
    with tempfile.TemporaryDirectory() as scratch:
        sheets, jobs = Path(scratch, "sheets"), Path(scratch, "jobs")
        lay_out(labelled, names, sheets)
        seconds = median_seconds(
            {
                "peer": peer(package, preloaded[:PEER_SHEETS]),
                "limit": limit(runtime, package.manifest, preloaded),
                "inspection": inspection_of(setup, sheets, jobs),
            },
            REPEATS,
        )
    counts = {"peer": min(PEER_SHEETS, len(names)), "limit": len(names), "inspection": len(names)}
    return {name: counts[name] / value for name, value in seconds.items()}


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--raw-dir", type=Path, required=True)
    parser.add_argument("--package", type=Path, required=True)
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--sheets", type=int, default=100)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    labelled = SheetFolder(given.raw_dir)
    marked = pd.read_csv(given.raw_dir / "train.csv", dtype=str)
    defective = set(marked.loc[marked["EncodedPixels"].notna(), "ImageId"])
    runtime = load_runtime(read_package(given.package), given.runtime)
    print(f"{os.cpu_count()} cores, {runtime.names}, {given.sheets} sheets, {REPEATS} repeats")
    mixes = (("the folder's mix", None), (f"{CLEAN_SHARE:.0%} clean", CLEAN_SHARE))
    for label, share in mixes:
        started = time.perf_counter()
        names = draw_mix(labelled, defective, given.sheets, share)
        found = measure(given, names, labelled, runtime)
        dirty = sum(name in defective for name in names) / len(names)
        print(
            f"{label} ({dirty:.0%} defective): inspection {found['inspection']:.1f} sheets/s, "
            f"model.predict of both {found['peer']:.2f}, ratio "
            f"{found['inspection'] / found['peer']:.1f}; the networks alone {found['limit']:.1f}, "
            f"share {found['inspection'] / found['limit']:.2f} "
            f"({time.perf_counter() - started:.0f} s)"
        )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SteelDefectsError as error:
        sys.exit(f"Error: {error}")
