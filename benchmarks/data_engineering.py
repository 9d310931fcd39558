"""Data engineering at the size of the whole competition, against the bare decoding of its sheets.

    python benchmarks/data_engineering.py [FOLDER] [--sheets 12568] [--repeats 3]

Draws sheets of 1600×256 with masks into FOLDER (a temporary one by default; sheets that are there
already are used again), and runs the pipeline on them as ``kedro run`` does: the tables at first,
again with nothing changed, with 100 sheets added, and with twice the sheets. Start-up is not
counted; leakage report and contact sheet are timed apart. The peer is ``cv2.imdecode`` of the same
files to gray, with a thread a core.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
MORE = 100
CHECKS = [
    f"data_engineering.{name}"
    for name in ("measure_leakage", "find_oddest_sheets", "draw_oddest_sheets")
]
BARS = {"tables": 6.0, "rerun": 1.0, "twice": 2.1}
PEAK_GIB = 1.5


def draw(folder: Path, count: int) -> None:
    """Draw the sheets that the folder lacks, and the file of their masks."""
    from steel_defects.data.config import SampleDataConfig
    from steel_defects.data.synthetic import draw_samples

    images = folder / "train_images"
    images.mkdir(parents=True, exist_ok=True)
    masks = folder / "masks.jsonl"
    there = len(masks.read_text(encoding="utf-8").splitlines()) if masks.exists() else 0
    config = SampleDataConfig(seed=1, sheets=8, new_sheets=1)
    with masks.open("a", encoding="utf-8") as file:
        for sheet in draw_samples(config, there, max(0, count - there)):
            (images / sheet.name).write_bytes(sheet.jpeg)
            rows = [[sheet.name, class_id, rle] for class_id, rle in sheet.masks.items()]
            file.write(json.dumps(rows) + "\n")


def data_folder(drawn: Path, root: Path, count: int) -> Path:
    """Make a raw folder with the first ``count`` sheets, as hard links."""
    folder = root / f"raw_{count}"
    (folder / "train_images").mkdir(parents=True)
    lines = (drawn / "masks.jsonl").read_text(encoding="utf-8").splitlines()[:count]
    for number in range(count):
        name = f"sheet_{number:05d}.jpg"
        os.link(drawn / "train_images" / name, folder / "train_images" / name)
    rows = [row for line in lines for row in json.loads(line)]
    table = pd.DataFrame(rows, columns=["ImageId", "ClassId", "EncodedPixels"])
    table.to_csv(folder / "train.csv", index=False)
    return folder


def decode_seconds(folder: Path) -> float:
    """Time the bare decoding of all sheets, with a thread a core."""
    cv2.setNumThreads(1)
    paths = sorted((folder / "train_images").iterdir())

    def decode(path: Path) -> int:
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
        return int(image[0, 0])

    started = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        sum(pool.map(decode, paths))
    return time.perf_counter() - started


def run(raw: Path, data: Path) -> dict[str, float]:
    """Run the pipeline in a process of its own; returns what :func:`work` prints."""
    command = [sys.executable, __file__, "--work", str(raw), str(data)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def work(raw: Path, data: Path) -> None:
    """Run the tables, then the checks, and print seconds and the peak of memory after each."""
    import logging

    from kedro.framework.project import pipelines
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project
    from kedro.runner import SequentialRunner

    import steel_defects.data.leakage  # noqa: F401
    import steel_defects.drawing.style  # noqa: F401

    bootstrap_project(ROOT)
    logging.disable(logging.INFO)
    conf = data / "conf"
    if not conf.exists():
        shutil.copytree(ROOT / "conf", conf)
        file = conf / "base" / "globals.yml"
        file.write_text(
            file.read_text(encoding="utf-8").replace("data_root: data", f"data_root: {data}"),
            encoding="utf-8",
        )
    whole = pipelines["data_engineering"]
    checks = whole.only_nodes(*CHECKS)
    answer = {}
    with KedroSession.create(
        ROOT, conf_source=str(conf), runtime_params={"raw_dir": str(raw)}
    ) as session:
        catalog = session.load_context().catalog
        for name, part in (("tables", whole - checks), ("checks", checks)):
            started = time.perf_counter()
            SequentialRunner().run(part, catalog)
            answer[f"{name}_seconds"] = time.perf_counter() - started
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            answer[f"{name}_gib"] = peak / 2**20
    print(json.dumps(answer))


def fresh(raw: Path, root: Path) -> tuple[dict[str, float], Path]:
    """Run from nothing."""
    data = Path(tempfile.mkdtemp(dir=root))
    return run(raw, data), data


def kept(before: pd.DataFrame, after: pd.DataFrame) -> bool:
    """Whether all sheets of the first table have the same split and folds in the second."""
    joined = before.merge(after, on="sheet_id", suffixes=("", "_after"))
    same = (joined["split"] == joined["split_after"]).all()
    folds = map(np.array_equal, joined["fold"], joined["fold_after"])
    return bool(len(joined) == len(before) and same and all(folds))


def splits_of(data: Path) -> pd.DataFrame:
    return pd.read_parquet(data / "03_primary" / "splits.parquet")


def measure(drawn: Path, root: Path, count: int, repeats: int) -> None:
    """Measure and print all figures."""
    raw, twice = (data_folder(drawn, root, number) for number in (count, 2 * count))
    decode, first, again, double, double_gib = [], [], [], [], []
    for _ in range(repeats):
        decode.append(decode_seconds(raw))
        answer, data = fresh(raw, root)
        first.append(answer)
        again.append(run(raw, data)["tables_seconds"])
        decode.append(decode_seconds(raw))
        answer, _ = fresh(twice, root)
        double.append(answer["tables_seconds"])
        double_gib.append(answer["tables_gib"])
    bare, tables = np.median(decode), np.median([one["tables_seconds"] for one in first])
    gib = max(one["tables_gib"] for one in first)
    checks = np.median([one["checks_seconds"] for one in first])
    rows = len(pd.read_csv(raw / "train.csv"))
    print(f"{count} sheets, {rows} masks, {os.cpu_count()} cores, median of {repeats} repeats")
    print(f"bare decoding          {bare:7.1f} s")
    _bar("tables", f"tables                 {tables:7.1f} s", tables / bare, "× bare decoding")
    print(f"  peak memory          {gib:7.2f} GiB, bar {PEAK_GIB}: {_verdict(gib < PEAK_GIB)}")
    print(f"leakage, contact sheet {checks:7.1f} s  {checks / bare:5.2f}× bare decoding")
    rerun = np.median(again)
    _bar("rerun", f"tables again           {rerun:7.1f} s", rerun / bare, "× bare decoding")
    ratio = np.median(double) / tables
    _bar("twice", f"twice the sheets       {np.median(double):7.1f} s", ratio, "× the tables")
    print(f"  peak memory          {max(double_gib):7.2f} GiB, {max(double_gib) / gib:.2f}× ")
    before = splits_of(data)
    name = f"sheet_{count:05d}.jpg"
    for number in range(count, count + MORE):
        name = f"sheet_{number:05d}.jpg"
        os.link(drawn / "train_images" / name, raw / "train_images" / name)
    seconds = run(raw, data)["tables_seconds"]
    stays = _verdict(kept(before, splits_of(data)))
    print(f"with {MORE} more          {seconds:7.1f} s, the old keep split and folds: {stays}")


def _verdict(holds: bool) -> str:
    return "yes" if holds else "NO"


def _bar(name: str, text: str, ratio: float, unit: str) -> None:
    print(f"{text}  {ratio:5.2f}{unit}, bar {BARS[name]}: {_verdict(ratio <= BARS[name])}")


def main() -> None:
    """Read the command line and measure."""
    if sys.argv[1:2] == ["--work"]:
        work(Path(sys.argv[2]), Path(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description="Data engineering against bare decoding.")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--sheets", type=int, default=12_568)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        drawn = options.folder or Path(temporary) / "drawn"
        draw(drawn, 2 * options.sheets)
        measure(drawn, Path(temporary), options.sheets, options.repeats)


if __name__ == "__main__":
    main()
