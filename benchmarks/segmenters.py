"""The U-Net against rivals of its size on NEU-Seg: one split, one budget, one table.

    kedro run --env=neu_seg --pipelines=data_engineering --params raw_dir=PATH
    python benchmarks/segmenters.py PATH [--epochs 12] [--seeds 2] [--architectures unet fpn …]

Reads the tables of the first command. Each architecture has some 2 million parameters, tries the
same learning rates in short trainings, and is fitted anew for each seed at the best of them. What
tunes is the validation split; what is printed stands on the test split, whose groups of pictures no
training saw. A lookup of the nearest training picture, which learns nothing, stands beside them.

Everything that is finished lies in --work, and a run that was killed goes on from there. Finished
trainings count whatever has become of the code since; --work names another folder to start anew.
Each training has a process of its own, so that its memory goes back.
"""

import argparse
import hashlib
import json
import logging
import math
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from steel_defects.decision.postprocessing import PostprocessingGrid
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.segmentation import class_metrics, pair_table, segmentation_metrics
from steel_defects.models.config import EncoderConfig, Network, NetworkConfig
from steel_defects.training.config import SegmentationConfig
from steel_defects.training.jobs import TrainingData

ROOT = Path(__file__).parents[1]
STAGES = (32, 64, 128, 224)  # of every encoder from scratch; the U-Net's decoder has the same
NETWORKS: dict[str, dict[str, Any]] = {
    "unet": {"filters": (32, 64, 128, 240), "residual": True},
    "unet_mobilenet_v2": {"filters": (32, 48, 64, 96)},
    "fpn": {"filters": STAGES, "pyramid_filters": 128, "head_filters": 96},
    "deeplab_v3_plus": {
        "filters": (*STAGES, 176), "rates": (2, 5, 7), "pyramid_filters": 128, "head_filters": 128,
    },
}  # fmt: skip
#: mDice and mIoU of a paper that compares 31 methods, on the public test split.
PUBLISHED = {"unet": "0.9308 / 0.8892 (SE-ResNeXt)", "fpn": "0.9431 / 0.9068 (EfficientNet-B5)"}
FIGURES = (
    "mean_dice", "mean_iou", "dice_on_positives", "iou_on_positives", "detection_rate",
    "boundary_iou_on_positives", "boundary_f1_on_positives",
)  # fmt: skip
BUDGET = {
    "batch_size": 16, "learning_rate": 0.002, "warmup_share": 0.1, "ema_momentum": 0.99,
    "zoom": 0, "rotation_degrees": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One architecture under the budget.

    Attributes:
        name: The architecture.
        network: What to build.
        config: How to fit it.
        data: Tables and pictures.
        grid: What post-processing tries.
        classes: Names of the classes.
        weights_dir: Folder of weight files.
        work: Where results go.
    """

    name: str
    network: Network
    config: SegmentationConfig
    data: TrainingData
    grid: PostprocessingGrid
    classes: tuple[str, ...]
    weights_dir: str
    work: Path

    @property
    def training_key(self) -> str:
        """Digest of parameters and pictures of a training, but not of the code."""
        return _digest(
            self.config.model_dump(exclude={"seed", "cache"}),
            self.network.model_dump(),
            self.data.tiles[["sheet_id", "split"]].to_numpy().tolist(),
        )

    @property
    def key(self) -> str:
        """Digest of what a result depends on, but not of the code."""
        return _digest(self.training_key, self.grid.model_dump())

    def tiles(self, split: str) -> Any:
        """Return the labelled pictures of a split."""
        rows = self.data.tiles[self.data.tiles["split"] == split]
        return self.data.labelled_tiles(rows, len(self.classes), self.config.cache)


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:10]


# === In a process of its own ===


def fit(task: Task, name: str) -> Any:
    """Fit an architecture, under a name for the log and the checkpoint."""
    from steel_defects.training.checkpoints import fingerprint_of
    from steel_defects.training.jobs import SegmenterRecipe
    from steel_defects.training.segmentation import fit_segmenter

    # Named after the code, too: a checkpoint that other code left behind would be refused.
    label = f"{name}_{fingerprint_of(task.training_key)[:8]}"
    for old in (task.work / "checkpoints").glob(f"{name}_*.npz"):
        if old.stem != label:
            print(f"{old.name} is of other code or parameters; it is dropped", flush=True)
            old.unlink()
    return fit_segmenter(
        task.tiles("train"), task.tiles("validation"),
        SegmenterRecipe(task.network, task.config, weights_dir=task.weights_dir),
        task.work / "checkpoints", label,
    )  # fmt: skip


def try_rate(task: Task) -> dict[str, Any]:
    """Return the lowest validation loss of a short training; infinite where it diverges."""
    from steel_defects.training.loop import TrainingDiverged

    try:
        fitted = fit(task, f"{task.name}_rate_{task.config.learning_rate:g}")
    except TrainingDiverged as error:
        print(f"{error}; it is left out", flush=True)
        return {"validation_loss": math.inf}
    return {"validation_loss": float(fitted.history["validation_loss"].min())}


def train(task: Task, seed: int) -> dict[str, Any]:
    """Fit, tune and test an architecture once."""
    from steel_defects.prediction.predicted_masks import mask_rows, measure_classes, measure_speed

    config = task.config
    fitted = fit(changed(task, seed=config.seed + seed), f"{task.name}_seed_{seed}")
    validation, test = task.tiles("validation"), task.tiles("test")
    tuners = measure_classes(
        _predicted(fitted.model, validation), validation.masks, {}, [task.grid] * validation.classes
    )
    settings = [tuner.best() for tuner in tuners]
    rows = [
        (sheet_id, *row)
        for sheet_id, _, _, found in _predicted(fitted.model, test)
        for row in mask_rows(found, settings, None)
    ]
    predictions = pd.DataFrame(rows, columns=["sheet_id", "class_id", "rle", "area_px", "score"])
    pairs = pair_table(predictions, task.data.annotations, task.data.sheets)
    pairs.to_parquet(task.work / f"{task.name}_seed_{seed}_pairs.parquet")
    seen = len(fitted.history) * config.steps_per_epoch * config.batch_size
    return {
        "architecture": task.name,
        "seed": seed,
        "learning_rate": config.learning_rate,
        "parameters": fitted.model.count_params(),
        **segmentation_metrics(pairs),
        "ms_per_sheet": measure_speed(fitted.model, test.size),
        "images_per_second": seen / fitted.history["seconds"].sum(),
        "training_seconds": fitted.seconds,
        "classes": class_metrics(pairs).to_dict("records"),
    }


def _predicted(model: Any, tiles: Any) -> Any:
    from steel_defects.prediction.predicted_masks import predict_maps

    rows = tiles.sheets
    found = predict_maps(model, tiles.folder, [row.path for row in rows])
    for row, prediction in zip(rows, found, strict=True):
        yield row.sheet_id, row.sheet_height, row.sheet_width, prediction


def _start_logging() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")


# === In the process that waits for them ===


def kept(path: Path, call: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Return a result from its file, or make it in a new process and keep it there."""
    if not path.is_file():
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, context, initializer=_start_logging) as pool:
            result = pool.submit(call, *arguments).result()
        beside = path.with_suffix(".tmp")
        beside.write_text(json.dumps(result, indent=1), encoding="utf-8")
        beside.replace(path)
    return dict(json.loads(path.read_text(encoding="utf-8")))


