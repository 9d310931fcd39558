"""Nodes that train, tune, compare and package the segmenters."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.postprocessing import ClassPostprocessing, PostprocessingGrid
from steel_defects.models.config import UNetConfig
from steel_defects.sheets.config import DataEngineeringConfig
from steel_defects.sheets.folder import SheetFolder
from steel_defects.training.config import SegmentationConfig

Json = dict[str, Any]

_TUNING_SPLITS = ("validation", "calibration")
_UNSEEN_SPLITS = ("validation", "calibration", "test")


def train_segmenter(
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    tiles: pd.DataFrame,
    checkpoints: Path,
    data_engineering: DataEngineeringConfig,
    segmentation: SegmentationConfig,
    network: UNetConfig,
) -> tuple[Any, pd.DataFrame, Json]:
    """Fit one architecture on the training tiles; validation tiles decide when to stop."""
    from steel_defects.sheets.gray_cache import reader_of
    from steel_defects.training import segmentation as domain
    from steel_defects.training.labelled_tiles import LabelledTiles, labelled_tiles

    cache_dir = checkpoints.parent / "gray_sheets" if segmentation.cache else None
    reader = reader_of(raw_sheets, sheets, cache_dir)

    def part(split: str) -> LabelledTiles:
        rows = tiles[tiles["split"] == split]
        return labelled_tiles(reader, rows, sheets, annotations, data_engineering.classes)

    fitted = domain.train_segmenter(
        part("train"), part("validation"), segmentation, network, "unet",
        checkpoints / "segmentation",
    )  # fmt: skip
    size = (int(sheets["height"].max()), int(sheets["width"].max()))
    profile = {
        "parameters": fitted.model.count_params(),
        "epochs": len(fitted.history),
        "training_seconds": round(fitted.seconds, 1),
        "ms_per_sheet": round(domain.measure_speed(fitted.model, size), 1),
    }
    return fitted.model, fitted.history, profile


def predict_probabilities(
    segmenter: Any, raw_sheets: SheetFolder, sheets: pd.DataFrame, splits: pd.DataFrame
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Predict validation and calibration sheets; maps are kept at half size, for tuning."""
    from steel_defects.models.inference import half_size
    from steel_defects.training.segmentation import predict_maps

    rows = _of_splits(sheets, splits, _TUNING_SPLITS)
    maps = predict_maps(segmenter, raw_sheets, rows["path"].tolist())
    # Returned, not yielded: Kedro would save each map of a generator node by itself.
    return (
        (sheet_id, split, half_size(values))
        for (sheet_id, split), values in zip(
            rows[["sheet_id", "split"]].itertuples(index=False, name=None), maps, strict=True
        )
    )


