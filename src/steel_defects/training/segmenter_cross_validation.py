"""Outlining every sheet with a segmenter that has not seen it."""

import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import pandas as pd

from steel_defects.evaluation.postprocessing import PostprocessingGrid
from steel_defects.models.config import Network
from steel_defects.models.inference import TestTimeAugmentation
from steel_defects.training.checkpoints import fingerprint_of
from steel_defects.training.config import SegmentationConfig, SegmenterCrossValidationConfig
from steel_defects.training.folds import divide_training, folds_of
from steel_defects.training.labelled_tiles import LabelledTiles
from steel_defects.training.learning_rates import train_at_best_rate
from steel_defects.training.predicted_masks import (
    Predicted,
    gate_scores_of,
    mask_rows,
    predictions_table,
    tune_classes,
)
from steel_defects.training.segmentation import predict_maps

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SegmenterRecipe:
    """How a segmenter is made and asked.

    Attributes:
        network: What to build.
        training: How to fit.
        postprocessing: What tuning tries.
        tta: Orientations over which predictions are averaged.
        weights_dir: Folder of weight files.
    """

    network: Network
    training: SegmentationConfig
    postprocessing: PostprocessingGrid
    tta: TestTimeAugmentation = "none"
    weights_dir: Path | None = None


@dataclass(frozen=True)
class _Fold:
    repeat: int
    number: int
    training: LabelledTiles
    validation: LabelledTiles
    kept: LabelledTiles

    @property
    def label(self) -> str:
        return f"repeat_{self.repeat}_fold_{self.number}"


def out_of_fold_masks(
    data: LabelledTiles,
    splits: pd.DataFrame,
    recipe: SegmenterRecipe,
    plan: SegmenterCrossValidationConfig,
    folder: Path,
    gate_scores: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Train one segmenter a fold and repeat, and outline the sheets it was kept from.

    Each fold takes validation sheets from its own training part, whole groups at a time; they
    decide when to stop and tune post-processing. The hold-out split plays no part. The result of a
    fold is kept until all are done, and is not made again after a kill.

    Args:
        data: The tiles of all sheets.
        splits: ``sheet_id, group_id, split, fold``.
        recipe: How each segmenter is made.
        plan: How many repeats, and how each fold is fitted.
        folder: Where results and checkpoints are kept until the end.
        gate_scores: ``sheet_id, repeat, score`` of gates that had not seen the sheets.

    Returns:
        ``sheet_id, split, repeat, fold, class_id, rle, area_px, score``, one row a sheet, repeat
        and class; the score is the presence of the class.

    Raises:
        SteelDefectsError: ``splits`` was made for fewer repeats.
    """
    training = _shortened(recipe.training, plan.epochs_share)
    recipe = replace(recipe, training=training)
    parts = []
    for fold in _folds(data, splits, plan, training.seed):
        scores = gate_scores_of(gate_scores, fold.repeat)
        digest = fingerprint_of(
            training.model_dump(exclude={"cache"}), recipe.network.model_dump(),
            recipe.postprocessing.model_dump(), recipe.tta, sorted(scores.items()),
            fold.training.content, fold.validation.content, fold.kept.content,
        )  # fmt: skip
        path = folder / f"{fold.label}_{digest[:16]}.parquet"
        if not path.is_file():
            _write(_outline_fold(fold, recipe, scores, folder), path)
        parts.append(pd.read_parquet(path))
    shutil.rmtree(folder, ignore_errors=True)
    table = pd.concat(parts, ignore_index=True)
    table["split"] = table["sheet_id"].map(splits.set_index("sheet_id")["split"])
    return predictions_table(table.itertuples(index=False, name=None))


def _shortened(config: SegmentationConfig, share: float) -> SegmentationConfig:
    """Return a training with a share of its epochs, and of those on whole sheets."""
    changes: dict[str, object] = {"epochs": max(1, round(config.epochs * share))}
    if config.finish:
        whole = max(1, round(config.finish.epochs * share))
        changes["finish"] = config.finish.model_copy(update={"epochs": whole})
    return config.model_copy(update=changes)


def _folds(
    data: LabelledTiles,
    splits: pd.DataFrame,
    plan: SegmenterCrossValidationConfig,
    seed: int,
) -> Iterator[_Fold]:
    strata = {sheet_id: "+".join(map(str, sorted(k))) for sheet_id, k in data.runs.items()}
    splits = splits[splits["sheet_id"].isin(set(strata))]
    for repeat in range(plan.repeats):
        folds = folds_of(splits, repeat)
        for number in sorted(folds.unique()):
            rest = splits[folds != number]
            learn, tune = divide_training(rest, strata, plan.validation_share, seed)
            kept = splits[folds == number]["sheet_id"].tolist()
            yield _Fold(repeat, int(number), *(_subset(data, ids) for ids in (learn, tune, kept)))


def _subset(data: LabelledTiles, ids: Sequence[str]) -> LabelledTiles:
    rows = data.tiles[data.tiles["sheet_id"].isin(set(ids))].reset_index(drop=True)
    return replace(data, tiles=rows)


def _outline_fold(
    fold: _Fold, recipe: SegmenterRecipe, scores: dict[str, float], folder: Path
) -> pd.DataFrame:
    """Train a segmenter on a fold, tune it, and outline the sheets it was kept from."""
    name = recipe.network.name
    logger.info("%s: %s", name, fold.label.replace("_", " "))
    fitted = train_at_best_rate(
        fold.training, fold.validation, recipe.training, recipe.network, name, folder / fold.label,
        str(recipe.weights_dir) if recipe.weights_dir else None,
    )  # fmt: skip
    settings = tune_classes(
        _predicted(fitted.model, fold.validation, recipe),
        fold.validation.masks,
        scores,
        recipe.postprocessing,
        fold.validation.classes,
    )
    logger.info("%s: %s, tuned to %s", name, fold.label.replace("_", " "), settings)
    return predictions_table(
        (sheet_id, "", fold.repeat, fold.number, *row)
        for sheet_id, _, _, found in _predicted(fitted.model, fold.kept, recipe)
        for row in mask_rows(found, settings, scores.get(sheet_id))
    )


def _predicted(
    model: keras.Model, data: LabelledTiles, recipe: SegmenterRecipe
) -> Iterator[Predicted]:
    rows = data.sheets
    paths = [row.path for row in rows]
    found = predict_maps(model, data.folder, paths, recipe.training.loader_threads, recipe.tta)
    for row, prediction in zip(rows, found, strict=True):
        yield row.sheet_id, row.sheet_height, row.sheet_width, prediction


def _write(table: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    table.to_parquet(beside)
    beside.replace(path)
