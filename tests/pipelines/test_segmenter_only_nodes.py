"""Sheets of a second folder: what they are called, what they train, and what they never reach."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
from tests.pipelines.test_classification_nodes import TRAINING as GATE_TRAINING
from tests.pipelines.test_learning_curve_nodes import Trainer as CurveTrainer
from tests.pipelines.test_learning_curve_nodes import segmenter as segmenter_curve
from tests.pipelines.test_segmentation_nodes import TRAINING, Seer
from tests.pipelines.test_segmenter_cross_validation import Trainer, run
from tests.support.data import CONFIG, PLAN, Data
from tests.support.second_folder import draw_second, with_second

from steel_defects import tables as schemas
from steel_defects.data.config import PositionsConfig, SampleDataConfig, TrustLimits
from steel_defects.data.splits import groups_beside
from steel_defects.datasets.tables import LabelsDataset
from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.models.config import BackboneConfig, NetworkConfig
from steel_defects.package.learned import learned_sheets
from steel_defects.pipelines.classification.nodes import cross_validate
from steel_defects.pipelines.data_engineering import nodes
from steel_defects.tables.columns import SEGMENTER_ONLY
from steel_defects.tables.declared import LABEL_CORRECTIONS
from steel_defects.training import cross_validation, folds, learning_curve
from steel_defects.training.config import BackboneTraining
from steel_defects.training.folds import folds_of
from steel_defects.training.jobs import (
    ClassifierRecipe,
    SegmenterRecipe,
    TrainingData,
    train_classifier,
    train_segmenter,
)

NO_CORRECTIONS = LABEL_CORRECTIONS.empty()
DRAWN = SampleDataConfig(seed=77, sheets=8, new_sheets=1, width=256, height=64)


@pytest.fixture(scope="module")
def folder(data: Data, tmp_path_factory) -> SheetFolder:
    """Four defective sheets, and copies of a sheet of each split."""
    root = tmp_path_factory.mktemp("more")
    first = data.splits.groupby("split")["sheet_id"].first()
    like = {f"like_{split}.jpg": data.folder[sheet_id] for split, sheet_id in first.items()}
    draw_second(root, DRAWN, like)
    return SheetFolder(root)


@pytest.fixture(scope="module")
def labels(folder: SheetFolder) -> pd.DataFrame:
    return pd.read_csv(folder.root / "train.csv", dtype=str)


@pytest.fixture(scope="module")
def both(data: Data, folder: SheetFolder, labels: pd.DataFrame) -> Data:
    return with_second(data, folder, labels)


def alone(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["sheet_id"].str.startswith("segmenter_only/")]


def own(table: pd.DataFrame) -> pd.DataFrame:
    return table[~table["sheet_id"].str.startswith("segmenter_only/")].reset_index(drop=True)


def test_tables_keep_their_schemas(both: Data):
    for name in ("sheet_inventory", "similar_sheets", "sheet_groups"):
        table = getattr(both, name.removeprefix("sheet_").removesuffix("_sheets"))
        getattr(schemas, name).validate(table)
    for name in ("annotations", "sheets", "splits", "tiles"):
        getattr(schemas, name).validate(getattr(both, name))
    assert both.findings == []


def test_no_row_of_the_data_folder_changes(data: Data, both: Data):
    for name in ("inventory", "groups", "annotations", "sheets", "splits", "tiles"):
        table = own(getattr(both, name))
        pd.testing.assert_frame_equal(table, getattr(data, name), check_exact=True)
    ends = both.similar[["sheet_id", "other_id"]].map(lambda name: name.startswith(SEGMENTER_ONLY))
    pairs = both.similar[~ends.any(axis=1)].reset_index(drop=True)
    pd.testing.assert_frame_equal(pairs, data.similar)


def test_their_names_their_split_and_their_paths(data: Data, both: Data, folder: SheetFolder):
    sheets, splits = alone(both.sheets), alone(both.splits)
    assert sheets["sheet_id"].tolist() == [f"segmenter_only/{name}" for name in folder.sheet_ids]
    assert set(splits["split"]) == {SEGMENTER_ONLY}
    assert splits["fold"].tolist() == [[]] * len(folder)
    assert set(alone(both.tiles)["split"]) == {SEGMENTER_ONLY}
    reader = nodes.reading_both(data.folder, sheets)
    for path, name in zip(sheets["path"], folder.sheet_ids, strict=True):
        assert path.startswith("../")
        np.testing.assert_array_equal(reader.read(path), folder[name])
    # The folder itself goes on refusing what lies beside it.
    with pytest.raises(SteelDefectsError, match="leads out of the folder"):
        data.folder.read(sheets["path"].iloc[0])


def test_look_alikes_have_the_group_of_the_sheet_that_they_resemble(data: Data, both: Data):
    groups = both.splits.set_index("sheet_id")["group_id"]
    for split, sheet_id in data.splits.groupby("split")["sheet_id"].first().items():
        assert groups[f"segmenter_only/like_{split}.jpg"] == groups[sheet_id]
    others = [name for name in alone(both.splits)["sheet_id"] if "like" not in name]
    assert len(others) >= 3
    assert not set(groups[others]) & set(own(both.splits)["group_id"])


def test_a_sheet_like_two_groups_is_set_aside(data: Data, both: Data, folder, labels):
    one, other, third = data.inventory["sheet_id"][:3]
    alike, between, chained = alone(both.inventory)["sheet_id"][:3]
    pairs = [(alike, one), (between, one), (other, between), (chained, alike)]
    groups = groups_beside(data.groups, [alike, between, chained], pairs).set_index("sheet_id")
    group = data.groups.set_index("sheet_id")["group_id"]
    assert groups["group_id"].loc[[alike, chained]].tolist() == [group[one]] * 2
    assert groups["problem"].loc[[alike, chained]].tolist() == ["", ""]
    names = sorted([group[one], group[other]])
    assert groups.loc[between, "problem"] == (
        "set aside: similar to sheets that lie in the group of "
        f"{names[0]} and the group of {names[1]} already"
    )
    # A sheet of the data folder that is set aside itself, trains nothing and is held out nowhere.
    aside = data.groups.assign(problem=np.where(data.groups["sheet_id"] == third, "aside", ""))
    free = groups_beside(aside, [alike], [(alike, third)])
    assert free["group_id"].tolist() == [alike]


def test_what_holds_out_a_look_alike_leaves_a_sheet_out(both: Data):
    strata = dict.fromkeys(both.splits["sheet_id"], "")
    group = both.splits.set_index("sheet_id")["group_id"]
    further, left_out = set(alone(both.splits)["sheet_id"]), {"validation": 0, "held_out": 0}
    for seed in range(4):  # each takes other sheets for validation
        for fold in folds_of(both.splits, strata, 2, 0.3, seed):
            assert not further & {*fold.validation, *fold.held_out}
            missing = further - set(fold.training)
            for part in left_out:
                unseen = set(group[getattr(fold, part)])
                alike = {name for name in further if group[name] in unseen}
                assert alike <= missing
                left_out[part] += len(alike)
                missing -= alike
            assert not missing
    assert left_out["held_out"] == 4 * 2 * 3  # a look-alike of a sheet of each split
    assert left_out["validation"] > 0


def test_folds_of_the_data_folder_stay(data: Data, both: Data):
    strata = dict.fromkeys(both.splits["sheet_id"], "")
    folds = [list(folds_of(one.splits, strata, 2, 0.3, seed=1)) for one in (data, both)]
    for before, after in zip(*folds, strict=True):
        kept = [name for name in after.training if not name.startswith(SEGMENTER_ONLY)]
        assert replace(after, training=kept) == before


@pytest.fixture
def shown(monkeypatch) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Notes the tiles that a segmenter is trained and stopped by, instead of training it."""
    parts = []

    def fit(training, validation, recipe, folder):
        parts.append((training, validation))
        model = SimpleNamespace(count_params=lambda: 1)
        return SimpleNamespace(model=model, history=pd.DataFrame({"epoch": [1]}), seconds=1.0)

    monkeypatch.setattr("steel_defects.training.segmentation.fit_segmenter", fit)
    monkeypatch.setattr(
        "steel_defects.prediction.predicted_masks.measure_speed", lambda *_, **__: 1.0
    )
    return parts


