"""Nodes that draw figures, overlays and the report."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.images.folder import SheetFolder
from steel_defects.paths import flat_name
from steel_defects.reporting.config import ReportingConfig

Json = dict[str, Any]


def draw_classification_figures(**tables: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Draw confusion matrices, ROC, precision-recall, reliability and learning of the backbones."""
    from steel_defects.reporting.figures import charts
    from steel_defects.reporting.figures.reliability import reliability_figure

    scores = ending(tables, "_scores")
    thresholds = {
        name: point["lower_threshold"] for name, point in ending(tables, "_point").items()
    }
    return (
        charts.confusion_figure(scores, thresholds),
        charts.roc_figure(scores),
        charts.pr_figure(scores),
        reliability_figure(scores),
        charts.learning_figure(ending(tables, "_history")),
    )


def ending(tables: Mapping[str, Any], end: str) -> dict[str, Any]:
    """Return the tables whose names end so, by the rest of the name."""
    return {key.removesuffix(end): value for key, value in tables.items() if key.endswith(end)}


def draw_segmentation_figures(
    class_comparison: pd.DataFrame,
    annotations: pd.DataFrame,
    sheets: pd.DataFrame,
    segmenter_selection: Json,
    data_engineering: DataEngineeringConfig,
    **tables: Any,
) -> tuple[Any, Any, Any]:
    """Draw Dice a class, pixel precision-recall and learning curves of the architectures."""
    from steel_defects.evaluation.curves import pixel_precision_recall
    from steel_defects.reporting.figures import charts

    maps = tables[f"{segmenter_selection['name']}_probabilities"]
    sizes = sheets.set_index("sheet_id")[["height", "width"]]
    masks = annotations.set_index(["sheet_id", "class_id"])["rle"].to_dict()
    curves = {
        f"{number} {name}": pixel_precision_recall(maps, sizes, masks, number)
        for number, name in enumerate(data_engineering.class_names, start=1)
    }
    per_class = dict(tuple(class_comparison.groupby("architecture")))
    return (
        charts.class_dice_figure(per_class, data_engineering.class_names),
        charts.segmentation_pr_figure(curves),
        charts.learning_figure(ending(tables, "_history")),
    )


def choose_overlays(
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    segmenter_selection: Json,
    reporting: ReportingConfig,
    **tables: Any,
) -> pd.DataFrame:
    """Choose test sheets of every outcome, with a caption for each."""
    from steel_defects.evaluation.segmentation import pair_table
    from steel_defects.reporting.gallery import choose_sheets, sheet_outcomes

    predictions = tables[f"{segmenter_selection['name']}_predictions"]
    test = predictions[predictions["repeat"].isna() & (predictions["split"] == "test")]
    pairs = pair_table(test, annotations, sheets)
    dice = sheet_outcomes(pairs)["dice"]
    rows = [
        (sheet_id, outcome, f"{sheet_id}: {outcome}, Dice {dice[sheet_id]:.2f}")
        for sheet_id, outcome in choose_sheets(pairs, reporting.overlays, reporting.seed)
    ]
    return pd.DataFrame(rows, columns=["sheet_id", "outcome", "caption"]).astype("str")


def draw_overlays(
    overlay_selection: pd.DataFrame,
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    segmenter_selection: Json,
    data_engineering: DataEngineeringConfig,
    **tables: Any,
) -> dict[str, Callable[[], np.ndarray]]:
    """Lay truth and prediction over the chosen sheets, each drawn when it is saved."""
    predictions = tables[f"{segmenter_selection['name']}_predictions"]
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
