"""Folds of a cross-validation, and asking networks about sheets that they have not seen."""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.data.segmenter_only import apart_from, divided
from steel_defects.data.splits import assign_groups
from steel_defects.decision.calibration import fit_calibration
from steel_defects.decision.postprocessing import ClassPostprocessing, PostprocessingGrid
from steel_defects.decision.postprocessing_tuning import ClassTuner, best_settings
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.gate import accuracy_threshold
from steel_defects.labels.masks import VOID
from steel_defects.models.files import load_model, save_model
from steel_defects.prediction import predicted_masks
from steel_defects.prediction.sheet_scores import predict_scores
from steel_defects.tables.declared import OUT_OF_FOLD_PREDICTIONS, OUT_OF_FOLD_SCORES
from steel_defects.training.checkpoints import fingerprint_of
from steel_defects.training.classification import fit_classifier
from steel_defects.training.config import CrossValidationConfig, SegmenterCrossValidationConfig
from steel_defects.training.frozen_features import FrozenFeatures
from steel_defects.training.jobs import ClassifierRecipe, SegmenterRecipe, TrainingData
from steel_defects.training.labelled_sheets import LabelledSheets
from steel_defects.training.labelled_tiles import LabelledTiles
from steel_defects.training.segmentation import fit_segmenter

logger = logging.getLogger(__name__)

Labelled = TypeVar("Labelled", LabelledSheets, LabelledTiles)


# === Folds ===


@dataclass(frozen=True)
class Fold:
    """Sheets of a fold by their ids: to learn from, to tune by, and held out of both."""

    repeat: int
    number: int
    training: list[str]
    validation: list[str]
    held_out: list[str]


def folds_of(
    splits: pd.DataFrame, strata: Mapping[str, str], repeats: int, share: float, seed: int
) -> Iterator[Fold]:
    """Yield the folds of some repeats; each takes whole groups of its training for validation.

    That is a ``share`` of them, 0 to 1. The hold-out split plays no part. ``splits`` holds
    ``sheet_id, group_id, split, fold``, and ``strata`` the kind of each sheet that takes part.
    Sheets for segmenters alone train in each fold whose other sheets they do not resemble.

    Raises:
        SteelDefectsError: ``splits`` was made for fewer repeats.
    """
    everything, splits = splits, divided(splits, splits)
    known = splits["fold"].map(len).min()
    if known < repeats:
        raise SteelDefectsError(
            f"splits holds {known} repeats, and {repeats} are wanted; "
            "raise cross_validation.repeats and run the pipeline data_engineering again"
        )
    splits = splits[splits["sheet_id"].isin(set(strata))]
    shares = {"training": 1 - share, "validation": share}
    for repeat in range(repeats):
        numbers = splits["fold"].map(lambda folds, repeat=repeat: int(folds[repeat]))
        for number in sorted(numbers.unique()):
            rest = splits[numbers != number]
            kinds = [strata[sheet_id] for sheet_id in rest["sheet_id"]]
            part = np.array(assign_groups(rest["group_id"].tolist(), kinds, shares, seed))
            training, validation = (rest.loc[part == name, "sheet_id"].tolist() for name in shares)
            held_out = splits.loc[numbers == number, "sheet_id"].tolist()
            training += apart_from(validation + held_out, everything)
            yield Fold(repeat, int(number), training, validation, held_out)


@dataclass(frozen=True)
class _Trained(Generic[Labelled]):
    """A fold with the file of its network, and its sheets or their tiles."""

    fold: Fold
    model: Path
    training: Labelled
    validation: Labelled
    held_out: Labelled


def _train_folds(
    name: str,
    data: Labelled,
    folds: Iterator[Fold],
    recipe: ClassifierRecipe | SegmenterRecipe,
    folder: Path,
    train: Callable[[Labelled, Labelled, Path], keras.Model],
) -> Iterator[_Trained[Labelled]]:
    """Train a network per fold, unless that was done before a kill.

    Networks and checkpoints are kept in a folder until the last fold is done; training takes the
    parts to learn from and to tune by, and a folder for its checkpoint.
    """
    for fold in folds:
        label = f"repeat_{fold.repeat}_fold_{fold.number}"
        logger.info("%s: %s", name, label.replace("_", " "))
        parts = [data.subset(ids) for ids in (fold.training, fold.validation, fold.held_out)]
        fingerprint = fingerprint_of(recipe.content, *(part.content for part in parts))
        path = folder / f"{label}_{fingerprint[:16]}.keras"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            save_model(train(parts[0], parts[1], folder / label), path)
        yield _Trained(fold, path, *parts)


