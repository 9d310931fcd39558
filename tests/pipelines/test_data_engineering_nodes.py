import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from tests.support.data import CONFIG, NO_VOID, NOT_RELABELLED, PLAN, Data

from steel_defects import tables as schemas
from steel_defects.data.config import PositionsConfig, TrustLimits
from steel_defects.errors import SteelDefectsError
from steel_defects.models.config import Backbones
from steel_defects.pipelines.data_engineering import create_pipeline, nodes
from steel_defects.tables.declared import LABEL_CORRECTIONS


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
    tolerant = CONFIG.model_copy(update={"limits": TrustLimits(lost=0.5)})
    annotations, findings, _, void = nodes.check_annotations(
        raw, data.folder, data.inventory, data.groups, *NOT_RELABELLED, tolerant
    )
    assert victim not in set(annotations["sheet_id"])
    assert [finding["sheet_id"] for finding in findings] == [victim, victim]
    sheets = nodes.build_sheets(data.inventory, data.groups, annotations, findings, void)
    # Without it the sheet would pass for clean.
    assert victim not in set(sheets["sheet_id"])
    assert len(sheets) == 15


def test_nothing_left_is_said(data: Data):
    findings = [
        {"where": f"mask {name}", "sheet_id": name, "set_aside": True, "reason": "value 255"}
        for name in data.inventory["sheet_id"]
    ]
    first = data.inventory["sheet_id"].iloc[0]
    with pytest.raises(SteelDefectsError, match=f"no sound sheet is left.*mask {first}: value 255"):
        nodes.build_sheets(
            data.inventory, data.groups, data.annotations.iloc[:0], findings, NO_VOID
        )


def pair(data: Data, relation: str, one: int = 0, other: int = 1) -> pd.DataFrame:
    """Return a table of similar sheets that holds one pair."""
    first, second = data.inventory.iloc[one], data.inventory.iloc[other]
    row = {
        **{"sheet_id": first["sheet_id"], "other_id": second["sheet_id"]},
        **{"sha256": first["sha256"], "other_sha256": second["sha256"]},
        **{"relation": relation, "similarity": 0.9, "score": 0.9, "orientation": 0},
    }
    return schemas.similar_sheets.validate(pd.DataFrame([row]))


@pytest.mark.parametrize("relation", ["same file", "copy", "shared part", "look-alike"])
def test_similar_sheets_share_group_split_and_folds(data: Data, relation: str):
    nothing = pd.DataFrame()
    groups = nodes.group_similar_sheets(data.inventory, pair(data, relation), nothing, CONFIG)
    sheets = nodes.build_sheets(data.inventory, groups, data.annotations, [], NO_VOID)
    splits, _ = nodes.split_sheets(sheets, data.annotations, nothing, CONFIG, PLAN, None)
    twins = splits[splits["sheet_id"].isin(data.inventory["sheet_id"].iloc[:2])]
    assert twins["group_id"].nunique() == twins["split"].nunique() == 1
    assert twins["fold"].map(tuple).nunique() == 1
    schemas.splits.validate(splits)


def test_different_sheets_stay_apart(data: Data):
    different = pair(data, "different")
    groups = nodes.group_similar_sheets(data.inventory, different, pd.DataFrame(), CONFIG)
    assert groups["group_id"].nunique() == 16


def test_a_new_sheet_between_two_splits_is_set_aside(data: Data):
    """Of three sheets the third is new, and like both others."""
    nothing = pd.DataFrame()
    old = data.sheets[data.sheets["sheet_id"] != data.inventory["sheet_id"][2]]
    _, assignments = nodes.split_sheets(old, data.annotations, nothing, CONFIG, PLAN, None)
    assignments = assignments.set_index("sha256")
    for number, split in ((0, "train"), (1, "test")):
        assignments.loc[data.inventory["sha256"][number], "split"] = split
    pairs = pd.concat([pair(data, "copy", 0, 2), pair(data, "copy", 1, 2)])
    earlier = assignments.reset_index()
    groups = nodes.group_similar_sheets(data.inventory, pairs, earlier, CONFIG)
    annotations, findings, _, void = nodes.check_annotations(
        data.raw_annotations, data.folder, data.inventory, groups, *NOT_RELABELLED, CONFIG
    )
    victim = data.inventory["sheet_id"][2]
    assert [(f["sheet_id"], f["set_aside"]) for f in findings] == [(victim, True)]
    assert "similar to sheets that lie in test and train already" in findings[0]["reason"]
    sheets = nodes.build_sheets(data.inventory, groups, annotations, findings, void)
    assert victim not in set(sheets["sheet_id"]) | set(annotations["sheet_id"])
    anew = CONFIG.model_copy(update={"resplit": True})
    assert (nodes.group_similar_sheets(data.inventory, pairs, earlier, anew)["problem"] == "").all()


