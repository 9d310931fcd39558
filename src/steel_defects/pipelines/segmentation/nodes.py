"""Nodes that train and tune the segmenters, and predict with them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.datasets.probability_maps import Predicted, ProbabilityMaps
from steel_defects.decision.fusion import Stacking
from steel_defects.decision.operating_point import OperatingPointConfig
from steel_defects.decision.postprocessing import (
    Postprocessing,
    PostprocessingGrid,
    SheetPrediction,
)
from steel_defects.images.folder import SheetFolder
from steel_defects.models.config import NetworkConfig
from steel_defects.models.trained import (
    SegmenterProfile,
    TrainedModel,
    common_stamp,
    made_from,
    stamp_of,
)
from steel_defects.prediction.inference import SegmenterPredictionConfig
from steel_defects.tables.declared import OUT_OF_FOLD_PREDICTIONS, PREDICTIONS
from steel_defects.training.config import SegmentationConfig, SegmenterCrossValidationConfig
from steel_defects.training.jobs import SegmenterRecipe, TrainingData

TUNING_SPLITS = ("validation", "calibration")
UNSEEN_SPLITS = ("validation", "calibration", "test")


def train_segmenter(
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
    network: NetworkConfig,
) -> tuple[Any, pd.DataFrame, SegmenterProfile]:
    """Fit one architecture on the training tiles; validation tiles decide when to stop."""
    from steel_defects.training import jobs

    data = TrainingData(raw_sheets, sheets, annotations, splits, tiles, checkpoints)
    recipe = SegmenterRecipe(
        network.root, segmentation, segmenter_prediction.tta, pretrained_weights
    )
    fitted, profile = jobs.train_segmenter(data, recipe, data_engineering.classes)
    return fitted.model, fitted.history, profile


def cross_validate_segmenter(
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
    gate_scores: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, Postprocessing]:
    """Outline every sheet out of fold.

    Returns:
        The outlines, and the post-processing that all folds together chose; of no class where that
        is left to validation sheets.
    """
    from steel_defects.training.cross_validation import out_of_fold_masks

    out_of_fold = out_of_fold_masks(
        TrainingData(raw_sheets, sheets, annotations, splits, tiles, checkpoints),
        data_engineering.classes,
        SegmenterRecipe(network.root, segmentation, segmenter_prediction.tta, pretrained_weights),
        postprocessing,
        segmenter_cross_validation,
        gate_scores,
    )
    return out_of_fold.predictions, Postprocessing(classes=tuple(out_of_fold.settings or ()))


def predict_probabilities(
    segmenter: Any,
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    splits: pd.DataFrame,
    segmenter_prediction: SegmenterPredictionConfig,
) -> Iterator[Predicted]:
    """Predict validation and calibration sheets; maps are kept for tuning, if asked to smaller."""
    from steel_defects.prediction.inference import shrink_maps

    rows = of_splits(sheets, splits, TUNING_SPLITS)
    shrink = segmenter_prediction.map_shrink
    identity = stamp_of(segmenter=segmenter)["models"]["segmenter"]
    # Returned, not yielded: Kedro would save each map of a generator node by itself.
    return (
        (sheet_id, split, replace(answer, maps=shrink_maps(answer.maps, shrink)), identity)
        for sheet_id, split, answer in _predicted(segmenter, raw_sheets, rows, segmenter_prediction)
    )


def _predicted(
    segmenter: Any, raw_sheets: SheetFolder, rows: pd.DataFrame, config: SegmenterPredictionConfig
) -> Iterator[tuple[str, str, SheetPrediction]]:
    """Return sheet, split and prediction of each row."""
    from steel_defects.prediction.predicted_masks import predict_maps

    void = rows["void"].tolist() if "void" in rows else []
    predicted = predict_maps(segmenter, raw_sheets, rows["path"].tolist(), config.tta, void)
    return zip(rows["sheet_id"], rows["split"], predicted, strict=True)


def of_splits(sheets: pd.DataFrame, splits: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Return the sheets of some splits, with a column ``split``."""
    joined = sheets.merge(splits[["sheet_id", "split"]], on="sheet_id")
    return joined[joined["split"].isin(names)].reset_index(drop=True)


def tune_postprocessing(
    probabilities: ProbabilityMaps,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
    segmenter_prediction: SegmenterPredictionConfig,
    postprocessing: PostprocessingGrid,
    gate_scores: pd.DataFrame | None = None,
    out_of_fold_postprocessing: Postprocessing | None = None,
) -> Postprocessing:
    """Choose threshold, smallest area and presence cut of each class on the validation split.

    What the folds of a cross-validation chose is taken over, and measured there.
    """
    from steel_defects.prediction.predicted_masks import gate_scores_of, measure_classes

    stamp = common_stamp(probabilities=probabilities, gate_scores=gate_scores)
    given = out_of_fold_postprocessing.classes if out_of_fold_postprocessing else ()
    grids = [one.grid for one in given] or [postprocessing] * data_engineering.classes
    rows = of_splits(sheets, splits, ("validation",))[["sheet_id", "height", "width"]]
    tuners = measure_classes(
        (
            (sheet_id, height, width, probabilities.prediction_of(sheet_id))
            for sheet_id, height, width in rows.itertuples(index=False, name=None)
        ),
        annotations.set_index(["sheet_id", "class_id"])["rle"].to_dict(),
        gate_scores_of(gate_scores, None),
        grids,
        segmenter_prediction.map_shrink,
    )
    presences = [one.presence for one in given] or [None] * len(tuners)
    chosen = [tuner.best(presence) for tuner, presence in zip(tuners, presences, strict=True)]
    return Postprocessing(classes=tuple(chosen), **stamp)


