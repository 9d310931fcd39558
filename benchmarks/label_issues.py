r"""How many labels that are wrong on purpose the ranking of ``label_issues`` holds at its top.

    kedro run --env=demo --pipelines=sample_data,data_engineering --params sample_data.sheets=1200
    python benchmarks/label_issues.py --data synthetic --env demo
    kedro run --env=neu_seg --pipelines=data_engineering --params raw_dir=PATH
    python benchmarks/label_issues.py --data PATH --env neu_seg --steps 200 --shrink 2 \
        --tile 100 100

Reads the tables of the command before it. Of each seed 5 % of the sheets get a wrong label: a class
swapped, a mask dropped, added, or moved by 30 pixels or more, a quarter each. A small U-Net is
cross-validated on these labels, at a fraction of the size: minutes a fold on one core. Prints the
share of the wrong labels on the first 5 % and 10 % of the sheets that the ranking names, and the
median over the seeds; without --no-bar half of them must be among the first and 70 % among the
second.

--cache keeps the answers of each seed, so that another ranking needs no other training.
"""

import argparse
import hashlib
import json
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from labelled_data import data_arguments, prepared_data

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.wrong_labels import Planter, recall  # noqa: E402

from steel_defects.data.segmenter_only import divided  # noqa: E402
from steel_defects.data.splits import Division, divide  # noqa: E402
from steel_defects.data.tiles import tile_table  # noqa: E402
from steel_defects.decision.postprocessing import PostprocessingGrid  # noqa: E402
from steel_defects.errors import SteelDefectsError  # noqa: E402
from steel_defects.evaluation.label_issues import label_issues  # noqa: E402
from steel_defects.images.folder import SheetFolder  # noqa: E402
from steel_defects.labels import rle  # noqa: E402
from steel_defects.labels.masks import masks_by_sheet, sizes_by_sheet  # noqa: E402
from steel_defects.models.config import UNetConfig  # noqa: E402
from steel_defects.tables.declared import PREDICTIONS, SPLIT_ASSIGNMENTS  # noqa: E402
from steel_defects.training.config import (  # noqa: E402
    SegmentationConfig,
    SegmenterCrossValidationConfig,
)
from steel_defects.training.jobs import SegmenterRecipe, TrainingData  # noqa: E402

SHARE, FOLDS = 0.05, 3
BARS = {0.05: 0.5, 0.10: 0.7}
NETWORK = UNetConfig(name="unet", filters=(16, 32, 64, 96), residual=True, presence_head=True)
GRID = PostprocessingGrid(
    thresholds=[0.3, 0.5, 0.7], seed_thresholds=[0], min_areas_px=[0, 25, 100],
    presence_cuts=[0, 0.1, 0.2, 0.3, 0.5], gate_area_factors=[0],
)  # fmt: skip


@dataclass(frozen=True)
class Sheets:
    """Pictures with labels that are held to be right."""

    folder: SheetFolder
    sheets: pd.DataFrame
    annotations: pd.DataFrame
    class_names: tuple[str, ...]


def read(given: argparse.Namespace) -> Sheets:
    """Read the tables of data engineering."""
    catalog = prepared_data(given)
    splits = catalog.load("splits")
    tables = (divided(catalog.load(name), splits) for name in ("sheets", "annotations"))
    names = catalog.load("params:data_engineering").class_names
    return Sheets(catalog.load("raw_sheets"), *tables, names)


# --- at a fraction of the size ------------------------------------------------------------------