def changed(task: Task, **values: Any) -> Task:
    """Return a task that is fitted otherwise."""
    return replace(task, config=task.config.model_copy(update=values))


def at_best_rate(task: Task, factors: Sequence[float], epochs: int) -> Task:
    """Return a task at the learning rate whose short training has the lowest validation loss."""
    losses = {}
    for rate in (factor * task.config.learning_rate for factor in factors):
        trial = changed(task, learning_rate=rate, epochs=epochs, patience=epochs)
        path = task.work / f"{task.name}_rate_{rate:g}_{trial.training_key}.json"
        losses[rate] = kept(path, try_rate, trial)["validation_loss"]
    best = min(losses, key=lambda rate: losses[rate])
    if math.isinf(losses[best]):
        raise SteelDefectsError(f"{task.name} diverges at every rate; give lower --factors")
    return changed(task, learning_rate=best)


def run(
    tasks: Sequence[Task], seeds: int, factors: Sequence[float], search_epochs: int
) -> pd.DataFrame:
    """Fit every architecture once a seed; a row each, also in ``segmenters.csv``."""
    rows: list[dict[str, Any]] = []
    for seed in range(seeds):
        for task in (at_best_rate(one, factors, search_epochs) for one in tasks):
            path = task.work / f"{task.name}_seed_{seed}_{task.key}.json"
            rows.append(kept(path, train, task, seed))
            done = rows[-1]
            print(
                f"{len(rows)} of {seeds * len(tasks)}: {task.name}, seed {seed}: mean Dice "
                f"{done['mean_dice']:.4f}, mean IoU {done['mean_iou']:.4f}",
                flush=True,
            )
            table = pd.DataFrame(rows).drop(columns="classes")
            table.to_csv(task.work / "segmenters.csv", index=False)
    return pd.DataFrame(rows)


