"""Outlining every sheet with a segmenter that has not seen it."""

import logging
import shutil
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from steel_defects.decision.postprocessing import ClassPostprocessing, PostprocessingGrid
from steel_defects.decision.postprocessing_tuning import ClassTuner, best_settings
from steel_defects.models.files import load_model
from steel_defects.prediction.predicted_masks import (
    Predicted,
    cleared_sheets_of,
    gate_scores_of,
    mask_rows,
    measure_classes,
    predict_maps,
)
from steel_defects.tables.declared import PREDICTIONS
from steel_defects.training.checkpoints import fingerprint_of
from steel_defects.training.config import SegmenterCrossValidationConfig
from steel_defects.training.cross_validation import Fold, folds_of, model_of_fold
from steel_defects.training.data.labelled_tiles import LabelledTiles
from steel_defects.training.jobs import SegmenterRecipe, TrainingData
from steel_defects.training.segmentation import fit_segmenter

logger = logging.getLogger(__name__)


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
class _Fitted:
    """A fold with its segmenter's file, the gate's scores, and the sheets that the gate clears."""

    fold: Fold
    model: Path
    scores: dict[str, float]
    cleared: set[str]


@dataclass(frozen=True)
class _Tuned:
    """Post-processing as tried on a fold's sheets, by class.

    Attributes:
        usable: On those that may tune the final segmenter.
        every: On these and those of the hold-out test split.
    """

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
    trained again after a kill.

    Args:
        data: The tables, with the tiles of all sheets.
        classes: Number of defect classes.
        recipe: How each segmenter is made.
        grid: Post-processing that tuning tries.
        plan: How many repeats, and how each fold is fitted and tuned.
        gate_scores: ``sheet_id, repeat, score, cleared`` of gates that had not seen the sheets.

    Raises:
        SteelDefectsError: The splits were made for fewer repeats.
    """
    epochs = max(1, round(recipe.training.epochs * plan.epochs_share))
    training = recipe.training.model_copy(update={"epochs": epochs})
    tiles = data.labelled_tiles(data.tiles, classes, training.cache)
    folder = data.checkpoints / "segmenter_cross_validation" / recipe.network.name
    recipe = replace(recipe, training=training)
    return _CrossValidation(tiles, data.splits, recipe, grid, plan, gate_scores, folder).run()


@dataclass(frozen=True)
class _CrossValidation:
    """What the steps of :func:`out_of_fold_masks` share."""

    tiles: LabelledTiles
    splits: pd.DataFrame
    recipe: SegmenterRecipe
    grid: PostprocessingGrid
    plan: SegmenterCrossValidationConfig
    gate_scores: pd.DataFrame | None
    folder: Path

    @property
    def name(self) -> str:
        return self.recipe.network.name

    def run(self) -> OutOfFold:
        strata = {
            sheet: "+".join(map(str, sorted(runs))) for sheet, runs in self.tiles.runs.items()
        }
        plan, splits = self.plan, self.splits
        folds = folds_of(
            splits, strata, plan.repeats, plan.validation_share, self.recipe.training.seed
        )
        fitted = [self._fit(fold) for fold in folds]
        test = set(splits.loc[splits["split"] == "test", "sheet_id"])
        tuned = [self._tune(one, test) for one in fitted]
        rows = [
            row
            for number, one in enumerate(fitted)
            for row in self._outline(one, self._settings(number, fitted, tuned))
        ]
        shutil.rmtree(self.folder, ignore_errors=True)
        table = PREDICTIONS.typed(list(rows))
        table["split"] = table["sheet_id"].map(splits.set_index("sheet_id")["split"]).astype("str")
        settings = _best([one.usable for one in tuned]) if plan.tune_out_of_fold else None
        return OutOfFold(table, settings)

    def _fit(self, fold: Fold) -> _Fitted:
        training, validation, held_out = (
            self.tiles.subset(ids) for ids in (fold.training, fold.validation, fold.held_out)
        )
        fingerprint = fingerprint_of(
            self.recipe.content, training.content, validation.content, held_out.content
        )
        logger.info("%s: %s", self.name, fold.label.replace("_", " "))
        model = model_of_fold(
            self.folder,
            fold,
            fingerprint,
            lambda folder: fit_segmenter(training, validation, self.recipe, folder).model,
        )
        scores = gate_scores_of(self.gate_scores, fold.repeat)
        return _Fitted(fold, model, scores, cleared_sheets_of(self.gate_scores, fold.repeat))

    def _tune(self, one: _Fitted, test: Set[str]) -> _Tuned:
        """Try all post-processing on the sheets held out of a fold, or on its validation."""
        sheets = set(one.fold.validation)
        if self.plan.tune_out_of_fold:
            # The gate's answers are out of fold, too, and sheets that it clears never come so far.
            sheets = set(one.fold.held_out) - one.cleared
        parts = (self.tiles.subset(ids) for ids in (sheets - test, sheets & test))
        usable, of_test = (
            measure_classes(
                self._predict(one.model, part),
                part.masks,
                one.scores,
                [self.grid] * part.classes,
            )
            for part in parts
        )
        return _Tuned(usable, _joined([usable, of_test]))

    def _settings(
        self, number: int, fitted: Sequence[_Fitted], tuned: Sequence[_Tuned]
    ) -> list[ClassPostprocessing]:
        """Return how masks of a fold are made; its own sheets have no say in that."""
        if not self.plan.tune_out_of_fold:
            return [tuner.best() for tuner in tuned[number].every]
        fold = fitted[number].fold
        return _best(
            [
                other.every
                for one, other in zip(fitted, tuned, strict=True)
                if one.fold.repeat == fold.repeat and one.fold is not fold
            ]
        )

    def _outline(
        self, one: _Fitted, settings: Sequence[ClassPostprocessing]
    ) -> Iterator[tuple[object, ...]]:
        """Yield the rows of the sheets held out of a fold; their split is filled in later."""
        fold = one.fold
        logger.info("%s: %s, tuned to %s", self.name, fold.label.replace("_", " "), settings)
        held_out = self.tiles.subset(fold.held_out)
        for sheet_id, _, _, prediction in self._predict(one.model, held_out):
            for row in mask_rows(prediction, settings, one.scores.get(sheet_id)):
                yield (sheet_id, "", fold.repeat, fold.number, *row)

    def _predict(self, model: Path, data: LabelledTiles) -> Iterator[Predicted]:
        rows = data.sheets
        paths = [row.path for row in rows]
        maps = predict_maps(load_model(model), data.folder, paths, self.recipe.tta)
        for row, prediction in zip(rows, maps, strict=True):
            yield row.sheet_id, row.sheet_height, row.sheet_width, prediction


def _joined(tuners: Sequence[list[ClassTuner]]) -> list[ClassTuner]:
    return [ClassTuner.joined(of_class) for of_class in zip(*tuners, strict=True)]


def _best(tuners: Sequence[list[ClassTuner]]) -> list[ClassPostprocessing]:
    return best_settings(_joined(tuners))