def shrink(data: Sheets, annotations: pd.DataFrame, times: int, folder: Path) -> Sheets:
    """Write the pictures smaller, and shrink labels with them; masks that vanish are left out."""
    small = data.sheets.assign(
        height=-(-data.sheets["height"] // times), width=-(-data.sheets["width"] // times)
    )
    for row in small.itertuples():
        path = folder / row.path
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = data.folder.read(row.path)
            size = (row.width, row.height)
            cv2.imwrite(str(path), cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    digests = [hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in small["path"]]
    defective = small["sheet_id"].isin(set(annotations["sheet_id"]))
    small = small.assign(has_defect=defective, sha256=digests)
    masks = resized(annotations, sizes_by_sheet(data.sheets), sizes_by_sheet(small))
    return Sheets(SheetFolder(folder), small, masks[masks["rle"] != ""], data.class_names)


def resized(masks: pd.DataFrame, sizes: dict, new_sizes: dict) -> pd.DataFrame:
    """Bring encoded masks to other sizes."""

    def one(sheet_id: str, encoded: str) -> str:
        if not encoded:
            return ""
        mask = rle.decode(encoded, *sizes[sheet_id]).astype(np.float32)
        height, width = new_sizes[sheet_id]
        way = cv2.INTER_AREA if height < mask.shape[0] else cv2.INTER_LINEAR
        return rle.encode(cv2.resize(mask, (width, height), interpolation=way) >= 0.5)

    encoded = [one(*row) for row in zip(masks["sheet_id"], masks["rle"], strict=True)]
    return masks.assign(rle=encoded, area_px=[rle.area(text) for text in encoded])


def cross_validate(small: Sheets, seed: int, given: argparse.Namespace, work: Path) -> pd.DataFrame:
    """Train on two thirds of the sheets and ask about the rest, three times."""
    from steel_defects.training.cross_validation import out_of_fold_masks

    tile, masks = tuple(given.tile), masks_by_sheet(small.annotations)
    tiles = tile_table(small.sheets, masks, len(small.class_names), tile, tile)
    tiles.insert(1, "split", "train")
    kinds = ["+".join(map(str, sorted(masks.get(one, {})))) for one in small.sheets["sheet_id"]]
    division = Division({"train": 1.0}, FOLDS, 1, seed)
    splits = divide(small.sheets, kinds, SPLIT_ASSIGNMENTS.empty(), division)
    training = SegmentationConfig(
        seed=seed, epochs=given.epochs, steps_per_epoch=given.steps, batch_size=8,
        learning_rate=0.003, patience=given.epochs, weight_decay=0.01, ema_momentum=0.98,
        defect_tile_share=0.6, bce_weight=0.5, cache=True, transposes=tile[0] == tile[1],
        deterministic=False,
    )  # fmt: skip
    data = TrainingData(
        small.folder, small.sheets, small.annotations, splits, tiles, work / "checkpoints"
    )
    plan = SegmenterCrossValidationConfig(
        architectures=("unet",), validation_share=0.06, tune_out_of_fold=True
    )
    recipe = SegmenterRecipe(NETWORK, training)
    found = out_of_fold_masks(data, len(small.class_names), recipe, GRID, plan)
    names = dict(enumerate(small.class_names, start=1))
    return PREDICTIONS.typed(
        found.predictions.assign(class_name=found.predictions["class_id"].map(names))
    )


# --- planting and looking -----------------------------------------------------------------------


@dataclass(frozen=True)
class Answers:
    """Labels of which some are wrong, in which way each sheet is, and what networks say."""

    annotations: pd.DataFrame
    planted: dict[str, str]
    predictions: pd.DataFrame


def answers_of(data: Sheets, seed: int, given: argparse.Namespace) -> Answers:
    """Plant wrong labels, and train; or read what an earlier run kept of the same."""
    planter = Planter(data.annotations, data.sheets, len(data.class_names),
                      np.random.default_rng(seed))  # fmt: skip
    planted = planter.plant(SHARE)
    wrong = planter.annotations
    key = hashlib.sha256(
        json.dumps([wrong.to_numpy().tolist(), given.epochs, given.steps, given.shrink, given.tile])
        .encode()
    ).hexdigest()[:10]  # fmt: skip
    path = given.cache / f"{given.env}_seed_{seed}_{key}.parquet"
    if not path.exists():
        started = time.perf_counter()
        small = shrink(data, wrong, given.shrink, given.cache / f"{given.env}_{given.shrink}")
        found = cross_validate(small, seed, given, given.cache / f"{given.env}_work_{seed}")
        full = resized(found, sizes_by_sheet(small.sheets), sizes_by_sheet(data.sheets))
        full.to_parquet(path)
        print(f"seed {seed}: trained in {(time.perf_counter() - started) / 60:.1f} minutes")
    return Answers(wrong, planted, pd.read_parquet(path))


def measure(data: Sheets, given: argparse.Namespace) -> Iterator[dict[str, float]]:
    """Yield a row per seed and share of the ranking."""
    for seed in given.seeds:
        answers = answers_of(data, seed, given)
        started = time.perf_counter()
        issues = label_issues(
            answers.predictions, answers.annotations, data.sheets, data.class_names
        )
        seconds = time.perf_counter() - started
        ranking = issues["sheet_id"].tolist()
        for share in BARS:
            found = recall(ranking, answers.planted, len(data.sheets), share)
            yield {"seed": seed, "first": share, **found, "rows": len(issues), "seconds": seconds}


def main() -> int:
    """Print the tables."""
    parser = data_arguments(__doc__.splitlines()[0], "label_issues")
    add = parser.add_argument
    add("--epochs", type=int, default=3)
    add("--steps", type=int, default=120, help="an epoch")
    add("--shrink", type=int, default=4, help="sides of the pictures are so many times shorter")
    add("--tile", type=int, nargs=2, default=[64, 200], help="height and width, when shrunk")
    add("--no-bar", action="store_true", help="print, and hold nothing to it")
    given = parser.parse_args()
    given.cache.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    data = read(given)
    table = pd.DataFrame(measure(data, given))
    print(f"\n{given.env}: {len(data.sheets)} sheets, {SHARE:.0%} wrong; share that is found")
    print(table.round(3).to_string(index=False))
    medians = table.drop(columns=["seed", "rows", "seconds"]).groupby("first").median()
    print("\nmedian over the seeds")
    print(medians.round(3).to_string())
    missed = [share for share, bar in BARS.items() if medians.loc[share, "all"] < bar]
    return int(bool(missed) and not given.no_bar)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SteelDefectsError as error:
        sys.exit(f"Error: {error}")