# === Classifiers ===


def out_of_fold_scores(
    data: TrainingData, recipe: ClassifierRecipe, plan: CrossValidationConfig
) -> pd.DataFrame:
    """Train one classifier per fold and repeat, and score the sheets that it has not seen.

    The validation sheets of a fold decide when to stop, calibrate the scores and set the threshold.

    Returns:
        ``sheet_id, repeat, fold, output, score, threshold``, one row per sheet and repeat: what the
        network says, the same calibrated, and from which score on a sheet counts as defective.

    Raises:
        SteelDefectsError: The splits were made for other folds or fewer repeats.
    """
    data = data.of_gates()
    repeats, numbers = data.splits["fold"].map(len).min(), data.splits["fold"].map(max).max() + 1
    if repeats < plan.repeats or numbers != plan.folds:
        raise SteelDefectsError(
            f"splits holds {numbers} folds and {repeats} repeats, cross_validation wants "
            f"{plan.folds} and {plan.repeats}; run the pipeline data_engineering again"
        )
    training, name = recipe.training, recipe.backbone.name
    strata = data.sheets.set_index("sheet_id")["has_defect"].map(str).to_dict()
    folds = folds_of(data.splits, strata, plan.repeats, plan.validation_share, training.seed)
    sheets = data.labelled_sheets(training.cache)
    folder, features = data.checkpoints / "cross_validation" / name, FrozenFeatures()

    def train(training: LabelledSheets, tuning: LabelledSheets, checkpoints: Path) -> keras.Model:
        return fit_classifier(training, tuning, recipe, checkpoints, features).model

    def score(model: keras.Model, part: LabelledSheets) -> NDArray[np.float64]:
        if recipe.backbone_learns:
            return predict_scores(model, part.folder, part.sheets["path"].tolist())
        return features.scores(model, len(training.head.finished.turns), part)

    trained = _train_folds(name, sheets, folds, recipe, folder, train)
    table = pd.concat([_scores_of_fold(one, score) for one in trained], ignore_index=True)
    shutil.rmtree(folder, ignore_errors=True)
    return OUT_OF_FOLD_SCORES.typed(table)


def _scores_of_fold(
    one: _Trained[LabelledSheets],
    score: Callable[[keras.Model, LabelledSheets], NDArray[np.float64]],
) -> pd.DataFrame:
    # As it loads elsewhere: what the training traced may round otherwise.
    model = load_model(one.model)
    tuning, outputs = (score(model, part) for part in (one.validation, one.held_out))
    labels = one.validation.labels
    calibration = fit_calibration(labels, tuning, one.training.labels)
    return pd.DataFrame(
        {
            "sheet_id": one.held_out.sheets["sheet_id"],
            "repeat": one.fold.repeat,
            "fold": one.fold.number,
            "output": outputs,
            "score": calibration.apply(outputs),
            "threshold": accuracy_threshold(labels, calibration.apply(tuning)),
        }
    )


# === Segmenters ===


@dataclass(frozen=True)
class OutOfFold:
    """What segmenters say of sheets that they have not seen.

    Attributes:
        predictions: ``sheet_id, split, repeat, fold, class_id, rle, area_px, score``, one row per
            sheet, repeat and class; the score is the presence of the class.
        settings: Of classes 1, 2, … for the final segmenter, tuned on the maps of all folds, those
            of the test split left out; None where the plan leaves that to validation sheets.
    """

    predictions: pd.DataFrame
    settings: list[ClassPostprocessing] | None


@dataclass(frozen=True)
class _Tuned:
    """A fold, and post-processing as tried on its sheets, by class.

    Attributes:
        scores: Of the gate.
        usable: On those sheets that may tune the final segmenter.
        every: On these and those of the hold-out test split.
    """

    trained: _Trained[LabelledTiles]
    scores: dict[str, float]
    usable: list[ClassTuner]
    every: list[ClassTuner]


