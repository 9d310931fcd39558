"""The project's training loop against ``train_on_batch`` on data that are in memory already.

    python benchmarks/training.py [PATH]

PATH is a data folder in Severstal's layout; without one, synthetic sheets are drawn. Both ways take
the same steps of the same compiled model at the same size and in the same process. The loop reads
the sheets from their files, augments them, makes batches, logs and writes a checkpoint an epoch;
validation is left out of it. Networks, sizes and batches are those of conf/cpu.
"""

import sys
import tempfile
from collections.abc import Callable
from os import cpu_count
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pandas as pd
from loader import draw_sheets, read_tables
from timing import median_seconds

from steel_defects.images.folder import SheetFolder
from steel_defects.models.config import BackboneConfig, HeadConfig, UNetConfig
from steel_defects.training import classification, segmentation
from steel_defects.training.checkpoints import Checkpoint
from steel_defects.training.config import (
    BackboneTraining,
    ClassificationConfig,
    SegmentationConfig,
)
from steel_defects.training.jobs import (
    ClassifierRecipe,
    SegmenterRecipe,
    TrainingData,
    train_classifier,
    train_segmenter,
)
from steel_defects.training.loop import fit

STEPS = 16  # an epoch
EPOCHS = 2
REPEATS = 5
LEAST = 0.9
TILE = 256
SHARED: dict[str, Any] = {"seed": 1, "epochs": EPOCHS, "learning_rate": 1e-3, "patience": EPOCHS}


class _Captured(Exception):
    """What a training was about to hand to its loop."""


def capture(module: ModuleType, train: Callable[[], object]) -> tuple[Any, ...]:
    """Return the arguments with which a training calls ``fit``."""

    def stop(*arguments: Any, **_: Any) -> None:
        raise _Captured(*arguments)

    module.fit, original = stop, module.fit
    try:
        train()
    except _Captured as captured:
        return captured.args
    finally:
        module.fit = original
    raise SystemExit("the training did not call its loop")


def training_data(root: Path, work: Path, count: int) -> TrainingData:
    """Return so many sheets for training, a few of which validate too, and a tile of each."""
    folder = SheetFolder(root)
    sheets, annotations = read_tables(folder)
    defective = sheets["sheet_id"].isin(set(annotations["sheet_id"]))
    # As many clean sheets as defective ones, so that there is something to classify.
    sheets = sheets.assign(has_defect=defective).groupby("has_defect").head(count // 2)
    areas = annotations.groupby("sheet_id")["class_id"].agg(set)
    classes = range(1, int(annotations["class_id"].max()) + 1)
    shown = [areas.get(sheet_id, set()) for sheet_id in sheets["sheet_id"]]
    tiles = sheets[["sheet_id"]].assign(x=0, y=0, width=TILE, height=TILE)
    tiles["area_px"] = [[int(k in found) for k in classes] for found in shown]
    ids = sheets["sheet_id"].tolist()
    splits = pd.DataFrame({"sheet_id": ids, "split": "train"})
    validation = pd.concat([splits.head(4), splits.tail(4)]).assign(split="validation")
    tiles = pd.concat([tiles.assign(split="train"), tiles.head(8).assign(split="validation")])
    return TrainingData(
        folder, sheets, annotations, pd.concat([splits, validation]), tiles, work / "checkpoints"
    )


def classifier(data: TrainingData) -> tuple[Any, ...]:
    """Build MobileNetV2 and what its loop takes."""
    config = ClassificationConfig(
        **SHARED, batch_size=8, input_size=(128, 800), head=HeadConfig(units=(64,), dropout=0.3),
        mask_loss_weight=1.0,
    )  # fmt: skip
    own = BackboneTraining(backbone=BackboneConfig(name="mobilenet_v2", weights="none", alpha=0.35))
    recipe = ClassifierRecipe.of(config, own, None)
    return capture(classification, lambda: train_classifier(data, recipe))


def segmenter(data: TrainingData) -> tuple[Any, ...]:
    """Build the U-Net and what its loop takes."""
    config = SegmentationConfig(**SHARED, batch_size=16, steps_per_epoch=STEPS)
    recipe = SegmenterRecipe(UNetConfig(filters=(12, 24, 48, 96)), config)
    classes = len(data.tiles["area_px"].iloc[0])
    return capture(segmentation, lambda: train_segmenter(data, recipe, classes))


def compare(name: str, arguments: tuple[Any, ...], work: Path) -> float:
    """Time both ways in turn; returns the loop's share of the speed from memory."""
    model, loader, unpack, _, config, label = arguments[:6]
    batches = [unpack(batch) for batch in loader.epoch(0)]
    images = EPOCHS * sum(len(batch[0]) for batch in batches)

    def from_memory() -> None:
        for _ in range(EPOCHS):
            for sheet, target, weight in batches:
                model.train_on_batch(sheet, target, sample_weight=weight, return_dict=True)

    def with_loop() -> None:
        checkpoint = Checkpoint(work / f"{name}.npz", "benchmark")
        checkpoint.remove()
        fit(model, loader, unpack, lambda _: {"validation_loss": 1.0}, config, label, checkpoint)

    seconds = median_seconds({"memory": from_memory, "loop": with_loop}, REPEATS)
    ratio = seconds["memory"] / seconds["loop"]
    print(
        f"{name}, {np.shape(batches[0][0])}, {model.compute_dtype}, {len(batches)} steps an epoch"
    )
    for way, value in seconds.items():
        print(f"  {way:8s} {images / value:7.1f} pictures/s")
    print(f"  {ratio:.3f} of the speed from memory; wanted {LEAST}", flush=True)
    return ratio


def main(path: Path | None) -> None:
    """Measure on the folder given, or on synthetic sheets."""
    print(f"{keras.backend.backend()}, {cpu_count()} threads")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        root = path or work / "sheets"
        if path is None:
            root.mkdir()
            draw_sheets(root)
        data = training_data(root, work, 8 * STEPS)
        ratios = [
            compare("MobileNetV2", classifier(data), work),
            compare("U-Net", segmenter(data), work),
        ]
    if min(ratios) < LEAST:
        raise SystemExit("a bar does not hold")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        raise SystemExit("usage: python benchmarks/training.py [PATH]")
    main(Path(sys.argv[1]) if len(sys.argv) == 2 else None)
