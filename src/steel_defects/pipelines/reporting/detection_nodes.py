"""Nodes that measure what is found: by size and class of the defect, and on worse pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.decision.postprocessing import settings_of
from steel_defects.images.folder import SheetFolder
from steel_defects.models.identity import common_stamp, stamp_of
from steel_defects.prediction.inference import SegmenterPredictionConfig
from steel_defects.reporting.config import ReportingConfig

Json = dict[str, Any]


def measure_detection(
    sheets: pd.DataFrame, annotations: pd.DataFrame, segmenter_selection: Json, **tables: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare the chosen segmenter's masks with the truth, by sheet and class and by defect.

    Of a cross-validation the first repeat counts, in which each sheet occurs once; without one the
    test sheets do.
    """
    from steel_defects.evaluation.detection_by_size import defect_targets
    from steel_defects.evaluation.segmentation import pair_table

    predictions = tables[f"{segmenter_selection['name']}_predictions"]
    first = predictions["repeat"].eq(0).fillna(False)
    test = predictions["repeat"].isna() & (predictions["split"] == "test")
    pairs = [
        pair_table(predictions[rows], annotations, sheets).assign(evaluation=evaluation)
        for rows, evaluation in ((test, "test"), (first, "out_of_fold"))
        if evaluation == "test" or first.any()
    ]
    broadest = predictions[first if first.any() else test]
    return (
        pd.concat(pairs, ignore_index=True).astype(_PAIR_TYPES),
        defect_targets(broadest, annotations, sheets),
    )


# Named, so that a table without rows has them, too.
_PAIR_TYPES = {"sheet_id": "str"}
_PAIR_TYPES |= dict.fromkeys(("class_id", "true_px", "predicted_px"), "int64")
_PAIR_TYPES |= dict.fromkeys(("dice", "iou", "boundary_iou", "boundary_f1"), "float64")


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
    trained_models: Path,
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    segmenter_selection: Json,
    segmenter_prediction: SegmenterPredictionConfig,
    reporting: ReportingConfig,
    gate_selection: Json | None = None,
    **parts: Any,
) -> pd.DataFrame:
    """Let the chosen models judge some test sheets at every level of every corruption."""
    from steel_defects.evaluation.robustness import COLUMNS, choose_for_robustness

    test = sheets.merge(splits.loc[splits["split"] == "test", ["sheet_id"]], on="sheet_id")
    chosen = choose_for_robustness(test, reporting.robustness_sheets, reporting.seed)
    if not len(chosen):
        return pd.DataFrame(columns=list(COLUMNS)).astype(
            {name: "str" if name == "corruption" else "float64" for name in COLUMNS}
        )
    from .worse_pictures import Judges, robustness_table

    gate, segmenter = (gate_selection or {}).get("name"), segmenter_selection["name"]
    point, postprocessing = parts.get(f"{gate}_point", {}), parts[f"{segmenter}_postprocessing"]
    networks = {"segmenter": _newest_model(trained_models, f"{segmenter}.segmenter")}
    if gate:
        networks["gate"] = _newest_model(trained_models, f"{gate}.classifier")
    common_stamp(trained_networks=stamp_of(**networks), point=point, postprocessing=postprocessing)
    judges = Judges(
        gate=networks.get("gate"),
        segmenter=networks["segmenter"],
        point=point,
        settings=settings_of(postprocessing),
        tta=segmenter_prediction.tta,
    )
    return robustness_table(judges, raw_sheets, chosen, annotations, reporting.seed)


def _newest_model(folder: Path, name: str) -> Any:
    """Load the last version of a model; the run's own is the last."""
    from steel_defects.models.files import load_model

    return load_model(max(folder.glob(f"{name}.keras/*/{name}.keras")))


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
