"""Cross-validation: asking networks about sheets that they have not seen."""

import logging
import shutil
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import pandas as pd

from steel_defects.decision.calibration import fit_calibration
from steel_defects.decision.postprocessing import ClassPostprocessing, PostprocessingGrid
from steel_defects.decision.postprocessing_tuning import ClassTuner, best_settings
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.gate import accuracy_threshold
from steel_defects.labels.masks import VOID
from steel_defects.models.files import load_model
from steel_defects.prediction import predicted_masks
from steel_defects.tables.declared import OUT_OF_FOLD_PREDICTIONS, OUT_OF_FOLD_SCORES
from steel_defects.training.classification import fit_classifier
from steel_defects.training.config import CrossValidationConfig, SegmenterCrossValidationConfig
from steel_defects.training.folds import AnyParts, Fold, Trained, folds_of, train_parts
from steel_defects.training.frozen_features import FrozenFeatures, Scorer, scorer_of
from steel_defects.training.jobs import ClassifierRecipe, SegmenterRecipe, TrainingData
from steel_defects.training.labelled_sheets import LabelledSheets
from steel_defects.training.labelled_tiles import LabelledTiles
from steel_defects.training.segmentation import fit_segmenter

logger = logging.getLogger(__name__)


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
    data = data.without_segmenter_only()
    repeats, numbers = data.splits["fold"].map(len).min(), data.splits["fold"].map(max).max() + 1
    if repeats < plan.repeats or numbers != plan.folds:
        raise SteelDefectsError(
            f"splits holds {numbers} folds and {repeats} repeats, cross_validation wants "
            f"{plan.folds} and {plan.repeats}; run the pipeline data_engineering again"
        )
    training, name = recipe.training, recipe.backbone.name
    sheets = data.labelled_sheets(training.cache)
    folds = folds_of(data.splits, sheets.kinds, plan.repeats, plan.validation_share, training.seed)
    folder, features = data.checkpoints / "cross_validation" / name, FrozenFeatures()

    def train(training: LabelledSheets, tuning: LabelledSheets, checkpoints: Path) -> keras.Model:
        return fit_classifier(training, tuning, recipe, checkpoints, features).model

    score = scorer_of(recipe, features)
    trained = train_parts(name, sheets, folds, recipe, folder, train)
    table = pd.concat([_scores_of_fold(one, score) for one in trained], ignore_index=True)
    shutil.rmtree(folder, ignore_errors=True)
    return OUT_OF_FOLD_SCORES.typed(table)


def _scores_of_fold(one: Trained[Fold, LabelledSheets], score: Scorer) -> pd.DataFrame:
    return held_out_scores(one, score).assign(repeat=one.parts.repeat, fold=one.parts.number)


def held_out_scores(one: Trained[AnyParts, LabelledSheets], score: Scorer) -> pd.DataFrame:
    """Score the sheets held out of a training, calibrated by its own validation sheets.

    Returns:
        ``sheet_id, output, score, threshold``, the threshold from which a sheet counts as
        defective.
    """
    # As it loads elsewhere: what the training traced may round otherwise.
    model = load_model(one.model)
    tuning, outputs = (score(model, part) for part in (one.validation, one.held_out))
    labels = one.validation.labels
    calibration = fit_calibration(labels, tuning, one.training.labels)
    return pd.DataFrame(
        {
            "sheet_id": one.held_out.sheets["sheet_id"],
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

    trained: Trained[Fold, LabelledTiles]
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
    folds = folds_of(data.splits, tiles.kinds, plan.repeats, plan.validation_share, training.seed)
    folder = data.checkpoints / "segmenter_cross_validation" / name

    def train(training: LabelledTiles, tuning: LabelledTiles, checkpoints: Path) -> keras.Model:
        return fit_segmenter(training, tuning, recipe, checkpoints).model

    trained = list(train_parts(name, tiles, folds, recipe, folder, train))
    split_of = data.splits.set_index("sheet_id")["split"]
    test = set(split_of.index[split_of == "test"])
    tuned = [_tune(one, test, recipe, grid, plan, gate_scores) for one in trained]
    rows: list[tuple[object, ...]] = []
    for one in tuned:
        settings = _settings(one, tuned, plan)
        fold = one.trained.parts
        logger.info("%s: repeat %d fold %d, tuned to %s", name, fold.repeat, fold.number, settings)
        for sheet_id, _, _, prediction in predict_tiled(
            one.trained.model, one.trained.held_out, recipe
        ):
            masks = predicted_masks.mask_rows(prediction, settings, one.scores.get(sheet_id))
            rows += [(sheet_id, "", fold.repeat, fold.number, *row) for row in masks]
    shutil.rmtree(folder, ignore_errors=True)
    table = OUT_OF_FOLD_PREDICTIONS.typed(rows)
    table["split"] = table["sheet_id"].map(split_of).astype("str")
    final = best_settings(_joined([one.usable for one in tuned])) if plan.tune_out_of_fold else None
    return OutOfFold(table, final)


def _tune(
    trained: Trained[Fold, LabelledTiles],
    test: Set[str],
    recipe: SegmenterRecipe,
    grid: PostprocessingGrid,
    plan: SegmenterCrossValidationConfig,
    gate_scores: pd.DataFrame | None,
) -> _Tuned:
    """Try all post-processing on the sheets held out of a fold, or on its validation."""
    fold, part = trained.parts, trained.validation
    sheets = set(fold.validation)
    if plan.tune_out_of_fold:
        # The gate's answers are out of fold, too, and sheets that it clears never come so far.
        part = trained.held_out
        sheets = set(fold.held_out) - predicted_masks.cleared_sheets_of(gate_scores, fold.repeat)
    scores = predicted_masks.gate_scores_of(gate_scores, fold.repeat)
    usable, of_test = (
        predicted_masks.measure_classes(
            predict_tiled(trained.model, part.subset(ids), recipe), part.masks, scores,
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
    repeat = one.trained.parts.repeat
    others = [other for other in tuned if other is not one and other.trained.parts.repeat == repeat]
    return best_settings(_joined([other.every for other in others]))


def predict_tiled(
    model: Path, data: LabelledTiles, recipe: SegmenterRecipe
) -> Iterator[predicted_masks.Predicted]:
    """Let a segmenter's file predict the whole sheets that tiles were cut from."""
    paths = [row.path for row in data.sheets]
    void = [data.masks.get((row.sheet_id, VOID), "") for row in data.sheets]
    maps = predicted_masks.predict_maps(load_model(model), data.folder, paths, recipe.tta, void)
    for row, prediction in zip(data.sheets, maps, strict=True):
        yield row.sheet_id, row.sheet_height, row.sheet_width, prediction


def _joined(tuners: Sequence[list[ClassTuner]]) -> list[ClassTuner]:
    return [ClassTuner.joined(of_class) for of_class in zip(*tuners, strict=True)]
