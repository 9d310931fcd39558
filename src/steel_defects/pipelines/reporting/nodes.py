"""Nodes that draw figures, overlays and the report."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.datasets.trained_models import TrainedGate, TrainedModels, TrainedSegmenter
from steel_defects.images.folder import SheetFolder
from steel_defects.models.trained import ModelSelection
from steel_defects.paths import flat_name
from steel_defects.reporting.config import ReportingConfig
from steel_defects.tables.declared import OVERLAY_SELECTION


def draw_classification_figures(
    gate_selection: ModelSelection, trained_models: TrainedModels
) -> tuple[Any, Any, Any, Any, Any]:
    """Draw confusion matrices, ROC, precision-recall, reliability and learning of the backbones."""
    from steel_defects.reporting.figures import charts
    from steel_defects.reporting.figures.reliability import reliability_figure

    gates = trained_models.compared(TrainedGate, gate_selection)
    scores = {gate.name: gate.scores for gate in gates}
    return (
        charts.confusion_figure(
            scores, {gate.name: gate.operating_point.lower_threshold for gate in gates}
        ),
        charts.roc_figure(scores),
        charts.pr_figure(scores),
        reliability_figure(scores),
        charts.learning_figure({gate.name: gate.history for gate in gates}),
    )


def draw_segmentation_figures(
    class_comparison: pd.DataFrame,
    annotations: pd.DataFrame,
    sheets: pd.DataFrame,
    segmenter_selection: ModelSelection,
    trained_models: TrainedModels,
    chosen_segmenter: TrainedSegmenter,
    data_engineering: DataEngineeringConfig,
) -> tuple[Any, Any, Any]:
    """Draw Dice of each class, pixel precision-recall and learning curves of the architectures."""
    from steel_defects.evaluation.segmentation import pixel_precision_recall
    from steel_defects.reporting.figures import charts

    maps = chosen_segmenter.probabilities
    sizes = sheets.set_index("sheet_id")[["height", "width"]]
    masks = annotations.set_index(["sheet_id", "class_id"])["rle"].to_dict()
    curves = {
        f"{number} {name}": pixel_precision_recall(maps, sizes, masks, number)
        for number, name in enumerate(data_engineering.class_names, start=1)
    }
    per_class = dict(tuple(class_comparison.groupby("architecture")))
    compared = trained_models.compared(TrainedSegmenter, segmenter_selection)
    return (
        charts.class_dice_figure(per_class, data_engineering.class_names),
        charts.segmentation_pr_figure(curves),
        charts.learning_figure({segmenter.name: segmenter.history for segmenter in compared}),
    )


def choose_overlays(
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    chosen_segmenter: TrainedSegmenter,
    reporting: ReportingConfig,
) -> pd.DataFrame:
    """Choose test sheets of every outcome, with a caption for each."""
    from steel_defects.evaluation.segmentation import pair_table
    from steel_defects.reporting.gallery import choose_sheets, sheet_outcomes

    predictions = chosen_segmenter.predictions
    test = predictions[predictions["repeat"].isna() & (predictions["split"] == "test")]
    pairs = pair_table(test, annotations, sheets)
    dice = sheet_outcomes(pairs)["dice"]
    rows = [
        (sheet_id, outcome, f"{sheet_id}: {outcome}, Dice {dice[sheet_id]:.2f}")
        for sheet_id, outcome in choose_sheets(pairs, reporting.overlays, reporting.seed)
    ]
    return OVERLAY_SELECTION.typed(rows)


def draw_overlays(
    overlay_selection: pd.DataFrame,
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    chosen_segmenter: TrainedSegmenter,
    data_engineering: DataEngineeringConfig,
) -> dict[str, Callable[[], np.ndarray]]:
    """Lay truth and prediction over the chosen sheets, each drawn when it is saved."""
    predictions = chosen_segmenter.predictions
    predictions = predictions[predictions["repeat"].isna()]
    paths = sheets.set_index("sheet_id")["path"]

    def draw(sheet_id: str, caption: str) -> np.ndarray:
        from steel_defects.drawing.overlays import draw_comparison

        image = raw_sheets.read(paths[sheet_id])
        truth, predicted = (
            _masks_of(table, sheet_id, image.shape) for table in (annotations, predictions)
        )
        return draw_comparison(image, truth, predicted, data_engineering.class_names, caption)

    return {
        picture_name(outcome, sheet_id): partial(draw, sheet_id, caption)
        for sheet_id, outcome, caption in overlay_selection.itertuples(index=False, name=None)
    }


def _masks_of(table: pd.DataFrame, sheet_id: str, shape: tuple[int, int]) -> dict[int, np.ndarray]:
    from steel_defects.labels import rle as run_length

    rows = table[(table["sheet_id"] == sheet_id) & (table["rle"] != "")]
    return {
        int(class_id): run_length.decode(rle, *shape)
        for class_id, rle in rows[["class_id", "rle"]].itertuples(index=False, name=None)
    }


def picture_name(kind: str, sheet_id: str) -> str:
    """Return the name of an overlay's file."""
    return f"{kind.replace(' ', '_')}_{flat_name(sheet_id)}.jpg"
