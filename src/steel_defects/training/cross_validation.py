"""Scoring every sheet with a classifier that has not seen it."""

import logging
import shutil
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.decision.calibration import fit_calibration
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.classification import accuracy_threshold
from steel_defects.models.files import save_model
from steel_defects.prediction.sheet_scores import predict_scores
from steel_defects.tables.declared import OUT_OF_FOLD_SCORES
from steel_defects.training.classification import train_classifier
from steel_defects.training.config import (
    BackboneTraining,
    ClassificationConfig,
    CrossValidationConfig,
)
from steel_defects.training.data.labelled_sheets import LabelledSheets
from steel_defects.training.folds import divide_training, folds_of

logger = logging.getLogger(__name__)


def out_of_fold_scores(
    data: LabelledSheets,
    splits: pd.DataFrame,
    config: ClassificationConfig,
    own: BackboneTraining,
    plan: CrossValidationConfig,
    weights_dir: str | None,
    checkpoint_dir: Path,
) -> pd.DataFrame:
    """Train one classifier a fold and repeat, and score the sheets it was kept from.

    Each fold takes validation sheets from its own training part, whole groups at a time; they
    decide when to stop, calibrate the scores and set the threshold. The hold-out split plays no
    part.

    Returns:
        ``sheet_id, repeat, fold, output, score, threshold``, one row a sheet and repeat: what the
        network says, the same calibrated, and from which score on a sheet counts as defective.

    Raises:
        SteelDefectsError: ``splits`` was made for other folds or fewer repeats.
    """
    finished = []
    _require_folds(splits, plan)
    strata = data.sheets.set_index("sheet_id")["has_defect"].map(str).to_dict()

    def train(training: list[str], validation: list[str], folder: Path) -> keras.Model:
        fitted = train_classifier(
            data, training, validation, config, own, weights_dir, folder, keep_checkpoint=True
        )
        # As it loads elsewhere: what the training traced may round otherwise.
        return save_model(fitted.model, folder / "classifier.keras")

    for repeat in range(plan.repeats):
        folds = folds_of(splits, repeat)
        for fold in sorted(folds.unique()):
            logger.info(
                "%s: repeat %d, fold %d of %d",
                own.backbone.name, repeat + 1, fold + 1, folds.nunique(),
            )  # fmt: skip
            kept = splits[folds == fold]["sheet_id"].tolist()
            rest = splits[folds != fold]
            training, validation = divide_training(rest, strata, plan.validation_share, config.seed)
            model = train(training, validation, checkpoint_dir / f"repeat_{repeat}_fold_{fold}")
            frame = _scores_of_fold(data, training, validation, kept, model)
            finished.append(frame.assign(repeat=repeat, fold=int(fold)))
    shutil.rmtree(checkpoint_dir, ignore_errors=True)
    return OUT_OF_FOLD_SCORES.typed(pd.concat(finished, ignore_index=True))


def _scores_of_fold(
    data: LabelledSheets,
    training: list[str],
    validation: list[str],
    kept: list[str],
    model: keras.Model,
) -> pd.DataFrame:
    """Score the sheets that were kept from a classifier; its validation sheets calibrate."""
    _, labels, tuning = _scored(data, validation, model)
    calibration = fit_calibration(labels, tuning, data.subset(training).labels)
    ids, _, outputs = _scored(data, kept, model)
    frame = pd.DataFrame({"sheet_id": ids, "output": outputs})
    frame["score"] = calibration.apply(outputs)
    frame["threshold"] = accuracy_threshold(labels, calibration.apply(tuning))
    return frame


def _require_folds(splits: pd.DataFrame, plan: CrossValidationConfig) -> None:
    repeats = splits["fold"].map(len).min()
    folds = splits["fold"].map(max).max() + 1
    if repeats < plan.repeats or folds != plan.folds:
        raise SteelDefectsError(
            f"splits holds {folds} folds and {repeats} repeats, cross_validation wants "
            f"{plan.folds} and {plan.repeats}; run the pipeline data_engineering again"
        )


def _scored(
    data: LabelledSheets, ids: list[str], model: keras.Model
) -> tuple[list[str], NDArray[np.bool_], NDArray[np.float64]]:
    part = data.subset(ids)
    scores = predict_scores(model, data.folder, part.sheets["path"].tolist())
    return part.sheets["sheet_id"].tolist(), part.labels, scores