def trained(data: Data, folder: Path, cache: bool = False) -> None:
    tables = (data.sheets, data.annotations, data.splits, data.tiles)
    recipe = SegmenterRecipe(
        NetworkConfig({"name": "unet", "filters": (2, 4)}).root,
        TRAINING.model_copy(update={"cache": cache}),
    )
    train_segmenter(TrainingData(data.folder, *tables, folder), recipe, classes=4)


@pytest.mark.parametrize("cache", [False, True])
def test_the_final_segmenter_learns_from_those_unlike_held_out_sheets(
    data: Data, both: Data, folder: SheetFolder, shown, tmp_path, cache
):
    trained(data, tmp_path)
    trained(both, tmp_path / "cache", cache)
    (before, tuned_before), (after, tuned) = shown
    further = {f"segmenter_only/{name}" for name in folder.sheet_ids}
    further -= {"segmenter_only/like_validation.jpg", "segmenter_only/like_test.jpg"}
    assert set(after.tiles["sheet_id"]) - set(before.tiles["sheet_id"]) == further
    pd.testing.assert_frame_equal(own(after.tiles), before.tiles)
    pd.testing.assert_frame_equal(tuned.tiles, tuned_before.tiles)
    pictures = {row.sheet_id: after.folder.read(row.path) for row in after.sheets}
    for name in folder.sheet_ids:
        if f"segmenter_only/{name}" in further:
            np.testing.assert_array_equal(pictures[f"segmenter_only/{name}"], folder[name])


