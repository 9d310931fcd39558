import numpy as np
import pandas as pd
import pytest
from pandera.errors import SchemaError, SchemaErrors

from steel_defects.annotations import schemas

REFUSED = (SchemaError, SchemaErrors)
_NONE = pd.array([None, None], dtype="Int64")

GOOD = {
    "sheet_inventory": {
        "sheet_id": ["a.jpg", "b.jpg"],
        "path": ["images/a.jpg", "images/b.jpg"],
        "problem": ["", "truncated file"],
        "width": pd.array([1600, None], dtype="Int64"),
        "height": pd.array([256, None], dtype="Int64"),
        "sha256": pd.array(["0" * 64, None], dtype="str"),
        "mean_intensity": [87.5, np.nan],
        "black_fraction": [0.0, np.nan],
        "fingerprint": [[1, 0], None],
    },
    "classifier_outputs": {
        "sheet_id": ["a.jpg", "b.jpg"],
        "split": ["train", "test"],
        "has_defect": [True, False],
        "output": [0.9, 0.0],
    },
    "out_of_fold_scores": {
        "sheet_id": ["a.jpg", "a.jpg"],
        "repeat": pd.array([0, 1], dtype="Int64"),
        "fold": pd.array([3, 0], dtype="Int64"),
        "score": [0.2, 0.4],
    },
    "classification_comparison": {
        "backbone": ["vgg16", "resnet50"],
        "weights": ["none", "imagenet"],
        "evaluation": ["test", "test"],
        "sheets": [20, 20],
        "accuracy": [0.9, 0.8],
        "roc_auc": [np.nan, 0.9],
        "pr_auc": [np.nan, 0.9],
        "parameters": [3, 2],
        "ms_per_sheet": [1.5, 2.0],
        "training_seconds": [10.0, 20.0],
    },
    "segmentation_comparison": {
        "architecture": ["unet", "fpn"],
        "evaluation": ["test", "test"],
        "sheets": [20, 20],
        "mean_dice": [0.9, 0.8],
        "dice_on_positives": [np.nan, 0.5],
        "boundary_iou_on_positives": [np.nan, 0.4],
        "detection_rate": [np.nan, 1.0],
        "false_positive_rate": [0.0, np.nan],
        "parameters": [3, 2],
        "ms_per_sheet": [1.5, 2.0],
        "training_seconds": [10.0, 20.0],
    },
    "class_comparison": {
        "architecture": ["unet", "unet"],
        "class_id": [1, 2],
        "class_name": ["pitting", "crack"],
        "positives": [0, 4],
        "mean_dice": [0.9, 0.8],
        "dice_on_positives": [np.nan, 0.5],
        "detection_rate": [np.nan, 1.0],
        "false_positive_rate": [0.0, np.nan],
    },
    "overlay_selection": {
        "sheet_id": ["a.jpg", "b.jpg"],
        "outcome": ["hit", "miss"],
        "caption": ["a.jpg: hit", "b.jpg: miss"],
    },
    "submission": {
        "ImageId_ClassId": ["a.jpg_1", "a.jpg_2"],
        "EncodedPixels": ["", "1 2"],
    },
    "sheets": {
        "sheet_id": ["a.jpg", "b.jpg"],
        "path": ["images/a.jpg", "images/b.jpg"],
        "width": [1600, 1600],
        "height": [256, 256],
        "sha256": ["0" * 64, "f" * 64],
        "group_id": ["0", "1"],
        "mean_intensity": [87.5, 0.0],
        "black_fraction": [0.0, 1.0],
        "has_defect": [True, False],
    },
    "annotations": {
        "sheet_id": ["a.jpg", "a.jpg"],
        "class_id": [1, 2],
        "rle": ["1 2", "3 4"],
        "area_px": [2, 4],
    },
    "splits": {
        "sheet_id": ["a.jpg", "b.jpg"],
        "group_id": ["0", "1"],
        "split": ["train", "test"],
        "fold": [[0, 1], [1, 0]],
    },
    "tiles": {
        "sheet_id": ["a.jpg", "a.jpg"],
        "split": ["train", "train"],
        "x": [0, 400],
        "y": [0, 0],
        "width": [400, 400],
        "height": [256, 256],
        "area_px": [[0, 12, 0, 0], [0, 0, 0, 0]],
    },
    "sheet_scores": {
        "sheet_id": ["a.jpg", "a.jpg"],
        "split": ["test", "test"],
        "repeat": pd.array([None, 0], dtype="Int64"),
        "fold": pd.array([None, 3], dtype="Int64"),
        "has_defect": [True, True],
        "score": [0.0, 1.0],
    },
    "predictions": {
        "sheet_id": ["a.jpg", "a.jpg"],
        "split": ["test", "test"],
        "repeat": _NONE,
        "fold": _NONE,
        "class_id": [1, 2],
        "rle": ["", "1 2"],
        "area_px": [0, 2],
        "score": [0.1, 0.9],
    },
    "history": {"epoch": [1, 2], "loss": [0.7, -0.1], "val_dice": [0.1, 0.2]},
    "verdicts": {
        "sheet_id": ["a.jpg", "b.jpg"],
        "path": ["a.jpg", "b.jpg"],
        "coil_id": pd.array(["c1", None], dtype="str"),
        "position_mm": [0.0, np.nan],
        "gate_score": [0.5, np.nan],
        "verdict": ["accept", "review"],
        "defect_count": [0, 0],
        "defect_area_px": [0, 0],
        "reason": ["cleared by the gate", "black picture"],
        "model_id": ["m", "m"],
        "thresholds_id": ["t", "t"],
        "inspected_at": pd.to_datetime(["2024-01-01", "2024-01-02"], utc=True).as_unit("us"),
    },
    "defects": {
        "sheet_id": ["a.jpg", "a.jpg"],
        "class_id": [1, 1],
        "coil_id": pd.array([None, None], dtype="str"),
        "position_mm": [np.nan, np.nan],
        "x": [0, 5],
        "y": [0, 5],
        "width": [1, 5],
        "height": [1, 5],
        "area_px": [1, 20],
        "length_px": [1.0, 5.5],
        "area_mm2": [np.nan, np.nan],
        "length_mm": [np.nan, 2.0],
        "orientation_deg": [-90.0, 90.0],
        "score": [0.5, 1.0],
        "severity": ["minor", "major"],
    },
}

