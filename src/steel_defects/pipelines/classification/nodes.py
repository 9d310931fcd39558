"""Nodes that train, score and compare the classifiers."""

from pathlib import Path
from typing import Any

import pandas as pd

from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.operating_point import OperatingPointConfig
from steel_defects.sheets.folder import SheetFolder
from steel_defects.training.config import (
    BackboneTraining,
    ClassificationConfig,
    CrossValidationConfig,
)

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
    from steel_defects.training import classification as domain

    _need_both_kinds(sheets, splits)
    data = domain.labelled_sheets(raw_sheets, sheets, annotations)
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
    from steel_defects.training.classification import measure_speed, predict_scores

    scores = predict_scores(classifier, raw_sheets, sheets["path"].tolist())
    table = sheets[["sheet_id", "has_defect"]].assign(output=scores)
    return (
        splits[["sheet_id", "split"]].merge(table, on="sheet_id"),
        {"ms_per_sheet": round(measure_speed(classifier), 2)},
    )


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
    from steel_defects.training.classification import labelled_sheets
    from steel_defects.training.cross_validation import OUT_OF_FOLD_TYPES, out_of_fold_scores

    if training.backbone.name not in cross_validation.models:
        return pd.DataFrame(columns=list(OUT_OF_FOLD_TYPES)).astype(OUT_OF_FOLD_TYPES)
    folder = checkpoints / "cross_validation" / training.backbone.name
    return out_of_fold_scores(
        labelled_sheets(raw_sheets, sheets, annotations), splits, classification, training,
        cross_validation, str(pretrained_weights), folder,
    )  # fmt: skip


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
    return table[columns].astype({"has_defect": "bool"}), {"temperature": temperature}


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

    names = [key.removesuffix("_scores") for key in tables if key.endswith("_scores")]
    return classification_comparison(
        {name: tables[f"{name}_scores"] for name in names},
        {name: tables[f"{name}_profile"] | tables[f"{name}_speed"] for name in names},
    )


def select_gate(gate: str, **tables: Any) -> Json:
    """Choose the backbone of the cascade by its ROC-AUC on validation."""
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
