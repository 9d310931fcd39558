"""CPU time that reading a sheet takes, ahead of the networks, and what it is made of.

    python benchmarks/read_frame.py [--sheets-dir PATH] [--rounds 5]

Medians over the sheets of a folder (50 drawn ones, without it), of the reading thread's own time,
which other work on the machine disturbs little. The stages take turns with the whole.
"""

import argparse
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from steel_defects.data.appearance import frame_statistics
from steel_defects.data.config import SampleDataConfig
from steel_defects.data.synthetic import draw_samples
from steel_defects.images.reading import decode_gray
from steel_defects.inspection.frames import pixel_digest, read_frame
from steel_defects.inspection.sources import FolderSource


def stages(source: FolderSource, sheet_id: str) -> Mapping[str, Callable[[], object]]:
    """Return reading as a whole, and its stages."""
    data = source.read_file(sheet_id)
    image = decode_gray(data)
    return {
        "read_frame": lambda: read_frame(source.read_file, sheet_id),
        "file": lambda: source.read_file(sheet_id),
        "decoding": lambda: decode_gray(data),
        "digest": lambda: pixel_digest(image),
        "statistics": lambda: frame_statistics(image),
    }


def measure(source: FolderSource, rounds: int) -> dict[str, list[float]]:
    """Return the times of each stage, seconds."""
    times: dict[str, list[float]] = {}
    ahead: deque[object] = deque(maxlen=16)  # as inspection does, which changes what memory costs
    for file in source.list_files():
        for stage, work in rounds * list(stages(source, file.sheet_id).items()):
            started = time.thread_time()
            ahead.append(work())
            times.setdefault(stage, []).append(time.thread_time() - started)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sheets-dir", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if not options.sheets_dir:
            for sample in draw_samples(SampleDataConfig(seed=0, sheets=50, new_sheets=1), 0, 50):
                Path(name, sample.name).write_bytes(sample.jpeg)
        source = FolderSource(options.sheets_dir or Path(name))
        with ThreadPoolExecutor(1) as pool:
            times = pool.submit(measure, source, options.rounds).result()
    for stage, seconds in times.items():
        print(f"{stage:12}{1000 * np.median(seconds):6.2f} ms")


if __name__ == "__main__":
    main()