def out_of_fold_masks(
    data: TrainingData,
    classes: int,
    recipe: SegmenterRecipe,
    grid: PostprocessingGrid,
    plan: SegmenterCrossValidationConfig,
    gate_scores: pd.DataFrame | None = None,
) -> OutOfFold:
    """Train one segmenter per fold and repeat, and outline the sheets that it has not seen.

    The validation sheets of a fold decide when to stop, and tune post-processing unless the plan
    leaves that to the other folds. The segmenter of a fold is kept until all are done, and not
    trained again after a kill. ``gate_scores`` holds ``sheet_id, repeat, score, cleared``, of gates
    that had not seen the sheets.

    Raises:
        SteelDefectsError: The splits were made for fewer repeats.
    """
    epochs = max(1, round(recipe.training.epochs * plan.epochs_share))
    training = recipe.training.model_copy(update={"epochs": epochs})
    recipe, name = replace(recipe, training=training), recipe.network.name
    tiles = data.labelled_tiles(data.tiles, classes, training.cache)
    strata = {sheet: "+".join(map(str, sorted(runs))) for sheet, runs in tiles.runs.items()}
    folds = folds_of(data.splits, strata, plan.repeats, plan.validation_share, training.seed)
    folder = data.checkpoints / "segmenter_cross_validation" / name

    def train(training: LabelledTiles, tuning: LabelledTiles, checkpoints: Path) -> keras.Model:
        return fit_segmenter(training, tuning, recipe, checkpoints).model

    trained = list(_train_folds(name, tiles, folds, recipe, folder, train))
    split_of = data.splits.set_index("sheet_id")["split"]
    test = set(split_of.index[split_of == "test"])
    tuned = [_tune(one, test, recipe, grid, plan, gate_scores) for one in trained]
    rows: list[tuple[object, ...]] = []
    for one in tuned:
        settings = _settings(one, tuned, plan)
        fold = one.trained.fold
        logger.info("%s: repeat %d fold %d, tuned to %s", name, fold.repeat, fold.number, settings)
        for sheet_id, _, _, prediction in _predict(one.trained.model, one.trained.held_out, recipe):
            masks = predicted_masks.mask_rows(prediction, settings, one.scores.get(sheet_id))
            rows += [(sheet_id, "", fold.repeat, fold.number, *row) for row in masks]
    shutil.rmtree(folder, ignore_errors=True)
    table = OUT_OF_FOLD_PREDICTIONS.typed(rows)
    table["split"] = table["sheet_id"].map(split_of).astype("str")
    final = best_settings(_joined([one.usable for one in tuned])) if plan.tune_out_of_fold else None
    return OutOfFold(table, final)


def _tune(
    trained: _Trained[LabelledTiles],
    test: Set[str],
    recipe: SegmenterRecipe,
    grid: PostprocessingGrid,
    plan: SegmenterCrossValidationConfig,
    gate_scores: pd.DataFrame | None,
) -> _Tuned:
    """Try all post-processing on the sheets held out of a fold, or on its validation."""
    fold, part = trained.fold, trained.validation
    sheets = set(fold.validation)
    if plan.tune_out_of_fold:
        # The gate's answers are out of fold, too, and sheets that it clears never come so far.
        part = trained.held_out
        sheets = set(fold.held_out) - predicted_masks.cleared_sheets_of(gate_scores, fold.repeat)
    scores = predicted_masks.gate_scores_of(gate_scores, fold.repeat)
    usable, of_test = (
        predicted_masks.measure_classes(
            _predict(trained.model, part.subset(ids), recipe), part.masks, scores,
            [grid] * part.classes,
        )
        for ids in (sheets - test, sheets & test)
    )  # fmt: skip
    return _Tuned(trained, scores, usable, _joined([usable, of_test]))


def _settings(
    one: _Tuned, tuned: Sequence[_Tuned], plan: SegmenterCrossValidationConfig
) -> list[ClassPostprocessing]:
    """Return how masks of a fold are made; its own sheets have no say in that."""
    if not plan.tune_out_of_fold:
        return [tuner.best() for tuner in one.every]
    repeat = one.trained.fold.repeat
    others = [other for other in tuned if other is not one and other.trained.fold.repeat == repeat]
    return best_settings(_joined([other.every for other in others]))


def _predict(
    model: Path, data: LabelledTiles, recipe: SegmenterRecipe
) -> Iterator[predicted_masks.Predicted]:
    paths = [row.path for row in data.sheets]
    void = [data.masks.get((row.sheet_id, VOID), "") for row in data.sheets]
    maps = predicted_masks.predict_maps(load_model(model), data.folder, paths, recipe.tta, void)
    for row, prediction in zip(data.sheets, maps, strict=True):
        yield row.sheet_id, row.sheet_height, row.sheet_width, prediction


def _joined(tuners: Sequence[list[ClassTuner]]) -> list[ClassTuner]:
    return [ClassTuner.joined(of_class) for of_class in zip(*tuners, strict=True)]
