"""How surely copies of sheets are found, and how rarely other sheets are taken for copies.

    python benchmarks/copies.py [PATH] [--copies 200] [--sheets 1000]

Plants copies (moved by up to 4 pixels, brighter or darker, turned, mirrored, saved anew as JPEG)
among the pictures below PATH, or among drawn sheets, and groups all of them. Prints how many copies
share a group with their original, the lowest similarity and pixel score of a planted copy, and the
pairs of originals that were merged, by name where PATH is given.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.planting import planted  # noqa: E402

from steel_defects.data.config import SampleDataConfig  # noqa: E402
from steel_defects.data.inventory import take_inventory  # noqa: E402
from steel_defects.data.similar import COPY, DIFFERENT, find_similar  # noqa: E402
from steel_defects.data.splits import group_sheets  # noqa: E402
from steel_defects.data.synthetic import draw_samples  # noqa: E402
from steel_defects.images.folder import SheetFolder  # noqa: E402
from steel_defects.images.reading import PICTURE_ENDINGS, decode_gray  # noqa: E402

SEED = 3
LOOK_ALIKE = 0.985


def write_originals(source: Path | None, sheets: int, folder: Path) -> list[str]:
    """Link the pictures below a folder, or draw sheets; returns their names."""
    if source is None:
        config = SampleDataConfig(seed=SEED, sheets=8, new_sheets=1)
        for sheet in draw_samples(config, 0, sheets):
            (folder / sheet.name).write_bytes(sheet.jpeg)
        return sorted(path.name for path in folder.iterdir())
    for path in source.rglob("*"):
        if path.suffix.lower() in PICTURE_ENDINGS:
            (folder / path.name).write_bytes(path.read_bytes())
    return sorted(path.name for path in folder.iterdir())


def plant(folder: Path, names: list[str], copies: int) -> dict[str, str]:
    """Write copies of some pictures; returns the original of each."""
    rng = np.random.default_rng(SEED)
    chosen = rng.choice(names, min(copies, len(names)), replace=False).tolist()
    originals = {}
    for name in chosen:
        copy = f"copy_of_{Path(name).stem}.png"
        # Saved as JPEG once in the planting; PNG adds no further loss.
        cv2.imwrite(str(folder / copy), planted(decode_gray((folder / name).read_bytes()), rng))
        originals[copy] = name
    return originals


def grouped(folder: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Compare all pictures of a folder; returns the pairs and the group of each picture."""
    sheets = SheetFolder(folder)
    pairs = find_similar(take_inventory(sheets), sheets.read, LOOK_ALIKE)
    merged = pairs.loc[pairs["relation"] != DIFFERENT, ["sheet_id", "other_id"]]
    groups, _ = group_sheets(sheets.sheet_ids, merged.itertuples(index=False, name=None), {})
    return pairs, groups


def report(pairs: pd.DataFrame, groups: dict[str, str], originals: dict[str, str]) -> None:
    """Print the figures."""
    found = sum(groups[copy] == groups[name] for copy, name in originals.items())
    print(f"planted copies in their original's group: {found} of {len(originals)}")
    planted_pairs = {frozenset(pair) for pair in originals.items()}
    keys = [frozenset(pair) for pair in zip(pairs["sheet_id"], pairs["other_id"], strict=True)]
    is_planted = np.array([key in planted_pairs for key in keys], bool)
    own = pairs[is_planted & (pairs["relation"] == COPY)]
    print(f"lowest similarity of a planted copy:      {own['similarity'].min():.3f}")
    print(f"lowest pixel score of a planted copy:     {own['score'].min():.3f}")
    different = pairs.loc[pairs["relation"] == DIFFERENT, "score"]
    print(f"highest pixel score of other candidates:  {different.max():.3f}")


def merged_originals(names: list[str], groups: dict[str, str], pairs: pd.DataFrame) -> None:
    """Print the pairs of originals that share a group."""
    names_set, count = set(names), len(names) * (len(names) - 1) // 2
    sizes = pd.Series({name: groups[name] for name in names}).value_counts()
    merged = int((sizes * (sizes - 1) // 2).sum())
    print(f"originals merged: {merged} of {count} pairs ({merged / count:.1e})")
    shown = pairs[pairs["sheet_id"].isin(names_set) & pairs["other_id"].isin(names_set)]
    shown = shown[shown["relation"] != DIFFERENT]
    for row in shown.head(20).itertuples():
        print(f"  {row.relation}: {row.sheet_id} {row.other_id} ({row.similarity:.4f})")
    if len(shown) > 20:
        print(f"  and {len(shown) - 20} more")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description="How surely copies of sheets are found.")
    parser.add_argument("path", nargs="?", type=Path)
    parser.add_argument("--copies", type=int, default=200)
    parser.add_argument("--sheets", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        names = write_originals(options.path, options.sheets, folder)
        originals = plant(folder, names, options.copies)
        pairs, groups = grouped(folder)
        report(pairs, groups, originals)
        merged_originals(names, groups, pairs)


if __name__ == "__main__":
    main()
