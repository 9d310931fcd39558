import importlib
import os

import numpy as np
import pandas as pd
import pytest
from pandera.errors import SchemaError, SchemaErrors
from tests.support.good_tables import GOOD

from steel_defects import tables as schemas

pytestmark = pytest.mark.slow

REFUSED = (SchemaError, SchemaErrors)


@pytest.fixture(autouse=True)
def built_here():
    """Schemas are built at import, which a run of mutants has behind it when they are tested."""
    if "MUTANT_UNDER_TEST" in os.environ:
        for name in ("schema", "columns", "declared"):
            importlib.reload(importlib.import_module(f"{schemas.__name__}.{name}"))
        importlib.reload(schemas)


BAD = [
    ("sheet_inventory", "sheet_id", ["a.jpg", "a.jpg"]),
    ("sheet_inventory", "mean_intensity", [256.0, np.nan]),
    ("classifier_outputs", "output", [1.1, 0.0]),
    ("heat_maps", "heat", [[-0.1], [0.0]]),
    ("grad_cam_check", "outcome", ["hit", "clean"]),
    ("grad_cam_check", "heat_share", [1.1, 0.0]),
    ("confident_mistakes", "score", [1.1, 0.0]),
    ("out_of_fold_scores", "repeat", pd.array([0, 0], dtype="Int64")),
    ("classification_comparison", "evaluation", ["test", "test"]),
    ("sheet_scores", "threshold", [1.1, 0.0]),
    ("classification_comparison", "accuracy", [1.1, 0.0]),
    ("segmentation_comparison", "mean_dice", [-0.1, 0.0]),
    ("segmentation_comparison", "pooled_mean_iou_with_background", [1.1, 0.0]),
    ("class_comparison", "class_id", [1, 1]),
    ("learning_curve", "share", [1.1, 1.0]),
    ("learning_curve", "share", [1.0, 1.0]),
    ("learning_curve", "seed", [-1, 20]),
    ("learning_curve", "sheets", [0, 84]),
    ("learning_curve", "value", [-0.1, 0.5]),
    ("learning_curve", "high", [1.1, 0.6]),
    ("overlay_selection", "outcome", ["", "miss"]),
    ("evaluated_pairs", "dice", [1.1, 0.0]),
    ("evaluated_pairs", "evaluation", ["test", "test"]),
    ("defect_targets", "size_px", [0, 1]),
    ("robustness", "level", [1, 1]),
    ("robustness", "recall", [1.1, 0.0]),
    ("run_comparison", "difference", [-1.1, 0.0]),
    ("run_comparison", "evaluation", ["test", "test"]),
    ("run_comparison", "sheets", [0, 1]),
    ("run_comparison", "changed_labels", [-1, 1]),
    ("label_corrections", "sheet_id", ["a.jpg", "a.jpg"]),
    ("label_corrections", "overlap", [1.1, 0.0]),
    ("void_pixels", "area_px", [0, 1]),
    ("label_corrections", "after_px", [-1, 0]),
    ("labelling_sheets", "origin", ["old", "new"]),
    ("labelling_sheets", "why", ["", "odd"]),
    ("run_comparison", "version", ["", "v"]),
    ("changed_verdicts", "sheet_id", ["a.jpg", "a.jpg"]),
    ("changed_verdicts", "verdict_after", ["flagged", "accept"]),
    ("label_issues", "class_id", [1, 1]),
    ("label_issues", "kind", ["other_class", "odd"]),
    ("label_issues", "score", [1.1, 0.0]),
    ("label_issues", "rank", [0, 1]),
    ("label_issues", "evaluation", ["out_of_fold", "fold"]),
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
    ("sheet_scores", "repeat", pd.array([None, None], dtype="Int64")),
    ("sheet_scores", "fold", pd.array([-1, None], dtype="Int64")),
    ("predictions", "class_id", [1, 1]),
    ("predictions", "rle", pd.array([None, "1 2"], dtype="str")),
    ("predictions", "score", [-0.1, 0.0]),
    ("history", "epoch", [1, 1]),
    ("history", "loss", ["a", "b"]),
    ("sheet_positions", "sheet_id", ["a.jpg", "a.jpg"]),
    ("sheet_positions", "coil_id", [1, 2]),
    ("sheet_positions", "position_mm", ["1", "2"]),
    ("verdicts", "verdict", ["accept", "maybe"]),
    ("verdicts", "gate_score", [1.2, np.nan]),
    ("verdicts", "margin", [-1.2, np.nan]),
    ("verdicts", "ignored_count", [-1, 0]),
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
    for column, rule in getattr(schemas, name).columns.items():
        if not rule.required:
            getattr(schemas, name).validate(table(name).drop(columns=column))
            continue
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


def test_sheets_for_segmenters_alone_share_groups_and_have_no_fold():
    splits = table("splits").assign(group_id="0", split=["train", "segmenter_only"])
    schemas.splits.validate(splits.assign(fold=[[0, 1], []]))
    tiles = table("tiles").assign(split="segmenter_only")
    schemas.tiles.validate(tiles)
    for name in ("split_assignments", "sheet_scores", "predictions", "out_of_fold_predictions"):
        with pytest.raises(REFUSED, match="must be one of train, validation, calibration, test"):
            getattr(schemas, name).validate(table(name).assign(split="segmenter_only"))


def _plain(frame: pd.DataFrame) -> list[list]:
    return [[_plain_cell(cell) for cell in frame[column]] for column in frame]


def _plain_cell(cell):
    if isinstance(cell, list | np.ndarray):
        return [value if isinstance(value, str) else int(value) for value in cell]
    return None if pd.isna(cell) else cell


def columns_of(coerced: bool | None = None) -> list[tuple[str, str]]:
    return [
        (name, column)
        for name, table in GOOD.items()
        for column in table
        if column in getattr(schemas, name).columns
        and coerced in (None, getattr(schemas, name).coerce)
    ]


@pytest.mark.parametrize(("name", "column"), columns_of(coerced=False))
def test_a_column_of_another_kind_is_refused(name, column):
    table = pd.DataFrame(GOOD[name])
    table[column] = pd.to_datetime(["2026-01-01"] * len(table))
    if name in ("verdicts",) and column == "inspected_at":
        table[column] = 1.5
    with pytest.raises(REFUSED):
        getattr(schemas, name).validate(table)


@pytest.mark.parametrize(("name", "column"), columns_of())
def test_only_columns_that_may_lack_values_do(name, column):
    table = pd.DataFrame(GOOD[name])
    kind = "object" if table[column].dtype == object else str(table[column].dtype)
    kind = {"int64": "Int64", "bool": "boolean"}.get(kind, kind)
    table[column] = table[column].astype(kind)
    table.loc[0, column] = None
    schema = getattr(schemas, name)
    if column in NULLABLE.get(name, ()):
        schema.validate(table)
    else:
        with pytest.raises((*REFUSED, TypeError)):
            schema.validate(table)


_RATES = ("accuracy", "accuracy_low", "accuracy_high", "roc_auc", "pr_auc", "fpr_at_recall_99")
_SEGMENTATION_RATES = (
    *("mean_dice", "mean_iou", "dice_on_positives", "detection_rate", "false_positive_rate"),
)
NULLABLE = {
    "class_confusion": ("class_id", "predicted_class_id"),
    "label_issues": (*("predicted_class_id", "predicted_class_name", "x", "y", "width", "height"),),
    "sheet_inventory": (
        *("width", "height", "sha256", "mean_intensity", "contrast", "black_fraction"),
        *("saturated_fraction", "thumbnail", "fingerprint"),
    ),
    "similar_sheets": ("similarity", "score"),
    "sheet_positions": ("coil_id", "position_mm"),
    "labelling_sheets": ("split",),
    "lookup_baseline": ("mean_dice", "mean_iou", "all_empty_dice"),
    "out_of_fold_scores": ("repeat", "fold"),
    "sheet_scores": ("repeat", "fold"),
    "predictions": ("repeat", "fold"),
    "out_of_fold_predictions": ("repeat", "fold"),
    "classification_comparison": _RATES,
    "gate_scores": ("repeat",),
    "segmentation_comparison": (
        *(*_SEGMENTATION_RATES, "boundary_iou_on_positives", "boundary_f1_on_positives"),
        *("pooled_mean_iou", "pooled_mean_iou_with_background"),
        *("pooled_mean_dice", "pooled_mean_dice_with_background"),
    ),
    "class_comparison": _SEGMENTATION_RATES,
    "learning_curve": ("value", "low", "high"),
    "robustness": (
        *("strength", "accuracy", "recall", "false_positive_rate"),
        *("mean_dice", "dice_on_positives"),
    ),
    "run_comparison": (*("before", "after", "difference", "difference_low", "difference_high"),),
    "verdicts": ("coil_id", "position_mm", "gate_score", "joint_score", "margin", "severity"),
    "sheets_to_check": (
        *("coil_id", "position_mm", "gate_score", "joint_score", "margin", "classes", "severity"),
    ),
    "defects": ("coil_id", "position_mm", "area_mm2", "length_mm"),
}
