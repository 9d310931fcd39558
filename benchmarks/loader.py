"""The training loader against bare decoding of the same sheets on the same cores.

    python benchmarks/loader.py [PATH]

PATH is a data folder in Severstal's layout; without one, synthetic sheets are drawn. Bare decoding
is ``cv2.imdecode`` of files that are in memory already. The loader reads the files, cuts windows of
256×256 pixels with the masks of all classes, augments them in every way it can, and makes batches.
Both use one thread a core, and OpenCV none beside these.
"""

import hashlib
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from timing import median_seconds

from steel_defects.data.config import SampleDataConfig
from steel_defects.data.synthetic import draw_samples
from steel_defects.images.folder import SheetFolder
from steel_defects.images.gray_cache import SheetReader, open_gray_cache
from steel_defects.training.augmentation import Augmentation
from steel_defects.training.labelled_tiles import (
    Draw,
    LabelledTiles,
    TileReader,
    labelled_tiles,
)
from steel_defects.training.loader import Loader

SIZE = 256
BATCH = 16
SHEETS = 240
REPEATS = 9
EVERYTHING = Augmentation(flips=True, brightness=0.1, contrast=0.1, transposes=True)
#: Name, windows a sheet, whether from the cache, and the least speed: a multiple of bare decoding.
WAYS = (
    ("loader, 1 window a sheet", 1, False, 0.7),
    ("loader, 4 windows a sheet", 4, False, None),
    ("cache, 1 window a sheet", 1, True, 3.0),
    ("cache, 4 windows a sheet", 4, True, None),
)


def draw_sheets(root: Path) -> None:
    """Draw synthetic sheets in Severstal's layout."""
    config = SampleDataConfig(seed=7, sheets=SHEETS, new_sheets=1)
    (root / "train_images").mkdir()
    rows = []
    for sheet in draw_samples(config, 0, SHEETS):
        (root / "train_images" / sheet.name).write_bytes(sheet.jpeg)
        rows += [(sheet.name, class_id, rle) for class_id, rle in sheet.masks.items()]
    table = pd.DataFrame(rows, columns=["ImageId", "ClassId", "EncodedPixels"])
    table.to_csv(root / "train.csv", index=False)


def read_tables(folder: SheetFolder) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return sheets, a multiple of the batch size, and their annotations."""
    rows = []
    for sheet_id in folder.sheet_ids[: len(folder) // BATCH * BATCH]:
        data = folder.path_of(sheet_id).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        rows.append((sheet_id, folder.relative_path(sheet_id), digest, *folder[sheet_id].shape))
    sheets = pd.DataFrame(rows, columns=["sheet_id", "path", "sha256", "height", "width"])
    table = pd.read_csv(folder.root / "train.csv", dtype={"EncodedPixels": str}).dropna()
    names = {"ImageId": "sheet_id", "ClassId": "class_id", "EncodedPixels": "rle"}
    return sheets, table.rename(columns=names)


def label(reader: SheetReader, sheets: pd.DataFrame, annotations: pd.DataFrame) -> LabelledTiles:
    """Join the tables; one tile a sheet gives the size of the windows."""
    tiles = sheets[["sheet_id"]].assign(x=0, y=0, width=SIZE, height=SIZE)
    tiles["area_px"] = [[]] * len(tiles)
    return labelled_tiles(reader, tiles, sheets, annotations, int(annotations["class_id"].max()))


def load(data: LabelledTiles, windows: int, threads: int) -> Callable[[], None]:
    """Return a function that reads every sheet once; defective ones show a defect."""
    shown = [min(data.runs[row.sheet_id], default=0) for row in data.sheets]

    def choose(rng: np.random.Generator) -> list[Draw]:
        return [(int(place), shown[place]) for place in rng.permutation(len(shown))]

    loader = Loader(
        TileReader(data, EVERYTHING, windows_per_sheet=windows).windows, choose, BATCH, seed=1,
        threads=threads, per_read=windows,
    )  # fmt: skip

    def run() -> None:
        for _ in loader.epoch(0):
            pass

    return run


def bare(folder: SheetFolder, sheets: pd.DataFrame) -> Callable[[], None]:
    """Return a function that decodes every sheet once, and nothing else."""
    files = [np.fromfile(folder.root / path, np.uint8) for path in sheets["path"]]

    def run() -> None:
        with ThreadPoolExecutor(cpu_count()) as pool:
            for _ in pool.map(lambda file: cv2.imdecode(file, cv2.IMREAD_GRAYSCALE), files):
                pass

    return run


def measure(root: Path, cache_dir: Path) -> bool:
    """Time all ways in turn, print them, and return whether every bar holds."""
    folder = SheetFolder(root)
    sheets, annotations = read_tables(folder)
    cached = open_gray_cache(folder, sheets, cache_dir)
    ways = {"cv2.imdecode": bare(folder, sheets)}
    for name, windows, from_cache, _ in WAYS:
        data = label(cached if from_cache else folder, sheets, annotations)
        # As trainings do: one thread from the cache, else one a core.
        ways[name] = load(data, windows, threads=int(from_cache))
    seconds = median_seconds(ways, REPEATS)
    print(f"{len(sheets)} sheets, {cpu_count()} threads")
    for name, value in seconds.items():
        print(f"{name:28s} {len(sheets) / value:7.0f} sheets/s")
    held = True
    for name, windows, _, least in WAYS:
        ratio = seconds["cv2.imdecode"] / seconds[name]
        bar = "" if least is None else f"; wanted {least}: {'holds' if ratio >= least else 'FAILS'}"
        print(f"{name}: {ratio:.2f} of the sheets, {windows * ratio:.2f} windows a decode{bar}")
        held &= least is None or ratio >= least
    return held


def main(path: Path | None) -> None:
    """Measure on the folder given, or on synthetic sheets."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        root = path or Path(name)
        if path is None:
            draw_sheets(root)
        if not measure(root, Path(name) / "cache"):
            raise SystemExit("a bar does not hold")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        raise SystemExit("usage: python benchmarks/loader.py [PATH]")
    main(Path(sys.argv[1]) if len(sys.argv) == 2 else None)
