"""Nodes that draw figures, overlays and the report."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.reporting.config import ReportingConfig
from steel_defects.sheets.config import DataEngineeringConfig
from steel_defects.sheets.folder import SheetFolder

Json = dict[str, Any]


def draw_classification_figures(**tables: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Draw confusion matrices, ROC, precision-recall, reliability and learning of the backbones."""
    from steel_defects.reporting import figures
    from steel_defects.reporting.reliability import reliability_figure

    scores = _ending(tables, "_scores")
    thresholds = {
        name: point["lower_threshold"] for name, point in _ending(tables, "_point").items()
    }
    return (
        figures.confusion_figure(scores, thresholds),
        figures.roc_figure(scores),
        figures.pr_figure(scores),
        reliability_figure(scores),
        figures.learning_figure(_ending(tables, "_history")),
    )


def _ending(tables: Mapping[str, Any], ending: str) -> dict[str, Any]:
    return {
        key.removesuffix(ending): value for key, value in tables.items() if key.endswith(ending)
    }


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
    from steel_defects.reporting import figures

    maps = tables[f"{segmenter_selection['name']}_probabilities"]
    sizes = sheets.set_index("sheet_id")[["height", "width"]]
    masks = annotations.set_index(["sheet_id", "class_id"])["rle"].to_dict()
    curves = {
        f"{number} {name}": pixel_precision_recall(maps, sizes, masks, number)
        for number, name in enumerate(data_engineering.class_names, start=1)
    }
    per_class = dict(tuple(class_comparison.groupby("architecture")))
    return (
        figures.class_dice_figure(per_class, data_engineering.class_names),
        figures.segmentation_pr_figure(curves),
        figures.learning_figure(_ending(tables, "_history")),
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
    from steel_defects.reporting.selection import choose_sheets, sheet_outcomes

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
        from steel_defects.reporting.overlays import draw_comparison

        image = raw_sheets.read(paths[sheet_id])
        truth, predicted = (
            _masks_of(table, sheet_id, image.shape) for table in (annotations, predictions)
        )
        return draw_comparison(image, truth, predicted, data_engineering.class_names, caption)

    return {
        _picture_name(outcome, sheet_id): partial(draw, sheet_id, caption)
        for sheet_id, outcome, caption in overlay_selection.itertuples(index=False, name=None)
    }


def _masks_of(table: pd.DataFrame, sheet_id: str, shape: tuple[int, int]) -> dict[int, np.ndarray]:
    from steel_defects.annotations import rle as run_length

    rows = table[(table["sheet_id"] == sheet_id) & (table["rle"] != "")]
    return {
        int(class_id): run_length.decode(rle, *shape)
        for class_id, rle in rows[["class_id", "rle"]].itertuples(index=False, name=None)
    }


def _picture_name(kind: str, sheet_id: str) -> str:
    return f"{kind.replace(' ', '_')}_{sheet_id.replace('/', '_')}.jpg"


def write_report(
    classification_comparison: pd.DataFrame,
    segmentation_comparison: pd.DataFrame,
    class_comparison: pd.DataFrame,
    gate_selection: Json,
    segmenter_selection: Json,
    data_quality: Json,
    overlays: SheetFolder,
    overlay_selection: pd.DataFrame,
    leakage: pd.DataFrame,
    lookup_baseline: pd.DataFrame,
    grad_cam_check: pd.DataFrame,
    confident_mistakes: pd.DataFrame,
    run_record: Json,
    reporting: ReportingConfig,
    **tables: Any,
) -> str:
    """Write the report: one HTML file with everything in it."""
    from steel_defects.evaluation.attention import summarise_attention
    from steel_defects.reporting.heat import attention_sentence
    from steel_defects.reporting.report import ReportContext, render_report

    pictures = {
        title: tables[f"{key}_figure"].read_bytes() for key, title in _FIGURE_TITLES.items()
    }
    gallery = {}
    for sheet_id, outcome, caption in overlay_selection.itertuples(index=False, name=None):
        name = _picture_name(outcome, sheet_id)
        gallery[name] = (overlays.path_of(name).read_bytes(), caption)
    return render_report(
        ReportContext(
            title="Steel defects: model report",
            run=run_record,
            classification_comparison=classification_comparison,
            segmentation_comparison=segmentation_comparison,
            per_class=class_comparison,
            gate_selection=gate_selection,
            segmenter_selection=segmenter_selection,
            operating_points=_ending(tables, "_point"),
            data_quality=data_quality,
            data_tables={
                "Nearest training sheet of held-out sheets": leakage,
                "What a lookup of the nearest training sheet scores": lookup_baseline,
            },
            data_figures={
                "The sheets least like the rest": tables["oddest_sheets_figure"].read_bytes()
            },
            figures=pictures,
            attention=attention_sentence(summarise_attention(grad_cam_check)),
            grad_cam=tables["grad_cam_figure"].read_bytes(),
            mistakes=confident_mistakes,
            mistake_sheets=tables["confident_mistakes_figure"].read_bytes(),
            overlays=gallery,
        )
    )


_FIGURE_TITLES = {
    "confusion": "Decisions of the gates on test sheets",
    "roc": "ROC curves of the gates",
    "pr": "Precision and recall of the gates",
    "reliability": "Do the gates' probabilities come true?",
    "classifier_learning": "How the gates learned",
    "class_dice": "Segmentation, class by class",
    "segmentation_pr": "Precision and recall of pixels",
    "segmenter_learning": "How the segmenters learned",
}
FIGURES = tuple(_FIGURE_TITLES)
