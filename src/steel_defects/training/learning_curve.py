"""Networks that learn from growing shares of the sheets, each measured on the same other sheets."""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import keras
import pandas as pd

from steel_defects.data.splits import assign_groups
from steel_defects.decision.postprocessing import ClassPostprocessing, PostprocessingGrid
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.gate import FEWEST_OF_A_KIND
from steel_defects.evaluation.learning_curve import Measured, gate_figures, segmenter_figures
from steel_defects.evaluation.paired_figures import Truth
from steel_defects.prediction.predicted_masks import mask_rows, measure_classes
from steel_defects.tables.declared import LEARNING_CURVE
from steel_defects.training.classification import fit_classifier
from steel_defects.training.config import LearningCurveConfig
from steel_defects.training.cross_validation import held_out_scores, predict_tiled
from steel_defects.training.folds import (
    Labelled,
    Parts,
    Trained,
    split_off_validation,
    train_parts,
)
from steel_defects.training.frozen_features import FrozenFeatures, scorer_of
from steel_defects.training.jobs import (
    ClassifierRecipe,
    Fitted,
    SegmenterRecipe,
    TrainingData,
    need_both_kinds,
)
from steel_defects.training.labelled_tiles import LabelledTiles
from steel_defects.training.segmentation import fit_segmenter

logger = logging.getLogger(__name__)

Recipe = TypeVar("Recipe", ClassifierRecipe, SegmenterRecipe)

#: Of a class that has too few validation sheets to tune by.
_AT_ONE_HALF = ClassPostprocessing(threshold=0.5, min_area_px=0)


# === Shares ===


@dataclass(frozen=True)
class Share(Parts):
    """The parts of a share of the sheets, 0 to 1; the seed is that of its draw and training."""

    share: float
    seed: int

    @property
    def sheets(self) -> int:
        """How many sheets it has, those to tune by among them."""
        return len(self.training) + len(self.validation)


def shares_of(
    splits: pd.DataFrame,
    strata: Mapping[str, str],
    config: LearningCurveConfig,
    validation_share: float,
    first_seed: int,
) -> Iterator[Share]:
    """Yield the shares of each seed; of one seed each is part of the next larger one.

    Fold 0 of the first repeat is held out of all. Of the other sheets a share takes whole groups,
    of every kind its part; ``validation_share`` of them, 0 to 1, tune. The hold-out split plays no
    part. ``splits`` holds ``sheet_id, group_id, fold``, and ``strata`` the kind of each sheet that
    takes part.
    """
    splits = splits[splits["sheet_id"].isin(set(strata))]
    is_held_out = splits["fold"].map(lambda folds: int(folds[0])) == 0
    rest, held_out = splits[~is_held_out], splits.loc[is_held_out, "sheet_id"].tolist()
    kinds = [strata[sheet_id] for sheet_id in rest["sheet_id"]]
    ends = (0.0, *config.shares, 1.0)
    steps = {str(number): end - ends[number] for number, end in enumerate(ends[1:])}
    for seed in range(first_seed, first_seed + config.seeds):
        step = pd.Series(assign_groups(rest["group_id"].tolist(), kinds, steps, seed), rest.index)
        for number, share in enumerate(config.shares):
            taken = rest[step.astype(int) <= number]
            divided = split_off_validation(taken, strata, validation_share, seed)
            label = f"{100 * share:g}_percent_seed_{seed}"
            yield Share(label, *divided, held_out, share=share, seed=seed)


def _need_enough(name: str, shares: Sequence[Share], kinds: Mapping[str, str]) -> None:
    """Refuse shares that leave nothing to learn from, or to tune by, before hours of training.

    Kinds are those that a network has to tell apart, by sheet; one alone where there is no need to.
    """
    for one in shares:
        learned = {kinds[sheet_id] for sheet_id in one.training}
        if learned != set(kinds.values()) or not one.validation or not one.held_out:
            raise SteelDefectsError(
                f"{name}: {100 * one.share:g} % of the sheets are too few for a learning curve: "
                f"{len(one.training)} to learn from, {len(one.validation)} to tune by and "
                f"{len(one.held_out)} to be measured on, of all kinds; leave that share out of "
                "learning_curve.shares"
            )


def _train(
    name: str,
    data: Labelled,
    shares: Sequence[Share],
    recipe: Recipe,
    folder: Path,
    fit: Callable[[Labelled, Labelled, Recipe, Path], Fitted],
) -> Iterator[Trained[Share, Labelled]]:
    """Train a network for each share, with the recipe of the final model and the share's seed."""
    for share in shares:
        training = recipe.training.model_copy(update={"seed": share.seed})
        seeded = replace(recipe, training=training)
        train = partial(_fit, fit, seeded)
        yield from train_parts(name, data, [share], seeded, folder, train)


def _fit(
    fit: Callable[[Labelled, Labelled, Recipe, Path], Fitted],
    recipe: Recipe,
    learned: Labelled,
    tuning: Labelled,
    checkpoints: Path,
) -> keras.Model:
    return fit(learned, tuning, recipe, checkpoints).model