def test_a_missing_folder_is_told_before_the_training(
    data: Data, folder: SheetFolder, labels, shown, tmp_path
):
    moved = tmp_path / "more"
    shutil.copytree(folder.root, moved)
    tables = with_second(data, SheetFolder(moved), labels)
    shutil.rmtree(moved)
    message = (
        rf"^{len(folder)} of {len(folder)} pictures for segmenters alone are missing, such as "
        rf"{moved}/train_images/.*: put the folder back where it was"
    )
    with pytest.raises(SteelDefectsError, match=message):
        trained(tables, tmp_path)
    assert shown == []


def test_both_folders_may_be_moved_together(data: Data, folder, labels, shown, tmp_path):
    for name, source in (("raw", data.folder.root), ("more", folder.root)):
        shutil.copytree(source, tmp_path / "old" / name)
    here = replace(data, folder=SheetFolder(tmp_path / "old" / "raw"))
    tables = with_second(here, SheetFolder(tmp_path / "old" / "more"), labels)
    shutil.move(tmp_path / "old", tmp_path / "new")
    trained(replace(tables, folder=SheetFolder(tmp_path / "new" / "raw")), tmp_path)
    assert len(shown) == 1


def test_gates_never_see_them(both: Data, data: Data, tmp_path):
    tables = (both.sheets, both.annotations, both.splits, both.tiles)
    of_gates = TrainingData(both.folder, *tables, tmp_path).without_segmenter_only()
    for name in ("sheets", "annotations", "splits", "tiles"):
        pd.testing.assert_frame_equal(getattr(of_gates, name), getattr(data, name))
    assert of_gates.labelled_sheets(cache=False).folder is data.folder


def test_their_defects_do_not_make_up_for_those_that_a_gate_lacks(both: Data, tmp_path):
    clean = both.sheets["has_defect"] & both.sheets["sheet_id"].str.startswith(SEGMENTER_ONLY)
    tables = (both.sheets.assign(has_defect=clean), both.annotations, both.splits, both.tiles)
    recipe = ClassifierRecipe(BackboneConfig(name="mobilenet_v2", weights="none"), GATE_TRAINING)
    with pytest.raises(SteelDefectsError, match="^no sheet has a defect, so that there is nothing"):
        train_classifier(TrainingData(both.folder, *tables, tmp_path), recipe)