def test_splits_stay_put_unless_asked(data: Data):
    splits, assignments = nodes.split_sheets(
        data.sheets, data.annotations, pd.DataFrame(), CONFIG, PLAN, None
    )
    schemas.split_assignments.validate(assignments)
    other_seed = CONFIG.model_copy(update={"seed": 77})
    kept, _ = nodes.split_sheets(data.sheets, data.annotations, assignments, other_seed, PLAN, None)
    pd.testing.assert_frame_equal(kept, splits)
    anew = other_seed.model_copy(update={"resplit": True})
    divided, _ = nodes.split_sheets(data.sheets, data.annotations, assignments, anew, PLAN, None)
    assert divided["split"].tolist() != splits["split"].tolist()


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
    broken = data.inventory["sheet_id"].iloc[0]
    finding = {"where": "row 7", "sheet_id": broken, "reason": "why", "set_aside": True}
    absent = finding | {"sheet_id": "x.jpg"}  # a row of a picture that is not there
    moment = pd.Timestamp("2026-11-28", tz="UTC")
    corrections = LABEL_CORRECTIONS.typed(
        (sheet_id, "corrections/b", moment, True, 9, 0, 0.0, changed, "0" * 16, moment)
        for sheet_id, changed in zip(data.sheets["sheet_id"], [True, True, False], strict=False)
    )
    report = nodes.report_quality(
        data.sheets, data.annotations, data.splits, data.inventory, data.similar,
        [finding, absent], [], corrections, CONFIG,
    )  # fmt: skip
    assert (report["sheets"], report["clean_sheets"], report["sheets_set_aside"]) == (16, 8, 1)
    assert report["quarantined"] == [finding, absent]
    assert sum(row["sheets"] for row in report["splits"]) == 16
    again = report["labelled_again"]
    assert {row["source"] for row in again} == {"corrections/b"}
    assert [sum(row[key] for row in again) for key in ("sheets", "changed_labels")] == [3, 2]
    assert sum(row["sheets"] for row in report["class_balance"]) == len(data.annotations)


def test_the_pipeline_runs_on_a_catalog_filled_by_hand(data: Data):
    catalog = DataCatalog(
        {
            "raw_sheets": MemoryDataset(data.folder, copy_mode="assign"),
            "raw_annotations": MemoryDataset(data.raw_annotations),
            "raw_positions": MemoryDataset(pd.DataFrame()),
            "earlier_sheet_inventory": MemoryDataset(pd.DataFrame()),
            "earlier_label_corrections": MemoryDataset(pd.DataFrame()),
            "earlier_labelling_sheets": MemoryDataset(pd.DataFrame()),
            "corrections": MemoryDataset(data.folder.root / "corrections"),
            "earlier_similar_sheets": MemoryDataset(pd.DataFrame()),
            "earlier_split_assignments": MemoryDataset(pd.DataFrame()),
            "params:positions": MemoryDataset(PositionsConfig(), copy_mode="assign"),
            "params:data_engineering": MemoryDataset(CONFIG, copy_mode="assign"),
            "params:cross_validation": MemoryDataset(PLAN, copy_mode="assign"),
            "params:backbones": MemoryDataset(Backbones(["vgg16"]), copy_mode="assign"),
        }
    )
    left = SequentialRunner().run(create_pipeline(), catalog)
    pd.testing.assert_frame_equal(left["tiles"].load(), data.tiles)
    assert left["data_quality"].load()["sheets"] == len(data.sheets)


@pytest.mark.parametrize(
    ("defective", "reason"), [(True, "every sheet has"), (False, "no sheet has")]
)
def test_sheets_of_one_kind_stop_a_run_before_a_gate_is_trained(data: Data, defective, reason):
    sheets = data.sheets.assign(has_defect=defective)
    given = (sheets, data.annotations, pd.DataFrame(), CONFIG, PLAN)
    with pytest.raises(SteelDefectsError, match=f"^{reason} a defect.* --params backbones=$"):
        nodes.split_sheets(*given, Backbones("vgg16"))
    for none in (None, Backbones([])):
        assert len(nodes.split_sheets(*given, none)[0]) == len(sheets)
