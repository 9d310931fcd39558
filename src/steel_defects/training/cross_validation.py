"""Folds of a cross-validation, and scoring every sheet with a classifier that has not seen it."""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.data.splits import assign_groups
from steel_defects.decision.calibration import fit_calibration
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.gate import accuracy_threshold
from steel_defects.models.files import load_model, save_model
from steel_defects.prediction.sheet_scores import predict_scores
from steel_defects.tables.declared import OUT_OF_FOLD_SCORES
from steel_defects.training.checkpoints import fingerprint_of
from steel_defects.training.classification import fit_classifier
from steel_defects.training.config import CrossValidationConfig
from steel_defects.training.data.labelled_sheets import LabelledSheets
from steel_defects.training.jobs import ClassifierRecipe, TrainingData

logger = logging.getLogger(__name__)


# === Folds ===


@dataclass(frozen=True)
class Fold:
    """Sheets of a fold by their ids: to learn from, to tune by, and held out of both."""

    repeat: int
    number: int
    training: list[str]
    validation: list[str]
    held_out: list[str]

    @property
    def label(self) -> str:
        """Name in the log and of files."""
        return f"repeat_{self.repeat}_fold_{self.number}"


def folds_of(
    splits: pd.DataFrame,
    strata: Mapping[str, str],
    repeats: int,
    validation_share: float,
    seed: int,
) -> Iterator[Fold]:
    """Yield the folds of some repeats; each takes whole groups of its training for validation.

    The hold-out split plays no part.

    Args:
        splits: ``sheet_id, group_id, fold``.
        strata: Kind of each sheet that takes part.
        repeats: Divisions into folds to go through.
        validation_share: Part of a fold's training sheets that tunes instead, 0 to 1.
        seed: Decides between equals.

    Raises:
        SteelDefectsError: ``splits`` was made for fewer repeats.
    """
    known = splits["fold"].map(len).min()
    if known < repeats:
        raise SteelDefectsError(
            f"splits holds {known} repeats, and {repeats} are wanted; "
            "raise cross_validation.repeats and run the pipeline data_engineering again"
        )
    splits = splits[splits["sheet_id"].isin(set(strata))]
    shares = {"training": 1 - validation_share, "validation": validation_share}
    for repeat in range(repeats):
        numbers = splits["fold"].map(lambda folds, repeat=repeat: int(folds[repeat]))
        for number in sorted(numbers.unique()):
            rest = splits[numbers != number]
            kinds = [strata[sheet_id] for sheet_id in rest["sheet_id"]]
            part = np.array(assign_groups(rest["group_id"].tolist(), kinds, shares, seed))
            yield Fold(
                repeat,
                int(number),
                training=rest.loc[part == "training", "sheet_id"].tolist(),
                validation=rest.loc[part == "validation", "sheet_id"].tolist(),
                held_out=splits.loc[numbers == number, "sheet_id"].tolist(),
            )


def model_of_fold(
    folder: Path, fold: Fold, fingerprint: str, train: Callable[[Path], keras.Model]
) -> Path:
    """Return the file of a fold's network, which is trained unless that was done before a kill.

    Args:
        folder: Where networks and checkpoints are kept until the last fold is done.
        fold: The fold.
        fingerprint: Of what the training depends on.
        train: Trains the network, with a folder for its checkpoint.
    """
    path = folder / f"{fold.label}_{fingerprint[:16]}.keras"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_model(train(folder / fold.label), path)
    return path


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
    _require_folds(data.splits, plan)
    sheets, name = data.labelled_sheets(recipe.training.cache), recipe.backbone.name
    strata = data.sheets.set_index("sheet_id")["has_defect"].map(str).to_dict()
    folder = data.checkpoints / "cross_validation" / name
    tables = []
    for fold in folds_of(
        data.splits, strata, plan.repeats, plan.validation_share, recipe.training.seed
    ):
        logger.info(
            "%s: repeat %d, fold %d of %d", name, fold.repeat + 1, fold.number + 1, plan.folds
        )
        tables.append(_scores_of_fold(sheets, fold, recipe, folder))
    shutil.rmtree(folder, ignore_errors=True)
    return OUT_OF_FOLD_SCORES.typed(pd.concat(tables, ignore_index=True))


def _require_folds(splits: pd.DataFrame, plan: CrossValidationConfig) -> None:
    repeats = splits["fold"].map(len).min()
    folds = splits["fold"].map(max).max() + 1
    if repeats < plan.repeats or folds != plan.folds:
        raise SteelDefectsError(
            f"splits holds {folds} folds and {repeats} repeats, cross_validation wants "
            f"{plan.folds} and {plan.repeats}; run the pipeline data_engineering again"
        )


def _scores_of_fold(
    data: LabelledSheets, fold: Fold, recipe: ClassifierRecipe, folder: Path
) -> pd.DataFrame:
    training, validation, held_out = (
        data.subset(ids) for ids in (fold.training, fold.validation, fold.held_out)
    )
    fingerprint = fingerprint_of(recipe.content, training.content, validation.content)
    path = model_of_fold(
        folder,
        fold,
        fingerprint,
        lambda checkpoints: fit_classifier(training, validation, recipe, checkpoints).model,
    )
    # As it loads elsewhere: what the training traced may round otherwise.
    model = load_model(path)
    tuning, outputs = _scored(model, validation), _scored(model, held_out)
    calibration = fit_calibration(validation.labels, tuning, training.labels)
    return pd.DataFrame(
        {
            "sheet_id": held_out.sheets["sheet_id"],
            "repeat": fold.repeat,
            "fold": fold.number,
            "output": outputs,
            "score": calibration.apply(outputs),
            "threshold": accuracy_threshold(validation.labels, calibration.apply(tuning)),
        }
    )


def _scored(model: keras.Model, data: LabelledSheets) -> NDArray[np.float64]:
    return predict_scores(model, data.folder, data.sheets["path"].tolist())
