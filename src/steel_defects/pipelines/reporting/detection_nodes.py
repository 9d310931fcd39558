"""Nodes that measure what is found: by size and class of the defect, and on worse pictures."""

from typing import Any

import numpy as np
import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.datasets.trained_models import TrainedGate, TrainedSegmenter
from steel_defects.images.folder import SheetFolder
from steel_defects.models.trained import common_stamp, stamp_of
from steel_defects.prediction.inference import SegmenterPredictionConfig
from steel_defects.reporting.config import ReportingConfig
from steel_defects.tables.declared import EVALUATED_PAIRS, ROBUSTNESS

Json = dict[str, Any]


def measure_detection(
    sheets: pd.DataFrame, annotations: pd.DataFrame, chosen_segmenter: TrainedSegmenter
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare the chosen segmenter's masks with the truth, by sheet and class and by defect.

    Of a cross-validation the first repeat counts, in which each sheet occurs once; without one the
    test sheets do.
    """
    from steel_defects.evaluation.detection_by_size import defect_targets
    from steel_defects.evaluation.segmentation import pair_table

    predictions = chosen_segmenter.predictions
    first = predictions["repeat"].eq(0).fillna(False)
    test = predictions["repeat"].isna() & (predictions["split"] == "test")
    pairs = [
        pair_table(predictions[rows], annotations, sheets).assign(evaluation=evaluation)
        for rows, evaluation in ((test, "test"), (first, "out_of_fold"))
        if evaluation == "test" or first.any()
    ]
    broadest = predictions[first if first.any() else test]
    return (
        EVALUATED_PAIRS.typed(pd.concat(pairs, ignore_index=True)),
        defect_targets(broadest, annotations, sheets),
    )


def draw_detection(
    evaluated_pairs: pd.DataFrame,
    defect_targets: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> tuple[Json, Any, Any]:
    """Fit the probability of detection, and draw it beside the spread of Dice."""
    from steel_defects.evaluation.detection_by_size import detection_curve
    from steel_defects.reporting.figures.detection_figures import (
        detection_figure,
        dice_spread_figure,
    )

    kind = "out_of_fold" if "out_of_fold" in set(evaluated_pairs["evaluation"]) else "test"
    pairs = evaluated_pairs[evaluated_pairs["evaluation"] == kind]
    parts = {"All classes": defect_targets} | {
        f"{number} {name}": defect_targets[defect_targets["class_id"] == number]
        for number, name in enumerate(data_engineering.class_names, start=1)
    }
    curves = {
        name: detection_curve(part["size_px"].to_numpy(float), part["found"].to_numpy(bool))
        for name, part in parts.items()
    }
    return (
        {
            "evaluation": kind,
            "sheets": int(pairs["sheet_id"].nunique()),
            "curves": {name: curve.model_dump() for name, curve in curves.items()},
        },
        detection_figure(defect_targets, curves["All classes"]),
        dice_spread_figure(pairs, data_engineering.class_names),
    )


def measure_robustness(
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    chosen_segmenter: TrainedSegmenter,
    segmenter_prediction: SegmenterPredictionConfig,
    reporting: ReportingConfig,
    chosen_gate: TrainedGate | None = None,
) -> pd.DataFrame:
    """Let the chosen models judge some test sheets at every level of every corruption."""
    from steel_defects.evaluation.robustness import choose_for_robustness

    test = sheets.merge(splits.loc[splits["split"] == "test", ["sheet_id"]], on="sheet_id")
    chosen = choose_for_robustness(test, reporting.robustness_sheets, reporting.seed)
    if not len(chosen):
        return ROBUSTNESS.empty()
    from .worse_pictures import Judges, robustness_table

    postprocessing, networks = (
        chosen_segmenter.postprocessing,
        {"segmenter": chosen_segmenter.segmenter},
    )
    point = chosen_gate.operating_point if chosen_gate else None
    if chosen_gate:
        networks["gate"] = chosen_gate.classifier
    common_stamp(trained_networks=stamp_of(**networks), point=point, postprocessing=postprocessing)
    judges = Judges(
        gate=networks.get("gate"),
        segmenter=networks["segmenter"],
        point=point,
        settings=postprocessing.classes,
        tta=segmenter_prediction.tta,
    )
    return robustness_table(judges, raw_sheets, chosen, annotations, reporting.seed)


def draw_robustness(robustness: pd.DataFrame) -> Any:
    """Draw accuracy and Dice at each level of each corruption."""
    from steel_defects.reporting.figures.detection_figures import robustness_figure

    return robustness_figure(robustness)


def counted_outcomes(pairs: pd.DataFrame) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    """Count test sheets by outcome, and list the classes that each has or was given.

    Args:
        pairs: ``evaluation, sheet_id, class_id, dice, true_px, predicted_px``.
    """
    from steel_defects.reporting.gallery import OUTCOMES, sheet_outcomes

    test = pairs[pairs["evaluation"] == "test"]
    counts = sheet_outcomes(test)["outcome"].value_counts()
    concerned = test[np.maximum(test["true_px"], test["predicted_px"]) > 0]
    classes = concerned.groupby("sheet_id")["class_id"].apply(lambda ids: tuple(sorted(ids)))
    return (
        {name: int(counts[name]) for name in OUTCOMES if name in counts},
        {str(sheet_id): tuple(map(int, ids)) for sheet_id, ids in classes.items()},
    )
