"""Nodes that compare the segmenters, choose one and package it with the gate."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.decision.fusion import StackedScore, Stacking, cleared_sheets
from steel_defects.decision.operating_point import OperatingPointConfig
from steel_defects.images.folder import SheetFolder
from steel_defects.models.identity import common_stamp, stamp_of
from steel_defects.prediction.inference import SegmenterPredictionConfig
from steel_defects.tables.declared import GATE_SCORES

from .nodes import TUNING_SPLITS, of_splits, together_with_gate

Json = dict[str, Any]


def score_by_gate(gate_selection: Json, **tables: Any) -> pd.DataFrame:
    """Return the chosen gate's score of each sheet, and whether it lets the sheet pass.

    Without a gate there are no rows.

    Raises:
        SteelDefectsError: The scores or the thresholds belong to other weights.
    """
    name = gate_selection["name"]
    if name is None:
        return GATE_SCORES.empty()
    parts = {f"{name}_{part}": tables[f"{name}_{part}"] for part in ("profile", "scores", "point")}
    stamp = common_stamp(**parts)
    scores = parts[f"{name}_scores"]
    cleared = scores["score"] < parts[f"{name}_point"]["lower_threshold"]
    table = GATE_SCORES.typed(scores.assign(cleared=cleared))
    table.attrs.update(stamp)
    return table


def compare_segmenters(
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
    operating_point: OperatingPointConfig,
    gate_scores: pd.DataFrame | None = None,
    **tables: Any,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Set architectures side by side, alone and behind the gate: on test and out of fold."""
    from steel_defects.evaluation.segmenter_comparison import out_of_fold_row, segmentation_rows

    rows, classes = [], []
    for name in _trained(tables, "_predictions"):
        predictions, profile = tables[f"{name}_predictions"], tables[f"{name}_profile"]
        cleared: dict[int, set[str]] = {}
        if gate_scores is not None:
            evidence = together_with_gate(predictions, gate_scores, sheets)
            stacked = Stacking.model_validate(tables[f"{name}_stacking"]).stacked
            cleared = _cleared_sheets(evidence, stacked, operating_point)
        held_out = predictions["repeat"].isna()
        test = predictions[held_out & (predictions["split"] == "test")]
        row, per_class = segmentation_rows(test, annotations, sheets, cleared.get(-1, set()))
        rows.append({"architecture": name, "evaluation": "test"} | row | profile)
        if not held_out.all():
            # Without a gate nothing is cleared; with one, only in repeats in which it was trained.
            known = cleared or {int(r): set() for r in predictions["repeat"].dropna().unique()}
            row = out_of_fold_row(predictions[~held_out], annotations, sheets, known)
            rows.append({"architecture": name, "evaluation": "out_of_fold"} | row | profile)
        names = dict(enumerate(data_engineering.class_names, start=1))
        per_class.insert(0, "architecture", name)
        per_class.insert(2, "class_name", per_class["class_id"].map(names))
        classes.append(per_class)
    return pd.DataFrame(rows), pd.concat(classes, ignore_index=True)


def _trained(tables: Mapping[str, Any], ending: str) -> list[str]:
    """Return the architectures that were trained."""
    return [key.removesuffix(ending) for key in tables if key.endswith(ending)]


def _cleared_sheets(
    evidence: pd.DataFrame, stacked: StackedScore | None, config: OperatingPointConfig
) -> dict[int, set[str]]:
    """Return the sheets that the cascade lets pass, by repeat; -1 is the final models'."""
    passed = evidence.assign(cleared=cleared_sheets(evidence, stacked, config))
    repeats = passed["repeat"].fillna(-1).astype(int)
    return {
        int(repeat): set(part.loc[part["cleared"], "sheet_id"])
        for repeat, part in passed.groupby(repeats)
    }


def select_segmenter(segmenter: str, **tables: Any) -> Json:
    """Choose the architecture of the cascade by its mean Dice on validation."""
    from steel_defects.evaluation.selection import select

    names = _trained(tables, "_postprocessing")
    settings = {name: tables[f"{name}_postprocessing"].items() for name in names}
    quality = {
        name: float(np.mean([v["validation_dice"] for key, v in of_class if key.isdigit()]))
        for name, of_class in settings.items()
    }
    parameters = {name: tables[f"{name}_profile"]["parameters"] for name in names}
    chosen = select(segmenter, quality, parameters, "mean Dice")
    if segmenter == "best" and len(names) == 1:
        chosen["reason"] = f"no other was trained; {chosen['reason']}"
    return chosen


def build_package(
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    splits: pd.DataFrame,
    segmenter_selection: Json,
    segmentation_comparison: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
    segmenter_prediction: SegmenterPredictionConfig,
    mm_per_px: float | None,
    gate_selection: Json | None = None,
    **parts: Any,
) -> Any:
    """Put the chosen gate and segmenter into one package with all that using them takes.

    Raises:
        SteelDefectsError: Scores, thresholds or settings belong to other weights.
    """
    from steel_defects.datasets.model_package import PackageContents
    from steel_defects.models.segmenters import required_stride
    from steel_defects.package.build import build_manifest

    gate, segmenter = (gate_selection or {}).get("name"), segmenter_selection["name"]
    names = [f"{segmenter}_postprocessing"]
    networks = {"segmenter": parts[f"{segmenter}_segmenter"]}
    if gate:
        names += [f"{segmenter}_stacking", f"{gate}_scores", f"{gate}_point"]
        networks["gate"] = parts[f"{gate}_classifier"]
    common_stamp(trained_networks=stamp_of(**networks), **{name: parts[name] for name in names})
    reference = of_splits(sheets, splits, TUNING_SPLITS)
    manifest = build_manifest(
        gate_name=gate,
        gate_input_size=networks["gate"].input_shape[1:3] if gate else None,
        operating_point=parts[f"{gate}_point"] if gate else None,
        gate_scores=parts[f"{gate}_scores"] if gate else None,
        segmenter_name=segmenter,
        postprocessing=parts[f"{segmenter}_postprocessing"],
        class_names=data_engineering.class_names,
        mm_per_px=mm_per_px,
        comparison=segmentation_comparison,
        pictures=(raw_sheets.read(path) for path in reference["path"]),
        fingerprint_of=sheets["sha256"].tolist(),
        tta=segmenter_prediction.tta,
        stacked=Stacking.model_validate(parts[f"{segmenter}_stacking"]).stacked if gate else None,
        stride=required_stride(networks["segmenter"]),
    )
    writers = {manifest.segmenter.file: networks["segmenter"].save}
    if manifest.gate:
        writers[manifest.gate.file] = networks["gate"].save
    return PackageContents(manifest, writers)
