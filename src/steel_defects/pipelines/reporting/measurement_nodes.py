"""Nodes that measure the chosen models: where the gate looks and errs, and what is found."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.datasets.trained_models import TrainedGate, TrainedSegmenter
from steel_defects.decision.score_tables import hold_out
from steel_defects.evaluation.attention import attention_table, spread_heat
from steel_defects.evaluation.class_confusion import class_confusion
from steel_defects.evaluation.detection_by_size import (
    DetectionBySize,
    defect_targets,
    detection_curve,
)
from steel_defects.evaluation.robustness import Judges, choose_for_robustness, robustness_table
from steel_defects.evaluation.segmentation import pair_table
from steel_defects.images.folder import SheetFolder
from steel_defects.labels import rle as run_length
from steel_defects.models.trained import common_stamp, stamp_of
from steel_defects.pipelines.segmentation.nodes import UNSEEN_SPLITS, of_splits
from steel_defects.prediction.inference import SegmenterPredictionConfig
from steel_defects.reporting.config import ReportingConfig
from steel_defects.tables.declared import (
    CLASS_CONFUSION,
    CONFIDENT_MISTAKES,
    EVALUATED_PAIRS,
    GRAD_CAM_CHECK,
    HEAT_MAPS,
    ROBUSTNESS,
)

_NO_GATE = "There is no gate."
_EXPLAINED = 3  # most hits, misses and false alarms of the gate, of each
_MISTAKES = 20  # sheets that the gate is most confidently wrong about, at most


# --- the gate -------------------------------------------------------------------------------


def explain_gate(
    chosen_gate: TrainedGate | None,
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    splits: pd.DataFrame,
) -> pd.DataFrame:
    """See where the gate looks on sheets that it had not seen."""
    from steel_defects.prediction.sheet_scores import heat_map_table

    if chosen_gate is None:
        return HEAT_MAPS.empty()
    unseen = of_splits(sheets, splits, UNSEEN_SPLITS)
    return heat_map_table(chosen_gate.classifier, raw_sheets, unseen)


def check_grad_cam(
    chosen_gate: TrainedGate | None,
    heat_maps: pd.DataFrame,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
) -> pd.DataFrame:
    """Measure how much of the gate's heat lies on the defects, on sheets that it had not seen."""
    if chosen_gate is None:
        return GRAD_CAM_CHECK.empty()
    explained = _explained(chosen_gate, heat_maps)
    defective = explained[explained["has_defect"]].merge(
        sheets[["sheet_id", "height", "width"]], on="sheet_id"
    )
    masks = _Masks(annotations)
    return attention_table(
        (row.sheet_id, row.outcome, _heat(row), masks.of(row.sheet_id, (row.height, row.width)))
        for row in defective.itertuples()
    )


def _explained(gate: TrainedGate, heat_maps: pd.DataFrame) -> pd.DataFrame:
    """Join the gate's maps, scores and decisions."""
    from steel_defects.reporting.gate_pictures import gate_outcomes

    scores = gate.scores
    held_out = scores.loc[scores["repeat"].isna(), ["sheet_id", "has_defect", "score"]]
    table = heat_maps.merge(held_out, on="sheet_id")
    cleared = gate.operating_point.clears(table["score"])
    return table.assign(outcome=gate_outcomes(table["has_defect"], cleared))


def _heat(row: Any) -> np.ndarray:
    return np.asarray(row.heat, np.float32).reshape(row.rows, row.columns)


class _Masks:
    """Masks of all defects of a sheet, whatever their class."""

    def __init__(self, annotations: pd.DataFrame) -> None:
        self._encoded = annotations.groupby("sheet_id")["rle"].apply(list).to_dict()

    def of(self, sheet_id: str, shape: tuple[int, int]) -> np.ndarray:
        mask = np.zeros(shape, np.uint8)
        for rle in self._encoded.get(sheet_id, []):
            mask |= run_length.decode(rle, *shape)
        return mask


def draw_grad_cam(
    chosen_gate: TrainedGate | None,
    heat_maps: pd.DataFrame,
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    reporting: ReportingConfig,
) -> Any:
    """Lay the gate's heat over some hits, misses and false alarms."""
    from steel_defects.drawing.style import nothing_to_show
    from steel_defects.reporting import gate_pictures

    if chosen_gate is None:
        return nothing_to_show(_NO_GATE)
    explained = _explained(chosen_gate, heat_maps)
    chosen = gate_pictures.choose_explained(explained, _EXPLAINED, reporting.seed)
    masks, pictures, captions = _Masks(annotations), [], []
    for row in chosen.merge(sheets[["sheet_id", "path"]], on="sheet_id").itertuples():
        image = raw_sheets.read(row.path)
        heat = spread_heat(_heat(row), image.shape)
        hot = gate_pictures.heat_over_sheet(image, heat)
        pictures.append(gate_pictures.outlined(hot, masks.of(row.sheet_id, image.shape)))
        cold = "" if heat.any() else " (no heat: no place speaks for a defect)"
        captions.append(f"{row.outcome}, score {row.score:.3f}: {row.sheet_id}{cold}")
    threshold = chosen_gate.operating_point.thresholds.lower
    return gate_pictures.grad_cam_figure(pictures, captions, threshold)


