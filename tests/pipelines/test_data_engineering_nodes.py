import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from tests.pipelines.conftest import CONFIG, PLAN, Data

from steel_defects.annotations import schemas
from steel_defects.errors import SteelDefectsError
from steel_defects.pipelines.data_engineering import create_pipeline, nodes


def test_tables_keep_their_schemas(data: Data):
    schemas.sheet_inventory.validate(data.inventory)
    schemas.annotations.validate(data.annotations)
    schemas.sheets.validate(data.sheets)
    schemas.splits.validate(data.splits)
    schemas.tiles.validate(data.tiles)
    assert data.findings == []
    assert len(data.sheets) == 16
    assert data.sheets["has_defect"].sum() == 8


def test_a_mask_that_cannot_be_trusted_takes_its_sheet_along(data: Data):
    raw = data.raw_annotations.copy()
    victim = raw["ImageId"].iloc[0]
    raw.loc[0, "EncodedPixels"] = f"{64 * 256} 2"
    annotations, findings = nodes.check_annotations(raw, data.inventory, CONFIG)
    assert victim not in set(annotations["sheet_id"])
    assert [finding["sheet_id"] for finding in findings] == [victim, victim]
    sheets = nodes.build_sheets(data.inventory, annotations, findings, CONFIG)
    # Without it the sheet would pass for clean.
    assert victim not in set(sheets["sheet_id"])
    assert len(sheets) == 15


def test_nothing_left_is_said(data: Data):
    findings = [{"sheet_id": name, "set_aside": True} for name in data.inventory["sheet_id"]]
    with pytest.raises(SteelDefectsError, match="no sound sheet is left"):
        nodes.build_sheets(data.inventory, data.annotations.iloc[:0], findings, CONFIG)


def test_look_alikes_share_group_split_and_folds(data: Data):
    twins = data.inventory.copy()
    first, second = twins.index[:2]
    twins.at[second, "fingerprint"] = twins.at[first, "fingerprint"]
    sheets = nodes.build_sheets(twins, data.annotations, [], CONFIG)
    splits = nodes.split_sheets(sheets, data.annotations, CONFIG, PLAN)
    pair = splits[splits["sheet_id"].isin(twins.loc[[first, second], "sheet_id"])]
    assert pair["group_id"].nunique() == pair["split"].nunique() == 1
    assert pair["fold"].map(tuple).nunique() == 1
    schemas.splits.validate(splits)


def test_every_repeat_puts_every_sheet_into_a_fold(data: Data):
    folds = pd.DataFrame(data.splits["fold"].tolist())
    assert folds.shape == (16, 2)
    for repeat in folds:
        assert folds[repeat].value_counts().to_dict() == {0: 8, 1: 8}
    assert (folds[0] != folds[1]).any()


def test_tiles_hold_all_defective_pixels_once(data: Data):
    areas = data.tiles.groupby("sheet_id")["area_px"].apply(lambda cells: sum(map(sum, cells)))
    expected = data.annotations.groupby("sheet_id")["area_px"].sum()
    assert areas[areas > 0].to_dict() == expected.to_dict()


def test_quality_sums_up(data: Data):
    finding = {"where": "row 7", "sheet_id": "x.jpg", "reason": "why", "set_aside": True}
    report = nodes.report_quality(data.sheets, data.annotations, data.splits, [finding], CONFIG)
    assert (report["sheets"], report["clean_sheets"], report["sheets_set_aside"]) == (16, 8, 1)
    assert report["quarantined"] == [finding]
    assert sum(row["sheets"] for row in report["splits"]) == 16
    assert sum(row["sheets"] for row in report["class_balance"]) == len(data.annotations)


def test_the_pipeline_runs_on_a_catalog_filled_by_hand(data: Data):
    catalog = DataCatalog(
        {
            "raw_sheets": MemoryDataset(data.folder, copy_mode="assign"),
            "raw_annotations": MemoryDataset(data.raw_annotations),
            "params:data_engineering": MemoryDataset(CONFIG, copy_mode="assign"),
            "params:cross_validation": MemoryDataset(PLAN, copy_mode="assign"),
        }
    )
    left = SequentialRunner().run(create_pipeline(), catalog)
    pd.testing.assert_frame_equal(left["tiles"].load(), data.tiles)
    assert left["data_quality"].load()["sheets"] == len(data.sheets)