def test_gates_are_cross_validated_as_without_them(both: Data, data: Data, monkeypatch, tmp_path):
    seen = []

    def train(training, validation, *_):
        seen.append((training.sheets["sheet_id"].tolist(), validation.sheets["sheet_id"].tolist()))
        return SimpleNamespace(model=None)

    def scores(model, part):
        return np.linspace(0.1, 0.9, len(part.sheets))

    monkeypatch.setattr(cross_validation, "fit_classifier", train)
    monkeypatch.setattr(cross_validation, "scorer_of", lambda *_: scores)
    monkeypatch.setattr(cross_validation, "load_model", lambda path: None)
    monkeypatch.setattr(folds, "save_model", lambda model, path: None)
    own_backbone = BackboneTraining(backbone=BackboneConfig(name="mobilenet_v2", weights="none"))
    tables = [
        cross_validate(
            one.folder, one.sheets, one.annotations, one.splits, tmp_path, tmp_path,
            GATE_TRAINING, own_backbone, PLAN,
        )
        for one in (data, both)
    ]  # fmt: skip
    pd.testing.assert_frame_equal(*tables)
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]
    assert len(seen) == 2 * PLAN.folds * PLAN.repeats


def test_segmenters_of_folds_learn_from_them_and_outline_the_others(
    both: Data, data: Data, monkeypatch, tmp_path
):
    trainer = Trainer(both)
    monkeypatch.setattr(cross_validation, "fit_segmenter", trainer)
    monkeypatch.setattr(folds, "save_model", lambda model, path: path.touch())
    monkeypatch.setattr(cross_validation, "load_model", lambda path: trainer.seer)
    table = run(both, tmp_path)
    assert set(table["sheet_id"]) == set(data.sheets["sheet_id"])
    further = set(alone(both.sheets)["sheet_id"])
    free = {name for name in further if "like" not in name}
    for learned, tuned, _ in trainer.shown:
        assert free <= learned & further < further
        assert not tuned & further


def test_learning_curves_are_those_of_the_data_folder(
    both: Data, data: Data, monkeypatch, tmp_path
):
    trainer = CurveTrainer(Seer(data))
    monkeypatch.setattr(learning_curve, "fit_segmenter", trainer)
    monkeypatch.setattr(folds, "save_model", lambda model, path: path.touch())
    monkeypatch.setattr(cross_validation, "load_model", lambda path: trainer.model)
    curves = [segmenter_curve(one, tmp_path) for one in (data, both)]
    pd.testing.assert_frame_equal(*curves)
    half = len(trainer.shown) // 2
    assert trainer.shown[:half] == trainer.shown[half:] != []


def test_a_package_names_those_that_it_learned_from(data: Data, both: Data):
    before, after = (set(learned_sheets(one.sheets, one.splits).split()) for one in (data, both))
    digests = alone(both.sheets).set_index("sheet_id")["sha256"].str[:16]
    left_out = {f"segmenter_only/like_{split}.jpg" for split in ("test", "validation")}
    assert after - before == set(digests[~digests.index.isin(left_out)])


# === Limits and slips ===


def test_limits_hold_for_the_folder_by_itself(data: Data, folder: SheetFolder, labels):
    broken = labels.assign(EncodedPixels="999999 2")
    with pytest.raises(SteelDefectsError, match=rf"segmenter_only, {folder.root}: .*limits\.lost"):
        with_second(data, folder, broken)
    misnamed = labels.assign(ImageId=labels["ImageId"].str.replace(".jpg", ".bmp"))
    with pytest.raises(SteelDefectsError, match=rf"{folder.root}: .* labels name no picture"):
        with_second(data, folder, misnamed)