def read(given: argparse.Namespace) -> list[Task]:
    """Read the tables and put together what each architecture takes."""
    bootstrap_project(ROOT)
    with KedroSession.create(ROOT, env=given.env, runtime_params={"raw_dir": given.raw}) as session:
        context = session.load_context()
        catalog, params = context.catalog, context.params
        names = ("raw_sheets", "sheets", "annotations", "splits", "tiles")
        if not all(catalog.exists(name) for name in names):
            raise SteelDefectsError(
                f"run kedro run --env={given.env} --pipelines=data_engineering "
                f"--params raw_dir={given.raw} first"
            )
        tables = [catalog.load(name) for name in names]
        baseline = catalog.load("lookup_baseline")
    data = TrainingData(*tables, given.work / "checkpoints")
    count = int((data.tiles["split"] == "train").sum())
    shared = SegmentationConfig.model_validate(params["segmentation"]).model_copy(
        update=BUDGET | {
            "epochs": given.epochs, "patience": given.epochs,
            "steps_per_epoch": given.steps or -(-count // BUDGET["batch_size"]),
        }
    )  # fmt: skip
    grid = PostprocessingGrid.model_validate(params["postprocessing"])
    classes = tuple(params["data_engineering"].class_names)
    print(f"{given.env}: {data.tiles.groupby('split').size().to_dict()} pictures")
    print("lookup of the nearest training picture, test split:")
    print(baseline.to_string(index=False))
    return [
        Task(name, network_of(name, given), shared, data, grid, classes, given.weights_dir,
             given.work)
        for name in given.architectures
    ]  # fmt: skip


def network_of(name: str, given: argparse.Namespace) -> Network:
    """Return an architecture at the size that all of them have here."""
    values = {"name": name, "dropout": 0.1, "presence_head": True, **NETWORKS[name]}
    if name == "unet_mobilenet_v2":
        values["encoder"] = EncoderConfig(
            name="mobilenet_v2", alpha=0.35, weights=given.encoder_weights
        )
    return NetworkConfig.model_validate(values).root


def show(table: pd.DataFrame, classes: Sequence[str]) -> None:
    """Print means over the seeds, with the spread of the first figure, and each class."""
    grouped = table.groupby("architecture", sort=False)
    columns = ["parameters", "learning_rate", *FIGURES, "ms_per_sheet", "images_per_second"]
    means = grouped[columns].mean()
    spread = grouped["mean_dice"].agg(lambda v: f"{v.min():.4f}-{v.max():.4f}")
    means.insert(3, "over_seeds", spread)
    means["published"] = [PUBLISHED.get(name, "") for name in means.index]
    print(f"\nmeans over {grouped.size().max()} seeds, test split")
    print(means.round(4).T.to_string())
    print(
        "published: mDice / mIoU on the public test split, 96 % of which are rotations of training "
        "pictures;\na lookup without a model scores 0.9505 / 0.9290 there"
    )
    rows = pd.DataFrame(
        {"architecture": row.architecture, **one}
        for row in table.itertuples()
        for one in row.classes
    )
    rows["class"] = rows["class_id"].map(dict(enumerate(classes, start=1)))
    figures = [
        "mean_dice", "mean_iou", "dice_on_positives", "boundary_f1_on_positives",
        "detection_rate", "false_positive_rate",
    ]  # fmt: skip
    per_class = rows.groupby(["architecture", "class"], sort=False)[figures].mean()
    print("\n" + per_class.round(4).to_string())


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("raw", metavar="PATH", help="folder of the pictures and masks")
    add("--epochs", type=int, default=12)
    add("--seeds", type=int, default=2)
    add("--architectures", nargs="+", choices=NETWORKS, metavar="NAME",
        default=["unet", "fpn", "deeplab_v3_plus"], help=", ".join(NETWORKS))  # fmt: skip
    add("--factors", nargs="+", type=float, default=[0.5, 1.0, 2.0], metavar="F",
        help=f"learning rates to try, times {BUDGET['learning_rate']}")  # fmt: skip
    add("--search-epochs", type=int, default=2, help="of each short training")
    add("--steps", type=int, help="steps an epoch; otherwise as many as show each picture once")
    add("--encoder-weights", default="none", metavar="FILE", help="of unet_mobilenet_v2")
    add("--weights-dir", default=".", metavar="DIR")
    add("--env", default="neu_seg")
    add("--work", type=Path, default=ROOT / "data" / "benchmarks" / "segmenters", metavar="DIR")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    tasks = read(given)
    table = run(tasks, given.seeds, given.factors, given.search_epochs)
    show(table, tasks[0].classes)


if __name__ == "__main__":
    try:
        main()
    except SteelDefectsError as error:
        sys.exit(f"Error: {error}")