def list_mistakes(chosen_gate: TrainedGate | None) -> pd.DataFrame:
    """List the sheets that the chosen gate is most confidently wrong about."""
    from steel_defects.reporting.gate_pictures import confident_mistakes

    if chosen_gate is None:
        return CONFIDENT_MISTAKES.empty()
    return confident_mistakes(chosen_gate.scores, _MISTAKES)


def draw_mistakes(
    confident_mistakes: pd.DataFrame,
    chosen_gate: TrainedGate | None,
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
) -> Any:
    """Draw a contact sheet of them, with the outlines that people have drawn."""
    from steel_defects.drawing.style import contact_sheet
    from steel_defects.reporting.gate_pictures import mistake_captions

    pictures = outlined_sheets(confident_mistakes["sheet_id"], raw_sheets, sheets, annotations)
    nothing = "No sheet is scored on the wrong side of even odds." if chosen_gate else _NO_GATE
    return contact_sheet(pictures, mistake_captions(confident_mistakes), nothing)


def outlined_sheets(
    sheet_ids: Iterable[str],
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
) -> list[np.ndarray]:
    """Read sheets, and draw on them the outlines that people have drawn."""
    from steel_defects.reporting.gate_pictures import outlined

    paths, masks = sheets.set_index("sheet_id")["path"], _Masks(annotations)
    pictures = []
    for sheet_id in sheet_ids:
        image = raw_sheets.read(paths[sheet_id])
        pictures.append(outlined(image, masks.of(sheet_id, image.shape)))
    return pictures


# --- what is found --------------------------------------------------------------------------


def measure_detection(
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    chosen_segmenter: TrainedSegmenter,
    data_engineering: DataEngineeringConfig,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Compare the chosen segmenter's masks with the truth, by sheet and class and by defect.

    Of a cross-validation the first repeat counts, in which each sheet occurs once; without one the
    test sheets do.
    """
    predictions = chosen_segmenter.predictions
    parts = {"test": hold_out(predictions, "test")}
    first = predictions[predictions["repeat"].eq(0).fillna(False)]
    if len(first):
        parts["out_of_fold"] = first
    pairs = [
        pair_table(rows, annotations, sheets).assign(evaluation=evaluation)
        for evaluation, rows in parts.items()
    ]
    evaluation, rows = list(parts.items())[-1]
    confusion = class_confusion(rows, annotations, sheets, data_engineering.class_names)
    basis = {"evaluation": evaluation, "sheets": rows["sheet_id"].nunique()}
    return (
        EVALUATED_PAIRS.typed(pd.concat(pairs, ignore_index=True)),
        defect_targets(rows, annotations, sheets),
        CLASS_CONFUSION.typed(confusion.assign(**basis)),
    )


def draw_detection(
    evaluated_pairs: pd.DataFrame,
    defect_targets: pd.DataFrame,
    class_confusion: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> tuple[DetectionBySize, Any, Any, Any]:
    """Fit the probability of detection; draw it, the spread of Dice, and which class is which."""
    from steel_defects.reporting.class_confusion import class_confusion_figure
    from steel_defects.reporting.segmenter_figures import detection_figure, dice_spread_figure

    kind = "out_of_fold" if "out_of_fold" in set(evaluated_pairs["evaluation"]) else "test"
    pairs = evaluated_pairs[evaluated_pairs["evaluation"] == kind]
    names = data_engineering.class_names
    parts = {"All classes": defect_targets} | {
        name: defect_targets[defect_targets["class_id"] == number]
        for number, name in enumerate(names, start=1)
    }
    curves = {
        name: detection_curve(part["size_px"].to_numpy(float), part["found"].to_numpy(bool))
        for name, part in parts.items()
    }
    return (
        DetectionBySize(evaluation=kind, sheets=pairs["sheet_id"].nunique(), curves=curves),
        detection_figure(defect_targets, curves["All classes"]),
        dice_spread_figure(pairs, names),
        class_confusion_figure(class_confusion),
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
    test = sheets.merge(splits.loc[splits["split"] == "test", ["sheet_id"]], on="sheet_id")
    chosen = choose_for_robustness(test, reporting.robustness_sheets, reporting.seed)
    if not len(chosen):
        return ROBUSTNESS.empty()
    postprocessing = chosen_segmenter.postprocessing
    networks = {"segmenter": chosen_segmenter.segmenter}
    point = chosen_gate.operating_point if chosen_gate else None
    if chosen_gate:
        networks["gate"] = chosen_gate.classifier
    common_stamp(trained_networks=stamp_of(**networks), point=point, postprocessing=postprocessing)
    judges = Judges(
        networks.get("gate"), point, networks["segmenter"], postprocessing.classes,
        segmenter_prediction.tta,
    )  # fmt: skip
    return robustness_table(judges, raw_sheets, chosen, annotations, reporting.seed)


def draw_robustness(robustness: pd.DataFrame) -> Any:
    """Draw accuracy and Dice at each level of each corruption."""
    from steel_defects.reporting.segmenter_figures import robustness_figure

    return robustness_figure(robustness)