def test_findings_and_counts_name_the_folder(data: Data, folder: SheetFolder, labels, tmp_path):
    root = tmp_path / "more"
    shutil.copytree(folder.root, root)
    (root / "train_images" / "broken.jpg").write_bytes(b"no picture")
    tables = with_second(data, SheetFolder(root), labels)
    assert [one["sheet_id"] for one in tables.findings] == ["segmenter_only/broken.jpg"]
    config = CONFIG.model_copy(update={"segmenter_only": str(root)})
    arguments = (tables.inventory, tables.similar, tables.findings, [], NO_CORRECTIONS)
    report = nodes.report_quality(
        tables.sheets, tables.annotations, tables.splits, *arguments, config
    )
    nothing = (data.inventory, data.similar, data.findings, [], NO_CORRECTIONS)
    before = nodes.report_quality(data.sheets, data.annotations, data.splits, *nothing, CONFIG)
    second = {key: report.pop(key) for key in list(report) if key.startswith(SEGMENTER_ONLY)}
    assert report.pop("quarantined") == tables.findings
    assert report == {key: value for key, value in before.items() if key != "quarantined"}
    count = len(folder)
    assert second["segmenter_only"] == {
        "sheets": count,
        "defective_sheets": labels["ImageId"].nunique(),
        "sheets_set_aside": 1,
        "left_out_of_the_final_segmenter": 2,
        "left_out_of_some_folds": 3,
    }
    alike = {row["sheet_id"]: row for row in second["segmenter_only_look_alikes"]}
    assert alike["segmenter_only/like_test.jpg"]["split"] == "test"
    assert "final" in alike["segmenter_only/like_test.jpg"]["left_out_of"]
    assert "final" not in alike["segmenter_only/like_train.jpg"]["left_out_of"]