BAD = [
    ("sheet_inventory", "sheet_id", ["a.jpg", "a.jpg"]),
    ("sheet_inventory", "mean_intensity", [256.0, np.nan]),
    ("classifier_outputs", "output", [1.1, 0.0]),
    ("out_of_fold_scores", "repeat", pd.array([0, 0], dtype="Int64")),
    ("classification_comparison", "backbone", ["vgg16", "vgg16"]),
    ("classification_comparison", "accuracy", [1.1, 0.0]),
    ("segmentation_comparison", "mean_dice", [-0.1, 0.0]),
    ("class_comparison", "class_id", [1, 1]),
    ("overlay_selection", "outcome", ["", "miss"]),
    ("submission", "ImageId_ClassId", ["a.jpg_1", "a.jpg_1"]),
    ("sheets", "sheet_id", ["a.jpg", "a.jpg"]),
    ("sheets", "sheet_id", ["", "a.jpg"]),
    ("sheets", "width", [0, 1]),
    ("sheets", "width", [1.5, 2.5]),
    ("sheets", "sha256", ["0" * 63, "f" * 64]),
    ("sheets", "group_id", pd.array(["0", None], dtype="str")),
    ("sheets", "mean_intensity", [-1.0, 0.0]),
    ("sheets", "black_fraction", [1.1, 0.0]),
    ("sheets", "has_defect", [0, 1]),
    ("annotations", "class_id", [0, 1]),
    ("annotations", "class_id", [1, 1]),
    ("annotations", "area_px", [0, 1]),
    ("annotations", "rle", ["", "1 2"]),
    ("splits", "group_id", ["0", "0"]),
    ("splits", "split", ["train", "holdout"]),
    ("splits", "fold", [[0], [-1]]),
    ("splits", "sheet_id", ["a.jpg", "a.jpg"]),
    ("tiles", "x", [-1, 0]),
    ("tiles", "height", [0, 256]),
    ("tiles", "area_px", [[-1], [0]]),
    ("sheet_scores", "score", [1.2, 0.0]),
    ("sheet_scores", "score", [np.nan, 0.0]),
    ("sheet_scores", "repeat", _NONE),
    ("sheet_scores", "fold", pd.array([-1, None], dtype="Int64")),
    ("predictions", "class_id", [1, 1]),
    ("predictions", "rle", pd.array([None, "1 2"], dtype="str")),
    ("predictions", "score", [-0.1, 0.0]),
    ("history", "epoch", [1, 1]),
    ("history", "loss", ["a", "b"]),
    ("verdicts", "verdict", ["accept", "maybe"]),
    ("verdicts", "gate_score", [1.2, np.nan]),
    ("verdicts", "reason", ["", "x"]),
    ("verdicts", "inspected_at", pd.to_datetime(["2024-01-01", "2024-01-02"])),
    ("defects", "class_id", [0, 1]),
    ("defects", "area_px", [0, 1]),
    ("defects", "orientation_deg", [91.0, 0.0]),
]


def table(name: str) -> pd.DataFrame:
    return pd.DataFrame(GOOD[name])


def reread(frame: pd.DataFrame, folder) -> pd.DataFrame:
    frame.to_parquet(folder / "table.parquet")
    return pd.read_parquet(folder / "table.parquet")


@pytest.mark.parametrize("name", GOOD)
def test_good_tables_pass_before_and_after_parquet(name, tmp_path):
    schema = getattr(schemas, name)
    schema.validate(table(name))
    again = reread(table(name), tmp_path)
    schema.validate(again)
    assert _plain(again) == _plain(table(name))


@pytest.mark.parametrize("name", GOOD)
def test_empty_tables_pass_before_and_after_parquet(name, tmp_path):
    schema = getattr(schemas, name)
    schema.validate(table(name).iloc[:0])
    schema.validate(reread(table(name).iloc[:0], tmp_path))


@pytest.mark.parametrize(("name", "column", "values"), BAD)
def test_wrong_values_are_refused(name, column, values):
    with pytest.raises(REFUSED):
        getattr(schemas, name).validate(table(name).assign(**{column: values}))


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_column_is_refused(name):
    for column in getattr(schemas, name).columns:
        with pytest.raises(REFUSED, match=column):
            getattr(schemas, name).validate(table(name).drop(columns=column))


@pytest.mark.parametrize("name", [name for name in GOOD if getattr(schemas, name).strict])
def test_an_unknown_column_and_another_order_are_refused(name):
    schema, good = getattr(schemas, name), table(name)
    with pytest.raises(REFUSED, match="surprise"):
        schema.validate(good.assign(surprise=1))
    with pytest.raises(REFUSED, match="order"):
        schema.validate(good[good.columns[::-1]])


def test_one_group_may_hold_several_sheets_of_a_split():
    schemas.splits.validate(table("splits").assign(group_id="0", split="train"))


def _plain(frame: pd.DataFrame) -> list[list]:
    return [[_plain_cell(cell) for cell in frame[column]] for column in frame]


def _plain_cell(cell):
    if isinstance(cell, list | np.ndarray):
        return [int(value) for value in cell]
    return None if pd.isna(cell) else cell