def _rows(name: str, share: Share, figures: Mapping[str, Measured]) -> Iterator[tuple[Any, ...]]:
    text = ", ".join(f"{metric} {measured[0]:.3f}" for metric, measured in figures.items())
    logger.info("%s: %s: %s", name, share.label.replace("_", " "), text)
    for metric, measured in figures.items():
        yield name, share.share, share.seed, share.sheets, metric, *measured


# === Gates ===


def gate_learning_curve(
    data: TrainingData,
    recipe: ClassifierRecipe,
    config: LearningCurveConfig,
    validation_share: float,
) -> pd.DataFrame:
    """Train a backbone on each share, and measure it on the sheets that are held out of all.

    What is finished is kept until all are, and not trained again after a kill.

    Returns:
        The rows of ``learning_curve``.

    Raises:
        SteelDefectsError: A share has too few sheets.
    """
    data = data.without_segmenter_only()
    need_both_kinds(data.sheets, "of learning_curve.models")
    name, training = recipe.backbone.name, recipe.training
    sheets = data.labelled_sheets(training.cache)
    kinds = sheets.kinds
    shares = list(shares_of(data.splits, kinds, config, validation_share, training.seed))
    _need_enough(name, shares, kinds)
    folder = data.checkpoints / "learning_curve" / name
    features, rows = FrozenFeatures(), list[tuple[Any, ...]]()
    fit, score = partial(fit_classifier, features=features), scorer_of(recipe, features)
    for one in _train(name, sheets, shares, recipe, folder, fit):
        scores = held_out_scores(one, score).assign(has_defect=one.held_out.labels)
        rows += _rows(name, one.parts, gate_figures(scores, data.splits))
    shutil.rmtree(folder, ignore_errors=True)
    return LEARNING_CURVE.typed(rows)


# === Segmenters ===


def segmenter_learning_curve(
    data: TrainingData,
    classes: int,
    recipe: SegmenterRecipe,
    grid: PostprocessingGrid,
    config: LearningCurveConfig,
    validation_share: float,
) -> pd.DataFrame:
    """Train an architecture on each share, and measure it on the sheets that are held out of all.

    Each share's own validation sheets tune post-processing, of the classes that even the smallest
    share has enough of; of the others the threshold is one half in all shares, so that no step of
    the curve comes from another way of making masks. Sheets for segmenters alone take no part: the
    curve says what more of the others would bring. Other things are as in
    :func:`gate_learning_curve`.
    """
    data = data.without_segmenter_only()
    name, training = recipe.network.name, recipe.training
    tiles = data.labelled_tiles(data.tiles, classes, training.cache)
    kinds = tiles.kinds
    shares = list(shares_of(data.splits, kinds, config, validation_share, training.seed))
    _need_enough(name, shares, dict.fromkeys(kinds, ""))
    folder = data.checkpoints / "learning_curve" / name
    trained = list(_train(name, tiles, shares, recipe, folder, fit_segmenter))
    untuned = [k for k in range(1, classes + 1) if _has_too_few_to_tune_by(k, trained)]
    if untuned:
        logger.info(
            "%s: the threshold of classes %s is one half, since the smallest share has too few "
            "validation sheets of them to tune it by", name, ", ".join(map(str, untuned)),
        )  # fmt: skip
    grids = [_AT_ONE_HALF.grid if k in untuned else grid for k in range(1, classes + 1)]
    truth = Truth(data.sheets, data.annotations, data.splits)
    rows: list[tuple[Any, ...]] = []
    for one in trained:
        masks = _held_out_masks(one, recipe, grids)
        rows += _rows(name, one.parts, segmenter_figures(masks, truth))
    shutil.rmtree(folder, ignore_errors=True)
    return LEARNING_CURVE.typed(rows)


def _has_too_few_to_tune_by(
    class_id: int, trained: Sequence[Trained[Share, LabelledTiles]]
) -> bool:
    """Whether a share has few validation sheets that show a class."""
    counts = (
        sum(class_id in defects for defects in one.validation.defects.values()) for one in trained
    )
    return min(counts) < FEWEST_OF_A_KIND


def _held_out_masks(
    one: Trained[Share, LabelledTiles],
    recipe: SegmenterRecipe,
    grids: Sequence[PostprocessingGrid],
) -> pd.DataFrame:
    """Outline the sheets held out of a share: ``sheet_id, class_id, rle``."""
    part = one.validation
    tuners = measure_classes(predict_tiled(one.model, part, recipe), part.masks, {}, grids)
    settings = [tuner.best() for tuner in tuners]
    rows = [
        (sheet_id, class_id, rle)
        for sheet_id, _, _, answer in predict_tiled(one.model, one.held_out, recipe)
        for class_id, rle, _, _ in mask_rows(answer, settings, None)
    ]
    return pd.DataFrame(rows, columns=["sheet_id", "class_id", "rle"])
