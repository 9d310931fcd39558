"""The pipeline of learning curves: each model on growing shares of the sheets."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.pipeline import Node, Pipeline

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.decision.postprocessing import PostprocessingGrid
from steel_defects.images.folder import SheetFolder
from steel_defects.models.config import BACKBONES, NetworkConfig
from steel_defects.pipelines.wiring import namespaced, node
from steel_defects.prediction.inference import SegmenterPredictionConfig
from steel_defects.selection import Selection
from steel_defects.tables.declared import LEARNING_CURVE
from steel_defects.training.config import (
    BackboneTraining,
    ClassificationConfig,
    CrossValidationConfig,
    LearningCurveConfig,
    SegmentationConfig,
    SegmenterCrossValidationConfig,
)
from steel_defects.training.jobs import ClassifierRecipe, SegmenterRecipe, TrainingData

logger = logging.getLogger(__name__)


def create_pipeline(selection: Selection) -> Pipeline:
    """From the sheets to what more of them would bring; nothing where no model is chosen."""
    names = selection.learning_curves
    if not names:
        return Pipeline([])
    curves = {name: f"{name}.learning_curve" for name in names}
    joined = [
        node(join_learning_curves, "learning_curve", **curves),
        node(draw_learning_curve, "learning_curve_figure"),
    ]
    return Pipeline([*map(_model_pipeline, names), *joined], tags="learning_curve")


def _model_pipeline(name: str) -> Pipeline:
    parts: list[Node]
    if name in BACKBONES:
        parts = [node(measure_gate_learning_curve, "learning_curve")]
        return namespaced(name, parts, private="params:training")
    parts = [node(measure_segmenter_learning_curve, "learning_curve")]
    return namespaced(name, parts, private="params:network")


def measure_gate_learning_curve(
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    pretrained_weights: Path,
    checkpoints: Path,
    classification: ClassificationConfig,
    training: BackboneTraining,
    cross_validation: CrossValidationConfig,
    learning_curve: LearningCurveConfig,
) -> pd.DataFrame:
    """Train a backbone on growing shares of the sheets, and measure it on others."""
    from steel_defects.training.learning_curve import gate_learning_curve

    return gate_learning_curve(
        TrainingData(raw_sheets, sheets, annotations, splits, pd.DataFrame(), checkpoints),
        ClassifierRecipe.of(classification, training, pretrained_weights),
        learning_curve,
        cross_validation.validation_share,
    )


def measure_segmenter_learning_curve(
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    tiles: pd.DataFrame,
    pretrained_weights: Path,
    checkpoints: Path,
    data_engineering: DataEngineeringConfig,
    segmentation: SegmentationConfig,
    segmenter_prediction: SegmenterPredictionConfig,
    segmenter_cross_validation: SegmenterCrossValidationConfig,
    postprocessing: PostprocessingGrid,
    network: NetworkConfig,
    learning_curve: LearningCurveConfig,
) -> pd.DataFrame:
    """Train an architecture on growing shares of the sheets, and measure it on others."""
    from steel_defects.training.learning_curve import segmenter_learning_curve

    return segmenter_learning_curve(
        TrainingData(raw_sheets, sheets, annotations, splits, tiles, checkpoints),
        data_engineering.classes,
        SegmenterRecipe(network.root, segmentation, segmenter_prediction.tta, pretrained_weights),
        postprocessing,
        learning_curve,
        segmenter_cross_validation.validation_share,
    )


def join_learning_curves(**curves: pd.DataFrame) -> pd.DataFrame:
    """Put the models' curves below each other, and say what more sheets would bring."""
    from steel_defects.reporting.learning_curve import curve_sentences

    table = LEARNING_CURVE.typed(pd.concat(curves.values(), ignore_index=True))
    for sentence in curve_sentences(table):
        logger.info(sentence)
    return table


def draw_learning_curve(learning_curve: pd.DataFrame) -> Any:
    """Draw each training, the fitted curves, and what they come to with more sheets."""
    from steel_defects.reporting.learning_curve import learning_curve_figure

    return learning_curve_figure(learning_curve)
