"""Outlining every sheet with a segmenter that has not seen it."""

import logging
import shutil
from collections.abc import Collection, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import pandas as pd

from steel_defects.decision.postprocessing import (
    ClassPostprocessing,
    PostprocessingGrid,
)
from steel_defects.decision.postprocessing_tuning import ClassTuner, best_settings
from steel_defects.models.config import Network
from steel_defects.models.files import load_model, save_model
from steel_defects.prediction.inference import TestTimeAugmentation
from steel_defects.prediction.predicted_masks import (
    Predicted,
    cleared_sheets_of,
    gate_scores_of,
    mask_rows,
    measure_classes,
)
from steel_defects.tables.declared import PREDICTIONS
from steel_defects.training.checkpoints import fingerprint_of
from steel_defects.training.config import SegmentationConfig, SegmenterCrossValidationConfig
from steel_defects.training.data.labelled_tiles import LabelledTiles
from steel_defects.training.folds import divide_training, folds_of
from steel_defects.training.segmentation import predict_maps, train_segmenter

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
class OutOfFold:
    """What segmenters say of sheets that they have not seen.

    Attributes:
        predictions: ``sheet_id, split, repeat, fold, class_id, rle, area_px, score``, one row a
            sheet, repeat and class; the score is the presence of the class.
        settings: Of classes 1, 2, … for the final segmenter, tuned on the maps of all folds, those
            of the test split left out; None where the plan leaves that to validation sheets.
    """

    predictions: pd.DataFrame
    settings: list[ClassPostprocessing] | None


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


@dataclass(frozen=True)
class _Fitted:
    """A fold with its segmenter's file, the gate's scores, and the sheets that it clears."""

    fold: _Fold
    model: Path
    scores: dict[str, float]
    cleared: set[str]


@dataclass(frozen=True)
class _Tuned:
    """All post-processing of each class as tried on the sheets of a fold.

    Attributes:
        usable: On those that may tune the final segmenter.
        test: On those of the hold-out test split.
    """

    usable: list[ClassTuner]
    test: list[ClassTuner]

    @property
    def together(self) -> list[ClassTuner]:
        return [ClassTuner.joined(pair) for pair in zip(self.usable, self.test, strict=True)]


def out_of_fold_masks(
    data: LabelledTiles,
    splits: pd.DataFrame,
    recipe: SegmenterRecipe,
    plan: SegmenterCrossValidationConfig,
    folder: Path,
    gate_scores: pd.DataFrame | None = None,
) -> OutOfFold:
    """Train one segmenter a fold and repeat, and outline the sheets it was kept from.

    Each fold takes validation sheets from its own training part, whole groups at a time; they
    decide when to stop, and tune post-processing unless the plan leaves that to the other folds.
    The hold-out split plays no part, but that its test sheets do not tune the final segmenter. The
    segmenter of a fold is kept until all are done, and not trained again after a kill.

    Args:
        data: The tiles of all sheets.
        splits: ``sheet_id, group_id, split, fold``.
        recipe: How each segmenter is made.
        plan: How many repeats, and how each fold is fitted and tuned.
        folder: Where segmenters and checkpoints are kept until the end.
        gate_scores: ``sheet_id, repeat, score, cleared`` of gates that had not seen the sheets.

    Raises:
        SteelDefectsError: ``splits`` was made for fewer repeats.
    """
    epochs = max(1, round(recipe.training.epochs * plan.epochs_share))
    recipe = replace(recipe, training=recipe.training.model_copy(update={"epochs": epochs}))
    fitted = [
        _fit(fold, recipe, gate_scores, folder)
        for fold in _folds(data, splits, plan, recipe.training.seed)
    ]
    test = set(splits.loc[splits["split"] == "test", "sheet_id"])
    tuned = [_tuned(one, recipe, plan.tune_out_of_fold, test) for one in fitted]
    rows = [
        row
        for number, one in enumerate(fitted)
        for row in _outlined(one, recipe, _settings(number, fitted, tuned, plan))
    ]
    shutil.rmtree(folder, ignore_errors=True)
    table = PREDICTIONS.typed(rows)
    table["split"] = table["sheet_id"].map(splits.set_index("sheet_id")["split"]).astype("str")
    settings = _best([one.usable for one in tuned]) if plan.tune_out_of_fold else None
    return OutOfFold(table, settings)


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


