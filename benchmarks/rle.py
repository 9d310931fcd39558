"""Decoding and encoding of masks against pycocotools, on real run-length encodings.

    python benchmarks/rle.py PATH

PATH is a CSV with a column ``EncodedPixels``, such as Severstal's ``train.csv``. Both sides begin
with the text and end with pixels, or the other way about; pycocotools' own compressed form is timed
beside it, which spares it the text.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from pycocotools import mask as coco
from timing import median_seconds

from steel_defects.labels import rle

HEIGHT, WIDTH = 256, 1600
REPEATS = 7


def coco_from_text(text: str) -> dict[str, object]:
    """Turn pairs of start and length into pycocotools' compressed form."""
    values = list(map(int, text.split()))
    counts, at = [], 0
    for start, length in zip(values[::2], values[1::2], strict=True):
        counts += [start - 1 - at, length]
        at = start - 1 + length
    counts.append(HEIGHT * WIDTH - at)
    packed: dict[str, object] = coco.frPyObjects(
        {"size": [HEIGHT, WIDTH], "counts": counts}, HEIGHT, WIDTH
    )
    return packed


def check(texts: list[str]) -> None:
    """Hold every row to its round trip, and to pycocotools pixel for pixel."""
    for text in texts:
        mask = rle.decode(text, HEIGHT, WIDTH)
        if rle.encode(mask) != text or (coco.decode(coco_from_text(text)) != mask).any():
            raise SystemExit(f"a row does not survive: {text[:60]}")
    print(f"{len(texts)} rows: every one round-trips and agrees with pycocotools")


def main(path: Path) -> None:
    """Check every row, then time all of them."""
    texts = pd.read_csv(path, dtype=str).EncodedPixels.dropna().tolist()
    check(texts)
    sample = texts[:: max(1, len(texts) // 1000)]
    masks = [np.ascontiguousarray(rle.decode(text, HEIGHT, WIDTH)) for text in sample]
    columns = [np.asfortranarray(mask) for mask in masks]
    packed = [coco_from_text(text) for text in sample]
    seconds = median_seconds(
        {
            "decode": lambda: [rle.decode(text, HEIGHT, WIDTH) for text in sample],
            "decode, pycocotools": lambda: [coco.decode(coco_from_text(text)) for text in sample],
            "decode, pycocotools from its own form": lambda: [coco.decode(p) for p in packed],
            "encode": lambda: [rle.encode(mask) for mask in masks],
            "encode, pycocotools": lambda: [coco.encode(np.asfortranarray(mask)) for mask in masks],
            "encode, column-major": lambda: [rle.encode(mask) for mask in columns],
            "encode, column-major, pycocotools": lambda: [coco.encode(mask) for mask in columns],
        },
        REPEATS,
    )
    for name, value in seconds.items():
        print(f"{name:40s} {1000 * value / len(sample):.3f} ms a mask")
    for ours, theirs in (
        ("decode", "decode, pycocotools"),
        ("decode", "decode, pycocotools from its own form"),
        ("encode", "encode, pycocotools"),
        ("encode, column-major", "encode, column-major, pycocotools"),
    ):
        print(f"{ours}: {seconds[theirs] / seconds[ours]:.2f} times as fast as {theirs}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python benchmarks/rle.py PATH")
    main(Path(sys.argv[1]))