def _of_splits(sheets: pd.DataFrame, splits: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    joined = sheets.merge(splits[["sheet_id", "split"]], on="sheet_id")
    return joined[joined["split"].isin(names)].reset_index(drop=True)


def tune_postprocessing(
    probabilities: Mapping[str, np.ndarray],
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
    postprocessing: PostprocessingGrid,
) -> Json:
    """Choose threshold and smallest area of each class on the validation split."""
    from steel_defects.annotations import rle as run_length
    from steel_defects.evaluation.postprocessing import class_settings, tune_class
    from steel_defects.models.inference import half_size

    rows = _of_splits(sheets, splits, ("validation",))
    masks = annotations.set_index(["sheet_id", "class_id"])["rle"].to_dict()

    def pairs(class_id: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for sheet_id, height, width in rows[["sheet_id", "height", "width"]].itertuples(
            index=False, name=None
        ):
            mask = run_length.decode(masks.get((sheet_id, class_id), ""), height, width)
            truth = (half_size(mask[..., None] * 255)[..., 0] >= 128).astype(np.uint8)
            yield np.ascontiguousarray(probabilities[sheet_id][..., class_id - 1]), truth

    chosen = [
        tune_class(pairs(class_id), postprocessing, pixel_share=0.25)
        for class_id in range(1, data_engineering.classes + 1)
    ]
    return class_settings(chosen)


def predict_masks(
    segmenter: Any,
    postprocessing: Json,
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    splits: pd.DataFrame,
) -> pd.DataFrame:
    """Predict every sheet that training did not see, at full size."""
    from steel_defects.annotations import rle as run_length
    from steel_defects.evaluation.postprocessing import to_mask
    from steel_defects.training.segmentation import predict_maps

    settings = [ClassPostprocessing(**value) for value in postprocessing.values()]
    rows = _of_splits(sheets, splits, _UNSEEN_SPLITS)
    table = []
    maps = predict_maps(segmenter, raw_sheets, rows["path"].tolist())
    for (sheet_id, split), values in zip(
        rows[["sheet_id", "split"]].itertuples(index=False, name=None), maps, strict=True
    ):
        for k, setting in enumerate(settings):
            mask = to_mask(values[..., k], setting.threshold, setting.min_area_px)
            presence = float(values[..., k].max()) / 255
            rle = run_length.encode(mask)
            table.append((sheet_id, split, None, None, k + 1, rle, int(mask.sum()), presence))
    return pd.DataFrame(table, columns=list(_PREDICTION_TYPES)).astype(_PREDICTION_TYPES)


_PREDICTION_TYPES = {
    "sheet_id": "str",
    "split": "str",
    "repeat": "Int64",
    "fold": "Int64",
    "class_id": "int64",
    "rle": "str",
    "area_px": "int64",
    "score": "float64",
}


def compare_segmenters(
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
    gate_selection: Json,
    **tables: Any,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Set architectures side by side on the test split, alone and behind the gate."""
    from steel_defects.evaluation.comparison import segmentation_rows

    cleared = _cleared_sheets(gate_selection, tables)
    rows, classes = [], []
    for name in (
        key.removesuffix("_predictions") for key in tables if key.endswith("_predictions")
    ):
        predictions = tables[f"{name}_predictions"]
        test = predictions[predictions["split"] == "test"]
        row, per_class = segmentation_rows(test, annotations, sheets, cleared)
        profile = tables[f"{name}_profile"]
        rows.append({"architecture": name, "evaluation": "test"} | row | profile)
        names = dict(enumerate(data_engineering.class_names, start=1))
        per_class.insert(0, "architecture", name)
        per_class.insert(2, "class_name", per_class["class_id"].map(names))
        classes.append(per_class)
    return pd.DataFrame(rows), pd.concat(classes, ignore_index=True)


def _cleared_sheets(gate_selection: Json, tables: Mapping[str, Any]) -> set[str]:
    """Return the sheets that the chosen gate lets pass; none without a gate."""
    name = gate_selection["name"]
    if name is None:
        return set()
    scores = tables[f"{name}_scores"]
    threshold = tables[f"{name}_point"]["lower_threshold"]
    passed = scores[scores["repeat"].isna() & (scores["score"] < threshold)]
    return set(passed["sheet_id"])


def select_segmenter(segmenter: str, **tables: Any) -> Json:
    """Choose the architecture of the cascade by its mean Dice on validation."""
    from steel_defects.evaluation.comparison import select

    names = [
        key.removesuffix("_postprocessing") for key in tables if key.endswith("_postprocessing")
    ]
    if segmenter not in {"best", *names}:
        raise SteelDefectsError(f"segmenter is {segmenter!r}; it takes best, {', '.join(names)}")
    quality = {
        name: float(
            np.mean([v["validation_dice"] for v in tables[f"{name}_postprocessing"].values()])
        )
        for name in names
    }
    parameters = {name: tables[f"{name}_profile"]["parameters"] for name in names}
    return select(segmenter, quality, parameters, "mean Dice")


def build_package(
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    splits: pd.DataFrame,
    gate_selection: Json,
    segmenter_selection: Json,
    segmentation_comparison: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
    mm_per_px: float | None,
    **parts: Any,
) -> Any:
    """Put the chosen gate and segmenter into one package with all that using them takes."""
    from steel_defects.datasets.model_package import PackageContents
    from steel_defects.inspection.building import build_manifest

    gate, segmenter = gate_selection["name"], segmenter_selection["name"]
    reference = _of_splits(sheets, splits, _TUNING_SPLITS)
    manifest = build_manifest(
        gate_name=gate,
        gate_input_size=parts[f"{gate}_classifier"].input_shape[1:3] if gate else None,
        operating_point=parts[f"{gate}_point"] if gate else None,
        gate_scores=parts[f"{gate}_scores"] if gate else None,
        segmenter_name=segmenter,
        postprocessing=parts[f"{segmenter}_postprocessing"],
        class_names=data_engineering.class_names,
        mm_per_px=mm_per_px,
        comparison=segmentation_comparison,
        pictures=(raw_sheets.read(path) for path in reference["path"]),
        fingerprint_of=sheets["sha256"].tolist(),
    )
    writers = {manifest.segmenter.file: parts[f"{segmenter}_segmenter"].save}
    if manifest.gate:
        writers[manifest.gate.file] = parts[f"{gate}_classifier"].save
    return PackageContents(manifest, writers)
