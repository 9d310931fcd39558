"""Nodes that compare the segmenters, choose one and package it with the gate."""

import logging
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.data.segmenter_only import divided
from steel_defects.datasets.models import PackageContents
from steel_defects.datasets.trained_models import TrainedGate, TrainedModels, TrainedSegmenter
from steel_defects.decision.fusion import StackedScore, cleared_sheets
from steel_defects.decision.operating_point import OperatingPointConfig
from steel_defects.decision.postprocessing import PostprocessingGrid
from steel_defects.decision.recall_table import RecallTable, recall_table
from steel_defects.images.folder import SheetFolder
from steel_defects.models.trained import (
    ModelReference,
    ModelSelection,
    TrainedModel,
    common_stamp,
    learned_from,
    made_from,
    network_digest,
    stamp_of,
)
from steel_defects.package.build import (
    gate_spec,
    learned_pictures,
    library_versions,
    package_metrics,
    reference_quantiles,
)
from steel_defects.package.folder import LEARNED_SHEETS, write_text
from steel_defects.package.learned import learned_sheets
from steel_defects.package.manifest import Manifest, SegmenterSpec
from steel_defects.prediction.inference import SegmenterPredictionConfig
from steel_defects.tables.declared import GATE_SCORES

from .nodes import TUNING_SPLITS, asked_of_segmenters, join_gate_scores, of_splits

logger = logging.getLogger(__name__)


def score_by_gate(chosen_gate: TrainedGate | None) -> pd.DataFrame:
    """Return the chosen gate's score of each sheet, and whether it clears the sheet.

    Without a gate there are no rows.

    Raises:
        SteelDefectsError: The scores or the thresholds belong to other weights.
    """
    if chosen_gate is None:
        return GATE_SCORES.empty()
    scores, point = chosen_gate.scores, chosen_gate.operating_point
    stamp = common_stamp(profile=chosen_gate.profile, scores=scores, operating_point=point)
    table = GATE_SCORES.typed(scores.assign(cleared=point.clears(scores["score"])))
    table.attrs.update(stamp)
    return table


def select_segmenter(
    segmenter: str,
    trained_models: TrainedModels,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
    segmenter_prediction: SegmenterPredictionConfig,
    postprocessing: PostprocessingGrid,
    gate_scores: pd.DataFrame | None = None,
    **_trained_now: TrainedModel,
) -> tuple[ModelSelection, ModelReference]:
    """Choose the architecture of the cascade by its mean Dice on validation.

    The segmenters of this run are inputs so that they come first; those of earlier runs take part
    if they were made from the same data, behind the same gate.
    """
    from steel_defects.evaluation.selection import select

    asked = asked_of_segmenters(data_engineering, segmenter_prediction, postprocessing)
    now = made_from(sheets, annotations, splits, asked, gate_scores)
    segmenters = trained_models.newest(TrainedSegmenter)
    versions = {one.name: one.version for one in segmenters}
    records = [one.record for one in segmenters]
    selection = select("segmenter", segmenter, records, versions, now)
    if segmenter == "best" and len(selection.candidates) == 1:
        reason = f"no other was trained; {selection.reason}"
        selection = selection.model_copy(update={"reason": reason})
    return selection, selection.chosen