def test_names_and_folders_that_would_be_mixed_up_are_refused(data: Data, folder, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(data.folder.root, raw)
    pictures = raw / "train_images"
    for second in (raw, pictures, tmp_path):
        with pytest.raises(SteelDefectsError, match="lie in each other; move each into a folder"):
            nodes.inventory_sheets(SheetFolder(raw), pd.DataFrame(), CONFIG, SheetFolder(second))
    (pictures / SEGMENTER_ONLY).mkdir()
    shutil.copy(next(pictures.glob("*.jpg")), pictures / SEGMENTER_ONLY / "a.jpg")
    with pytest.raises(SteelDefectsError, match=r"holds segmenter_only/a\.jpg.* rename the folder"):
        nodes.inventory_sheets(SheetFolder(raw), pd.DataFrame(), CONFIG, folder)
    inside = raw / "more"  # beside the pictures, not among them
    shutil.copytree(folder.root, inside)
    shutil.rmtree(pictures / SEGMENTER_ONLY)
    table = nodes.inventory_sheets(SheetFolder(raw), pd.DataFrame(), CONFIG, SheetFolder(inside))
    assert alone(table)["path"].str.startswith("more/train_images/").all()


def test_both_folders_may_hold_equal_names(data: Data, folder: SheetFolder, labels, tmp_path):
    """Of a broken picture, of one that is set aside, and of sound ones."""
    raw, more = tmp_path / "raw", tmp_path / "more"
    shutil.copytree(data.folder.root, raw)
    shutil.copytree(folder.root, more)
    broken, aside, sound = data.folder.sheet_ids[:3]
    (raw / "train_images" / broken).write_bytes(b"no picture")
    fresh = iter(labels["ImageId"].unique())
    renamed = {next(fresh): name for name in (broken, aside, sound)}
    for old, new in renamed.items():
        (more / "train_images" / old).rename(more / "train_images" / new)
    tables = with_second(
        replace(data, folder=SheetFolder(raw)),
        SheetFolder(more),
        labels.assign(ImageId=labels["ImageId"].replace(renamed)),
        CONFIG.model_copy(update={"limits": TrustLimits(lost=1, unusable=1)}),
        aside,
    )
    ids = set(tables.sheets["sheet_id"])
    assert not {broken, aside} & ids
    assert {sound, *(f"segmenter_only/{name}" for name in renamed.values())} <= ids
    masks = tables.annotations.set_index("sheet_id")["rle"]
    for old, new in renamed.items():
        drawn = labels.loc[labels["ImageId"] == old, "EncodedPixels"]
        assert masks.loc[[f"segmenter_only/{new}"]].tolist() == drawn.tolist()
    again = nodes.inventory_sheets(SheetFolder(raw), tables.inventory, CONFIG, SheetFolder(more))
    pd.testing.assert_frame_equal(again, tables.inventory)


def test_pictures_that_are_known_are_not_read_again(data: Data, both: Data, folder, monkeypatch):
    def read(self, sheet_id):
        raise AssertionError(f"{sheet_id} is read again")

    monkeypatch.setattr(SheetFolder, "read_file", read)
    table = nodes.inventory_sheets(data.folder, both.inventory, CONFIG, folder)
    pd.testing.assert_frame_equal(table, both.inventory)


def test_a_folder_of_other_labels(data: Data, folder: SheetFolder, tmp_path):
    """Masks as pictures: the two folders need not have one format."""
    (tmp_path / "images").mkdir()
    (tmp_path / "annotations").mkdir()
    image = folder[folder.sheet_ids[0]]
    cv2.imwrite(str(tmp_path / "images" / "one.png"), image)
    mask = np.zeros_like(image)
    mask[10:30, 50:90] = 2
    cv2.imwrite(str(tmp_path / "annotations" / "one.png"), mask)
    masks = LabelsDataset(filepath=str(tmp_path / "train.csv")).load()
    tables = with_second(data, SheetFolder(tmp_path), masks)
    row = alone(tables.annotations).iloc[0]
    assert (row["sheet_id"], row["class_id"], row["area_px"]) == ("segmenter_only/one.png", 2, 800)


def test_leakage_counts_them_as_training_sheets(data: Data, both: Data, folder: SheetFolder):
    config = CONFIG.model_copy(update={"segmenter_only": str(folder.root)})
    tables = (both.sheets, both.annotations, both.splits, both.inventory)
    leakage, lookups = nodes.measure_leakage(data.folder, *tables, config)
    before = nodes.measure_leakage(
        data.folder, data.sheets, data.annotations, data.splits, data.inventory, CONFIG
    )
    further = leakage["division"] == "by group, with segmenter_only"
    pd.testing.assert_frame_equal(leakage[~further], before[0])
    assert leakage.loc[further, "copies"].tolist() == [0, 0]  # validation and test
    assert lookups["division"].tolist()[:2] == before[1]["division"].tolist()


def test_they_have_no_position_and_are_not_odd(data: Data, both: Data, folder: SheetFolder):
    root = str(folder.root)
    pattern = PositionsConfig(pattern=r"^(?P<coil_id>\d+)")
    table, findings = nodes.locate_sheets(
        both.sheets, both.inventory, pd.DataFrame(), pattern, root
    )
    before = nodes.locate_sheets(data.sheets, data.inventory, pd.DataFrame(), pattern)
    assert findings == before[1]
    pd.testing.assert_frame_equal(own(table), before[0])
    assert alone(table)["coil_id"].isna().all()
    oddest = nodes.find_oddest_sheets(both.sheets, both.inventory, root)
    pd.testing.assert_frame_equal(oddest, nodes.find_oddest_sheets(data.sheets, data.inventory))


def test_corrections_there_are_not_read_and_told(data: Data, folder, labels, tmp_path, caplog):
    root = tmp_path / "more"
    shutil.copytree(folder.root, root)
    (root / "corrections").mkdir()
    with_second(data, SheetFolder(root), labels)
    assert f"{root}: corrections are read below raw_dir alone, not here" in caplog.text


def test_splits_stay_put_when_the_folder_comes_and_goes(data: Data, both: Data, folder):
    config = CONFIG.model_copy(update={"segmenter_only": str(folder.root)})
    nothing = pd.DataFrame()
    splits, assignments = nodes.split_sheets(
        both.sheets, both.annotations, nothing, config, PLAN, None
    )
    before = nodes.split_sheets(data.sheets, data.annotations, nothing, CONFIG, PLAN, None)
    pd.testing.assert_frame_equal(assignments, before[1])
    pd.testing.assert_frame_equal(splits, both.splits)
