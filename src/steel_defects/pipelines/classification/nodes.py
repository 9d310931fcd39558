"""Nodes that train, score and compare the classifiers."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from steel_defects.decision.operating_point import OperatingPointConfig
from steel_defects.images.folder import SheetFolder
from steel_defects.models.identity import common_stamp, stamp_of
from steel_defects.training.config import (
    BackboneTraining,
    ClassificationConfig,
    CrossValidationConfig,
)
from steel_defects.training.jobs import TrainingData

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
) -> tuple[Any, pd.DataFrame, Json]:
    """Fit one backbone on the training split; validation decides when to stop."""
    from steel_defects.training import jobs

    data = TrainingData(raw_sheets, sheets, annotations, splits, pd.DataFrame(), checkpoints)
    fitted, profile = jobs.train_classifier(data, classification, training, pretrained_weights)
    return fitted.model, fitted.history, profile


def score_sheets(
    classifier: Any, raw_sheets: SheetFolder, sheets: pd.DataFrame, splits: pd.DataFrame
) -> tuple[pd.DataFrame, Json, pd.DataFrame]:
    """Let a classifier score every sheet, time it, and see where it looks on unseen sheets."""
    from steel_defects.prediction.heat_maps import heat_map_table
    from steel_defects.prediction.sheet_scores import measure_speed, predict_scores

    scores = predict_scores(classifier, raw_sheets, sheets["path"].tolist())
    table = sheets[["sheet_id", "has_defect"]].assign(output=scores)
    unseen = splits.loc[splits["split"] != "train", "sheet_id"]
    outputs = splits[["sheet_id", "split"]].merge(table, on="sheet_id")
    outputs.attrs.update(stamp_of(gate=classifier))
    return (
        outputs,
        dict(zip(_SPEEDS, (round(ms, 2) for ms in measure_speed(classifier)), strict=True)),
        heat_map_table(classifier, raw_sheets, sheets[sheets["sheet_id"].isin(unseen)]),
    )


_SPEEDS = ("ms_per_sheet_p50", "ms_per_sheet_p90")


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

    folder = checkpoints / "cross_validation" / training.backbone.name
    data = TrainingData(raw_sheets, sheets, annotations, splits, pd.DataFrame(), checkpoints)
    return out_of_fold_scores(
        data.labelled_sheets(classification.cache),
        splits,
        classification,
        training,
        cross_validation,
        str(pretrained_weights),
        folder,
    )


def calibrate(
    outputs: pd.DataFrame,
    sheets: pd.DataFrame,
    splits: pd.DataFrame,
    out_of_fold: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, Json]:
    """Turn outputs into probabilities, and choose the threshold that accuracy is given for."""
    from steel_defects.evaluation.gate_thresholds import calibrated_scores

    scores, calibration = calibrated_scores(outputs, sheets, splits, out_of_fold)
    scores.attrs.update(outputs.attrs)
    return scores, calibration | outputs.attrs


def choose_operating_point(
    sheet_scores: pd.DataFrame,
    calibration: Json,
    splits: pd.DataFrame,
    operating_point: OperatingPointConfig,
) -> Json:
    """Choose the gate's thresholds, and check them once on the test split."""
    from steel_defects.evaluation.gate_thresholds import operating_point_of

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
            point.lower_threshold,
        )
    return point.model_dump() | {key: calibration[key] for key in ("temperature", "bias")} | stamp


def compare_classifiers(
    splits: pd.DataFrame, annotations: pd.DataFrame, **tables: Any
) -> pd.DataFrame:
    """Set backbones side by side; inputs are ``{backbone}_scores``, ``_profile``, ``_speed``."""
    from steel_defects.evaluation.classifier_comparison import classification_comparison

    names = _backbones_of(tables)
    return classification_comparison(
        {name: tables[f"{name}_scores"] for name in names},
        {name: tables[f"{name}_profile"] | tables[f"{name}_speed"] for name in names},
        splits,
        annotations,
    )


def _backbones_of(tables: Mapping[str, Any]) -> list[str]:
    return [key.removesuffix("_scores") for key in tables if key.endswith("_scores")]


def select_gate(gate: str, splits: pd.DataFrame, **tables: Any) -> Json:
    """Choose the backbone of the cascade by its ROC-AUC on validation."""
    from steel_defects.evaluation.selection import select_gate as select

    names = _backbones_of(tables)
    return select(
        gate,
        {name: tables[f"{name}_scores"] for name in names},
        {name: tables[f"{name}_profile"]["parameters"] for name in names},
        splits,
    )