def compare_segmenters(
    segmenter_selection: ModelSelection,
    trained_models: TrainedModels,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
    operating_point: OperatingPointConfig,
    gate_scores: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Set architectures side by side, alone and behind the gate: on test and out of fold."""
    from steel_defects.evaluation.model_comparison import out_of_fold_row, segmentation_rows

    rows, classes = [], []
    for segmenter in trained_models.compared(TrainedSegmenter, segmenter_selection):
        name, predictions = segmenter.name, segmenter.predictions
        profile = segmenter.profile.model_dump()
        cleared: dict[int, set[str]] = {}
        if gate_scores is not None:
            evidence = join_gate_scores(predictions, gate_scores, sheets)
            cleared = _cleared_sheets(evidence, segmenter.stacking.stacked, operating_point)
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


def build_package(
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    splits: pd.DataFrame,
    sheet_inventory: pd.DataFrame,
    chosen_segmenter: TrainedSegmenter,
    segmentation_comparison: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
    segmenter_prediction: SegmenterPredictionConfig,
    operating_point: OperatingPointConfig,
    mm_per_px: float | None,
    chosen_gate: TrainedGate | None = None,
) -> PackageContents:
    """Put the chosen gate and segmenter into one package with all that using them takes.

    Raises:
        SteelDefectsError: Scores, thresholds or settings belong to other weights.
    """
    segmenter, postprocessing = chosen_segmenter.segmenter, chosen_segmenter.postprocessing
    networks: dict[str, Any] = {"segmenter": segmenter}
    gate = point = scores = stacking = None
    if chosen_gate:
        networks["gate"], stacking = chosen_gate.classifier, chosen_segmenter.stacking
        point, scores = chosen_gate.operating_point, chosen_gate.scores
        gate = gate_spec(chosen_gate.name, networks["gate"].input_shape[1:3], point)
    common_stamp(
        trained_networks=stamp_of(**networks), postprocessing=postprocessing, stacking=stacking,
        scores=scores, operating_point=point,
    )  # fmt: skip
    joint = stacking.operating_point if stacking else None
    seen = sheet_inventory.merge(of_splits(sheets, splits, ("train",))[["sheet_id"]])
    pictures = map(raw_sheets.read, of_splits(sheets, splits, TUNING_SPLITS)["path"])
    manifest = Manifest(
        class_names=data_engineering.class_names,
        gate=gate,
        segmenter=_segmenter_spec(chosen_segmenter, segmenter, segmenter_prediction),
        stacked=stacking.stacked if stacking else None,
        mm_per_px=mm_per_px,
        recalls=_recalls(chosen_gate, chosen_segmenter, sheets, operating_point),
        networks={name: network_digest(model) for name, model in networks.items()},
        metrics=package_metrics(segmentation_comparison, chosen_segmenter.name, point, joint),
        learned=learned_pictures(seen),
        reference=reference_quantiles(pictures, scores),
        versions=library_versions(),
        data_fingerprint=sha256("".join(sorted(sheets["sha256"])).encode()).hexdigest(),
    )
    gate_writer = {gate.file: networks["gate"].save} if gate else {}
    writers = {manifest.segmenter.file: segmenter.save} | gate_writer
    learned = _learned_writer(chosen_segmenter, chosen_gate, sheets, splits)
    return PackageContents(manifest, writers | learned)


def _learned_writer(
    segmenter: TrainedSegmenter,
    gate: TrainedGate | None,
    sheets: pd.DataFrame,
    splits: pd.DataFrame,
) -> dict[str, Callable[[Path], None]]:
    """Return what writes the list of learned sheets, if all models are of these sheets."""
    own = [divided(table, splits) for table in (sheets, splits)]
    known = learned_from([segmenter.record], sheets, splits)
    if known and (gate is None or learned_from([gate.record], *own)):
        return {LEARNED_SHEETS: partial(write_text, learned_sheets(sheets, splits))}
    logger.warning(
        "the package does not say which sheets it learned from, so that it cannot be compared "
        "with another: a network of it was made from other sheets or splits, or by an earlier "
        "release"
    )
    return {}


def _segmenter_spec(
    chosen: TrainedSegmenter, network: Any, config: SegmenterPredictionConfig
) -> SegmenterSpec:
    from steel_defects.models.segmenters import required_stride

    return SegmenterSpec(
        name=chosen.name,
        file="segmenter.keras",
        postprocessing=chosen.postprocessing.classes,
        tta=config.tta,
        stride=required_stride(network),
    )


def _recalls(
    gate: TrainedGate | None,
    segmenter: TrainedSegmenter,
    sheets: pd.DataFrame,
    config: OperatingPointConfig,
) -> RecallTable | None:
    """Find the thresholds for other recalls than the one that was asked for."""
    if gate is None:
        return None
    scores, stacked, evidence = gate.scores, segmenter.stacking.stacked, None
    if stacked:
        columns = ["sheet_id", "repeat", "score"]
        evidence = join_gate_scores(segmenter.predictions, scores[columns], sheets)
        evidence = evidence[evidence["split"] != "test"]
    return recall_table(scores, sheets, config, stacked, evidence)