def predict_masks(
    segmenter: Any,
    postprocessing: Postprocessing,
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    splits: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
    segmenter_prediction: SegmenterPredictionConfig,
    gate_scores: pd.DataFrame | None = None,
    out_of_fold_predictions: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Predict every sheet that training did not see, at full size; out-of-fold rows come after."""
    from steel_defects.prediction.predicted_masks import gate_scores_of, mask_rows

    stamp = common_stamp(
        trained_segmenter=stamp_of(segmenter=segmenter), postprocessing=postprocessing,
        gate_scores=gate_scores,
    )  # fmt: skip
    scores = gate_scores_of(gate_scores, None)
    rows = of_splits(sheets, splits, UNSEEN_SPLITS)
    predictions = OUT_OF_FOLD_PREDICTIONS.typed(
        (sheet_id, split, None, None, *row)
        for sheet_id, split, answer in _predicted(segmenter, raw_sheets, rows, segmenter_prediction)
        for row in mask_rows(answer, postprocessing.classes, scores.get(sheet_id))
    )
    if out_of_fold_predictions is not None:
        predictions = pd.concat([predictions, out_of_fold_predictions], ignore_index=True)
    names = dict(enumerate(data_engineering.class_names, start=1))
    predictions = PREDICTIONS.typed(
        predictions.assign(class_name=predictions["class_id"].map(names))
    )
    predictions.attrs.update(stamp)
    return predictions


def stack_with_gate(
    predictions: pd.DataFrame,
    gate_scores: pd.DataFrame,
    sheets: pd.DataFrame,
    operating_point: OperatingPointConfig,
) -> Stacking:
    """Fit the score that gate and segmenter give together, on sheets that neither had seen.

    The test sheets only check it.
    """
    from steel_defects.decision.fusion import check_on_test, stack_scores

    stamp = common_stamp(predictions=predictions, gate_scores=gate_scores)
    evidence = join_gate_scores(predictions, gate_scores, sheets)
    unseen = evidence[evidence["split"] != "test"]
    stacking = stack_scores(unseen, operating_point) if len(unseen) else Stacking()
    test = evidence[(evidence["split"] == "test") & evidence["repeat"].isna()]
    return check_on_test(stacking, test).model_copy(update=stamp)


def record_segmenter(
    segmenter_profile: SegmenterProfile,
    postprocessing: Postprocessing,
    predictions: pd.DataFrame,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    network: NetworkConfig,
    data_engineering: DataEngineeringConfig,
    segmenter_prediction: SegmenterPredictionConfig,
    postprocessing_grid: PostprocessingGrid,
    gate_scores: pd.DataFrame | None = None,
    stacking: Stacking | None = None,
) -> TrainedModel:
    """Note what a segmenter was made from and how good it is, for later runs to compare it."""
    common_stamp(postprocessing=postprocessing, predictions=predictions, stacking=stacking)
    return TrainedModel(
        name=network.root.name,
        parameters=segmenter_profile.parameters,
        quality=postprocessing.validation_dice,
        made_from=made_from(
            sheets,
            annotations,
            splits,
            asked_of_segmenters(data_engineering, segmenter_prediction, postprocessing_grid),
            gate_scores,
        ),
    )


def asked_of_segmenters(
    data_engineering: DataEngineeringConfig,
    segmenter_prediction: SegmenterPredictionConfig,
    postprocessing: PostprocessingGrid,
) -> dict[str, Any]:
    """Collect the parameters that change a trained segmenter's figures."""
    return {
        "class_names": data_engineering.class_names,
        "segmenter_prediction": segmenter_prediction,
        "postprocessing": postprocessing,
    }


def join_gate_scores(
    predictions: pd.DataFrame, gate_scores: pd.DataFrame, sheets: pd.DataFrame
) -> pd.DataFrame:
    """Set the gate's score of each sheet and repeat beside the highest presence of a class.

    Returns:
        ``sheet_id, group_id, split, repeat, fold, has_defect, gate, cleared, presence``; sheets
        that only one of them scored are left out.
    """
    keys = ["sheet_id", "repeat"]
    presence = predictions.groupby([*keys, "split", "fold"], dropna=False)["score"].max()
    both = (
        presence.rename("presence")
        .reset_index()
        .merge(gate_scores.rename(columns={"score": "gate"}), on=keys)
    )
    return both.merge(sheets[["sheet_id", "group_id", "has_defect"]], on="sheet_id")
