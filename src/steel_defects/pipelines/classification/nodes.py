"""Nodes that train, score and compare the classifiers."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.operating_point import OperatingPointConfig
from steel_defects.models.absent import NoModel
from steel_defects.sheets.folder import SheetFolder
from steel_defects.training.config import (
    BackboneTraining,
    ClassificationConfig,
    CrossValidationConfig,
)

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
    reason = _nothing_to_classify(sheets)
    if reason:
        history = pd.DataFrame({"epoch": pd.Series(dtype=int), "loss": pd.Series(dtype=float)})
        return NoModel(reason), history, {"backbone": training.backbone.name, "parameters": 0}
    from steel_defects.sheets.gray_cache import reader_of
    from steel_defects.training import classification as domain
    from steel_defects.training.labelled_sheets import labelled_sheets

    _need_both_kinds(sheets, splits)
    cache_dir = checkpoints.parent / "gray_sheets" if classification.cache else None
    data = labelled_sheets(reader_of(raw_sheets, sheets, cache_dir), sheets, annotations)
    part = splits.groupby("split")["sheet_id"].apply(list)
    fitted = domain.train_classifier(
        data, part["train"], part["validation"], classification, training,
        str(pretrained_weights), checkpoints / "classification",
    )  # fmt: skip
    profile = {
        "backbone": training.backbone.name,
        "weights": training.backbone.weights,
        "input_height": fitted.model.input_shape[1],
        "input_width": fitted.model.input_shape[2],
        "parameters": fitted.model.count_params(),
        "epochs": len(fitted.history),
        "training_seconds": round(fitted.seconds, 1),
    }
    return fitted.model, fitted.history, profile


def _nothing_to_classify(sheets: pd.DataFrame) -> str:
    """Say why no gate can be trained on a data set; empty where one can."""
    if sheets["has_defect"].all():
        return "every sheet has a defect, so that there is nothing to classify"
    if not sheets["has_defect"].any():
        return "no sheet has a defect, so that there is nothing to classify"
    return ""


def _need_both_kinds(sheets: pd.DataFrame, splits: pd.DataFrame) -> None:
    joined = splits.merge(sheets[["sheet_id", "has_defect"]], on="sheet_id")
    kinds = joined.groupby("split")["has_defect"].nunique()
    for split in ("train", "validation"):
        if kinds.get(split, 0) < 2:
            raise SteelDefectsError(
                f"the {split} split lacks clean or defective sheets, so that there is nothing to "
                "classify; add sheets, or change data_engineering.shares"
            )


def score_sheets(
    classifier: Any, raw_sheets: SheetFolder, sheets: pd.DataFrame, splits: pd.DataFrame
) -> tuple[pd.DataFrame, Json]:
    """Let a classifier score every sheet, and time it."""
    if isinstance(classifier, NoModel):
        return pd.DataFrame(columns=list(_OUTPUT_TYPES)).astype(_OUTPUT_TYPES), {}
    from steel_defects.training.classification import measure_speed, predict_scores

    scores = predict_scores(classifier, raw_sheets, sheets["path"].tolist())
    table = sheets[["sheet_id", "has_defect"]].assign(output=scores)
    return (
        splits[["sheet_id", "split"]].merge(table, on="sheet_id"),
        {"ms_per_sheet": round(measure_speed(classifier), 2)},
    )


_OUTPUT_TYPES = {"sheet_id": "str", "split": "str", "has_defect": "bool", "output": "float64"}


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
    from steel_defects.sheets.gray_cache import reader_of
    from steel_defects.training.cross_validation import OUT_OF_FOLD_TYPES, out_of_fold_scores
    from steel_defects.training.labelled_sheets import labelled_sheets

    if training.backbone.name not in cross_validation.models or _nothing_to_classify(sheets):
        return pd.DataFrame(columns=list(OUT_OF_FOLD_TYPES)).astype(OUT_OF_FOLD_TYPES)
    folder = checkpoints / "cross_validation" / training.backbone.name
    cache_dir = checkpoints.parent / "gray_sheets" if classification.cache else None
    data = labelled_sheets(reader_of(raw_sheets, sheets, cache_dir), sheets, annotations)
    return out_of_fold_scores(
        data, splits, classification, training, cross_validation, str(pretrained_weights), folder
    )


def calibrate(
    outputs: pd.DataFrame, out_of_fold: pd.DataFrame, sheets: pd.DataFrame, splits: pd.DataFrame
) -> tuple[pd.DataFrame, Json]:
    """Turn outputs into probabilities with a temperature fitted on the validation split."""
    from steel_defects.evaluation.calibration import fit_temperature, scale_scores

    tuning = outputs[outputs["split"] == "validation"]
    temperature = fit_temperature(
        tuning["has_defect"].to_numpy(bool), tuning["output"].to_numpy(float)
    )
    held_out = outputs.assign(
        score=scale_scores(outputs["output"].to_numpy(float), temperature), repeat=None, fold=None
    )
    facts = sheets[["sheet_id", "has_defect"]].merge(splits[["sheet_id", "split"]], on="sheet_id")
    table = pd.concat(
        [held_out.astype(_NULLABLE), out_of_fold.merge(facts, on="sheet_id").astype(_NULLABLE)],
        ignore_index=True,
    )
    columns = ["sheet_id", "split", "repeat", "fold", "has_defect", "score"]
    return table[columns].astype({"has_defect": "bool", "score": "float64"}), {
        "temperature": temperature
    }


_NULLABLE = {"repeat": "Int64", "fold": "Int64"}


def choose_operating_point(
    sheet_scores: pd.DataFrame, calibration: Json, operating_point: OperatingPointConfig
) -> Json:
    """Choose the gate's thresholds on the calibration split."""
    from steel_defects.evaluation.operating_point import choose_operating_point as choose

    rows = sheet_scores[sheet_scores["repeat"].isna() & (sheet_scores["split"] == "calibration")]
    point = choose(
        rows["has_defect"].to_numpy(bool), rows["score"].to_numpy(float), operating_point
    )
    return point.model_dump() | calibration


