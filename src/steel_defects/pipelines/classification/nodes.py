"""Nodes that train, score and compare the classifiers."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from steel_defects.data.segmenter_only import divided
from steel_defects.datasets.trained_models import TrainedGate, TrainedModels
from steel_defects.decision.operating_point import OperatingPoint, OperatingPointConfig
from steel_defects.images.folder import SheetFolder
from steel_defects.models.trained import (
    ClassifierProfile,
    ClassifierSpeed,
    MadeFrom,
    ModelReference,
    ModelSelection,
    TrainedModel,
    common_stamp,
    made_from,
    stamp_of,
)
from steel_defects.training.config import (
    BackboneTraining,
    ClassificationConfig,
    CrossValidationConfig,
)
from steel_defects.training.jobs import ClassifierRecipe, TrainingData

logger = logging.getLogger(__name__)

Json = dict[str, Any]


def train_classifier(
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    pretrained_weights: Path,
    checkpoints: Path,
    classification: ClassificationConfig,
    training: BackboneTraining,
) -> tuple[Any, pd.DataFrame, ClassifierProfile]:
    """Fit one backbone on the training split; validation decides when to stop."""
    from steel_defects.training import jobs

    data = TrainingData(raw_sheets, sheets, annotations, splits, pd.DataFrame(), checkpoints)
    recipe = ClassifierRecipe.of(classification, training, pretrained_weights)
    fitted, profile = jobs.train_classifier(data, recipe)
    return fitted.model, fitted.history, profile


def score_sheets(
    classifier: Any, raw_sheets: SheetFolder, sheets: pd.DataFrame, splits: pd.DataFrame
) -> tuple[pd.DataFrame, ClassifierSpeed]:
    """Let a classifier score every sheet, and time it."""
    from steel_defects.prediction.sheet_scores import measure_speed, predict_scores

    sheets = divided(sheets, splits)
    scores = predict_scores(classifier, raw_sheets, sheets["path"].tolist())
    table = sheets[["sheet_id", "has_defect"]].assign(output=scores)
    outputs = splits[["sheet_id", "split"]].merge(table, on="sheet_id")
    outputs.attrs.update(stamp_of(gate=classifier))
    median, slow = measure_speed(classifier)
    speed = ClassifierSpeed(ms_per_sheet_p50=round(median, 2), ms_per_sheet_p90=round(slow, 2))
    return outputs, speed


def cross_validate(
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    pretrained_weights: Path,
    checkpoints: Path,
    classification: ClassificationConfig,
    training: BackboneTraining,
    cross_validation: CrossValidationConfig,
) -> pd.DataFrame:
    """Score every sheet out of fold."""
    from steel_defects.training.cross_validation import out_of_fold_scores

    data = TrainingData(raw_sheets, sheets, annotations, splits, pd.DataFrame(), checkpoints)
    recipe = ClassifierRecipe.of(classification, training, pretrained_weights)
    return out_of_fold_scores(data, recipe, cross_validation)


def calibrate(
    classifier_outputs: pd.DataFrame,
    sheets: pd.DataFrame,
    splits: pd.DataFrame,
    out_of_fold_scores: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, Json]:
    """Turn outputs into probabilities, and choose the threshold that accuracy is given for."""
    from steel_defects.evaluation.gate import calibrated_scores

    scores, calibration = calibrated_scores(classifier_outputs, sheets, splits, out_of_fold_scores)
    scores.attrs.update(classifier_outputs.attrs)
    return scores, calibration | classifier_outputs.attrs


def choose_operating_point(
    sheet_scores: pd.DataFrame,
    calibration: Json,
    splits: pd.DataFrame,
    operating_point: OperatingPointConfig,
) -> OperatingPoint:
    """Choose the gate's thresholds, and check them once on the test split."""
    from steel_defects.evaluation.gate import operating_point_of

    stamp = common_stamp(sheet_scores=sheet_scores, calibration=calibration)
    point = operating_point_of(sheet_scores, operating_point, splits)
    if not point.defective_sheets:
        logger.warning(
            "no defective sheet is there to choose the gate's thresholds on, so that it clears "
            "none; give data_engineering.shares a part for calibration"
        )
    if point.tied_clean_sheets:
        logger.warning(
            "%d clean sheets score exactly the gate's lower threshold, %.6f, and are not cleared: "
            "the network gives many sheets one and the same score; train it longer or at another "
            "learning_rate",
            point.tied_clean_sheets,
            point.thresholds.lower,
        )
    return point.model_copy(
        update={"temperature": calibration["temperature"], "bias": calibration["bias"]} | stamp
    )


def record_gate(
    classifier_profile: ClassifierProfile,
    sheet_scores: pd.DataFrame,
    operating_point: OperatingPoint,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    operating_point_targets: OperatingPointConfig,
) -> TrainedModel:
    """Note what a gate was made from and how good it is, so that later runs can compare it."""
    from steel_defects.evaluation.selection import validation_roc_auc

    common_stamp(
        profile=classifier_profile, sheet_scores=sheet_scores, operating_point=operating_point
    )
    return TrainedModel(
        name=classifier_profile.backbone,
        parameters=classifier_profile.parameters,
        quality=validation_roc_auc(sheet_scores, splits),
        made_from=_made_from(sheets, annotations, splits, operating_point_targets),
    )


def _made_from(
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    operating_point: OperatingPointConfig,
) -> MadeFrom:
    """Take the digests of what gates are made from, which sheets for segmenters alone are not."""
    sheets, annotations = divided(sheets, splits), divided(annotations, splits)
    splits = divided(splits, splits)
    return made_from(sheets, annotations, splits, {"operating_point": operating_point})


def select_gate(
    gate: str,
    trained_models: TrainedModels,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    operating_point: OperatingPointConfig,
    **_trained_now: TrainedModel,
) -> tuple[ModelSelection, ModelReference]:
    """Choose the backbone of the cascade by its ROC-AUC on validation.

    The gates of this run are inputs so that they come first; those of earlier runs take part if
    they were made from the same data.
    """
    from steel_defects.evaluation.selection import select, with_differences

    now = _made_from(sheets, annotations, splits, operating_point)
    gates = trained_models.newest(TrainedGate)
    records = [one.record for one in gates]
    selection = select("gate", gate, records, {one.name: one.version for one in gates}, now)
    selection = with_differences(
        selection,
        {one.name: one.scores for one in gates if one.name in selection.candidates},
        {one.name: one.parameters for one in records},
        splits,
        gate,
    )
    return selection, selection.chosen


def compare_classifiers(
    gate_selection: ModelSelection,
    trained_models: TrainedModels,
    splits: pd.DataFrame,
    annotations: pd.DataFrame,
) -> pd.DataFrame:
    """Set backbones side by side: one row per backbone and evaluation."""
    from steel_defects.evaluation.model_comparison import classification_comparison

    gates = trained_models.compared(TrainedGate, gate_selection)
    return classification_comparison(
        {gate.name: gate.scores for gate in gates},
        {gate.name: gate.profile for gate in gates},
        {gate.name: gate.speed for gate in gates},
        splits,
        annotations,
    )