def _subset(data: LabelledTiles, ids: Collection[str]) -> LabelledTiles:
    rows = data.tiles[data.tiles["sheet_id"].isin(set(ids))].reset_index(drop=True)
    return replace(data, tiles=rows)


def _fit(
    fold: _Fold, recipe: SegmenterRecipe, gate_scores: pd.DataFrame | None, folder: Path
) -> _Fitted:
    """Train the segmenter of a fold, unless that was done before a kill."""
    digest = fingerprint_of(
        recipe.training.model_dump(exclude={"cache"}), recipe.network.model_dump(),
        fold.training.content, fold.validation.content, fold.kept.content,
    )  # fmt: skip
    path = folder / f"{fold.label}_{digest[:16]}.keras"
    if not path.is_file():
        name = recipe.network.name
        logger.info("%s: %s", name, fold.label.replace("_", " "))
        found = train_segmenter(
            fold.training, fold.validation, recipe.training, recipe.network, name,
            folder / fold.label, str(recipe.weights_dir) if recipe.weights_dir else None,
        )  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        save_model(found.model, path)
    scores = gate_scores_of(gate_scores, fold.repeat)
    return _Fitted(fold, path, scores, cleared_sheets_of(gate_scores, fold.repeat))


def _tuned(one: _Fitted, recipe: SegmenterRecipe, out_of_fold: bool, test: Set[str]) -> _Tuned:
    """Try all post-processing on the sheets a fold was kept from, or else on its validation."""
    data = one.fold.kept if out_of_fold else one.fold.validation
    # The gate's answers are out of fold, too, and sheets that it clears never come this far.
    passed = {row.sheet_id for row in data.sheets} - (one.cleared if out_of_fold else set())
    model, grids = load_model(one.model), [recipe.postprocessing] * data.classes
    parts = (_subset(data, ids) for ids in (passed - test, passed & test))
    return _Tuned(*(
        measure_classes(_predicted(model, part, recipe), data.masks, one.scores, grids)
        for part in parts
    ))  # fmt: skip


def _settings(
    number: int,
    fitted: Sequence[_Fitted],
    tuned: Sequence[_Tuned],
    plan: SegmenterCrossValidationConfig,
) -> list[ClassPostprocessing]:
    """Return how masks of a fold are made; its own sheets have no say in that."""
    fold = fitted[number].fold
    if not plan.tune_out_of_fold:
        return [tuner.best() for tuner in tuned[number].together]
    others = [one.fold.repeat == fold.repeat and one.fold is not fold for one in fitted]
    return _best([one.together for one, other in zip(tuned, others, strict=True) if other])


def _best(tuners: Sequence[list[ClassTuner]]) -> list[ClassPostprocessing]:
    return best_settings([ClassTuner.joined(of_class) for of_class in zip(*tuners, strict=True)])


def _outlined(
    one: _Fitted, recipe: SegmenterRecipe, settings: Sequence[ClassPostprocessing]
) -> Iterator[tuple[object, ...]]:
    """Yield the rows of the sheets a fold was kept from; their split is filled in later."""
    fold = one.fold
    logger.info("%s: %s, tuned to %s", recipe.network.name, fold.label.replace("_", " "), settings)
    for sheet_id, _, _, found in _predicted(load_model(one.model), fold.kept, recipe):
        for row in mask_rows(found, settings, one.scores.get(sheet_id)):
            yield (sheet_id, "", fold.repeat, fold.number, *row)


def _predicted(
    model: keras.Model, data: LabelledTiles, recipe: SegmenterRecipe
) -> Iterator[Predicted]:
    rows = data.sheets
    paths = [row.path for row in rows]
    found = predict_maps(model, data.folder, paths, recipe.training.loader_threads, recipe.tta)
    for row, prediction in zip(rows, found, strict=True):
        yield row.sheet_id, row.sheet_height, row.sheet_width, prediction
