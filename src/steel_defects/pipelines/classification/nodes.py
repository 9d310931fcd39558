"""Nodes that train, score and compare the classifiers."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.operating_point import OperatingPointConfig
from steel_defects.models.absent import NoModel
from steel_defects.models.identity import common_stamp, stamp_of
from steel_defects.sheets.folder import SheetFolder
from steel_defects.training.config import (
    BackboneTraining,
    ClassificationConfig,
    CrossValidationConfig,
)
from steel_defects.training.jobs import TrainingData, nothing_to_classify

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
    """Fit one backbone on the training split; validation decides when to stop.

    Where all sheets are of one kind there is nothing to classify, and no model.
    """
    reason = nothing_to_classify(sheets)
    if reason:
        history = pd.DataFrame({"epoch": pd.Series(dtype=int), "loss": pd.Series(dtype=float)})
        return NoModel(reason), history, {"backbone": training.backbone.name, "parameters": 0}
    from steel_defects.training import jobs

    data = TrainingData(raw_sheets, sheets, annotations, splits, pd.DataFrame(), checkpoints)
    fitted, profile = jobs.train_classifier(data, classification, training, pretrained_weights)
    return fitted.model, fitted.history, profile


def score_sheets(
    classifier: Any, raw_sheets: SheetFolder, sheets: pd.DataFrame, splits: pd.DataFrame
) -> tuple[pd.DataFrame, Json, pd.DataFrame]:
    """Let a classifier score every sheet, time it, and see where it looks on unseen sheets."""
    if isinstance(classifier, NoModel):
        return _empty(_OUTPUT_TYPES), {}, _empty(_HEAT_MAP_TYPES)
    from steel_defects.training.heat_maps import heat_map_table
    from steel_defects.training.sheet_scores import measure_speed, predict_scores

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
_OUTPUT_TYPES = {"sheet_id": "str", "split": "str", "has_defect": "bool", "output": "float64"}
_HEAT_MAP_TYPES = {"sheet_id": "str", "rows": "int64", "columns": "int64", "heat": "object"}


def _empty(types: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame(columns=list(types)).astype(types)


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
    """Score every sheet out of fold, if the backbone is among the models to cross-validate."""
    from steel_defects.training.cross_validation import OUT_OF_FOLD_TYPES, out_of_fold_scores

    if training.backbone.name not in cross_validation.models or nothing_to_classify(sheets):
        return pd.DataFrame(columns=list(OUT_OF_FOLD_TYPES)).astype(OUT_OF_FOLD_TYPES)
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
    outputs: pd.DataFrame, out_of_fold: pd.DataFrame, sheets: pd.DataFrame, splits: pd.DataFrame
) -> tuple[pd.DataFrame, Json]:
    """Turn outputs into probabilities, and choose the threshold that accuracy is given for."""
    from steel_defects.evaluation.gate_calibration import calibrated_scores

    scores, calibration = calibrated_scores(outputs, out_of_fold, sheets, splits)
    scores.attrs.update(outputs.attrs)
    return scores, calibration | outputs.attrs


def choose_operating_point(
    sheet_scores: pd.DataFrame,
    calibration: Json,
    splits: pd.DataFrame,
    operating_point: OperatingPointConfig,
) -> Json:
    """Choose the gate's thresholds, and check them once on the test split."""
    from steel_defects.evaluation.gate_evidence import operating_point_of

    stamp = common_stamp(
        sheet_scores=sheet_scores, calibration=calibration if len(sheet_scores) else {}
    )
    point = operating_point_of(sheet_scores, operating_point, splits)
    if len(sheet_scores) and not point.defective_sheets:
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

    names = [
        key.removesuffix("_scores")
        for key, table in tables.items()
        if key.endswith("_scores") and len(table)
    ]
    return classification_comparison(
        {name: tables[f"{name}_scores"] for name in names},
        {name: tables[f"{name}_profile"] | tables[f"{name}_speed"] for name in names},
        splits,
        annotations,
    )


def select_gate(gate: str, sheets: pd.DataFrame, splits: pd.DataFrame, **tables: Any) -> Json:
    """Choose the backbone of the cascade by its ROC-AUC on validation."""
    reason = nothing_to_classify(sheets)
    if reason:
        logger.warning("%s; the cascade has no gate", reason)
        return {"name": None, "reason": reason, "candidates": {}}
    from steel_defects.evaluation.classifier_comparison import select_gate as select

    names = [key.removesuffix("_scores") for key in tables if key.endswith("_scores")]
    if gate not in {"best", "none", *names}:
        raise SteelDefectsError(f"gate is {gate!r}; it takes best, none, {', '.join(names)}")
    return select(
        gate,
        {name: tables[f"{name}_scores"] for name in names},
        {name: tables[f"{name}_profile"]["parameters"] for name in names},
        splits,
    )