def compare_classifiers(**tables: Any) -> pd.DataFrame:
    """Set backbones side by side; inputs are ``{backbone}_scores``, ``_profile``, ``_speed``."""
    from steel_defects.evaluation.comparison import classification_comparison

    names = [
        key.removesuffix("_scores")
        for key, table in tables.items()
        if key.endswith("_scores") and len(table)
    ]
    return classification_comparison(
        {name: tables[f"{name}_scores"] for name in names},
        {name: tables[f"{name}_profile"] | tables[f"{name}_speed"] for name in names},
    )


def select_gate(gate: str, sheets: pd.DataFrame, **tables: Any) -> Json:
    """Choose the backbone of the cascade by its ROC-AUC on validation."""
    reason = _nothing_to_classify(sheets)
    if reason:
        logger.warning("%s; the cascade has no gate", reason)
        return {"name": None, "reason": reason, "candidates": {}}
    from steel_defects.evaluation.classification import classification_metrics
    from steel_defects.evaluation.comparison import select

    quality, parameters = {}, {}
    for name in (key.removesuffix("_scores") for key in tables if key.endswith("_scores")):
        scores = tables[f"{name}_scores"]
        rows = scores[scores["repeat"].isna() & (scores["split"] == "validation")]
        quality[name] = classification_metrics(
            rows["has_defect"].to_numpy(bool), rows["score"].to_numpy(float)
        )["roc_auc"]
        parameters[name] = tables[f"{name}_profile"]["parameters"]
    if gate not in {"best", "none", *quality}:
        raise SteelDefectsError(f"gate is {gate!r}; it takes best, none, {', '.join(quality)}")
    return select(gate, quality, parameters, "ROC-AUC")
