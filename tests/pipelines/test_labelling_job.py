"""What goes to the people who label, and that it is understood when it comes back."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.support.data import CONFIG, NOT_RELABELLED, Data
from tests.support.trained import stand_in

from steel_defects import tables as schemas
from steel_defects.data.labelling import LabellingConfig
from steel_defects.datasets.image_folder import ImageFolderDataset
from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.inspection.sources import FolderSource
from steel_defects.labels import rle as run_length
from steel_defects.labels.formats.recognise import LabelFolder
from steel_defects.labels.masks import masks_by_sheet
from steel_defects.pipelines.data_engineering import nodes as data_engineering
from steel_defects.pipelines.labelling import nodes
from steel_defects.tables.declared import LABEL_ISSUES, ODDEST_SHEETS, PREDICTIONS

SIZE = 64, 256
EVERYTHING = LabellingConfig(test=True)
NOTHING = pd.DataFrame()


def ring(at: int) -> str:
    """Return a ring with an island in its hole, and a part of its own."""
    mask = np.zeros(SIZE, np.uint8)
    mask[10:50, at : at + 60] = 1
    mask[20:40, at + 10 : at + 50] = 0
    mask[28:31, at + 20 : at + 25] = 1
    mask[0:3, 240:256] = 1
    return run_length.encode(mask)


def predictions(data: Data) -> pd.DataFrame:
    """Outline every second sheet, as if none had been learned from."""
    rows = [
        (sheet_id, "test", None, None, k, name, ring(5 * n) if k == 1 + n % 4 else "", 0, 0.5)
        for n, sheet_id in enumerate(data.sheets["sheet_id"][::2])
        for k, name in enumerate(CONFIG.class_names, start=1)
    ]
    columns = ["sheet_id", "split", "repeat", "fold", "class_id", "class_name", "rle", "area_px",
               "score"]  # fmt: skip
    return PREDICTIONS.typed(pd.DataFrame(rows, columns=columns)[list(PREDICTIONS.columns)])


def odd(data: Data) -> pd.DataFrame:
    rows = data.sheets[["sheet_id", "path"]].assign(measure="contrast", value=1.0, percentile=99.0)
    return ODDEST_SHEETS.typed(rows)


@pytest.fixture
def inspected(data: Data, tmp_path: Path) -> tuple[FolderSource, pd.DataFrame, pd.DataFrame]:
    """Three new pictures, one of which is a copy of a labelled one, and one that is broken."""
    folder = tmp_path / "new"
    (folder / "night shift").mkdir(parents=True)
    first, second = (data.folder.read_file(one) for one in data.sheets["sheet_id"][:2])
    for name, content in (
        ("copy.jpg", first),
        ("night shift/a+b & c.jpg", second + b"\n"),
        (data.sheets["sheet_id"][0], second + b"\n\n"),
        ("broken.jpg", b"no picture"),
    ):
        (folder / name).write_bytes(content)
    names = ["copy.jpg", "night shift/a+b & c.jpg", data.sheets["sheet_id"][0], "broken.jpg"]
    verdicts = pd.DataFrame(
        {"sheet_id": names, "verdict": "review", "margin": [0.1, 0.2, 0.3, None],
         "reason": "gate without region"}
    )  # fmt: skip
    masks = pd.DataFrame(
        {
            "ImageId_ClassId": [f"{name}_{k}" for name in names for k in (1, 2)],
            "EncodedPixels": [text for n in range(4) for text in (ring(20 * n), "")],
        }
    )
    return FolderSource(folder), verdicts, masks


def chosen(data: Data, config: LabellingConfig = EVERYTHING, **changes: object) -> pd.DataFrame:
    given = {
        "label_issues": LABEL_ISSUES.empty(), "oddest_sheets": odd(data), "sheets": data.sheets,
        "splits": data.splits, "inspected_verdicts": NOTHING, "inspected_pictures": None,
        "sent_to_label": NOTHING, "labelling": config,
    }  # fmt: skip
    table = nodes.choose_sheets(**(given | changes))
    schemas.labelling_sheets.validate(table)
    return table


def job_of(data: Data, table: pd.DataFrame, place: Path, inspected=None) -> Path:
    source, _, masks = inspected or (None, None, NOTHING)
    model = stand_in("unet", predictions=predictions(data))
    files = nodes.make_labelling_job(
        table, data.folder, data.sheets, data.annotations, model, masks, source, CONFIG
    )
    ImageFolderDataset(filepath=str(place)).save(files)
    return place


def test_test_sheets_are_left_out_unless_they_are_asked_for(data: Data):
    test = set(data.splits.loc[data.splits["split"] == "test", "sheet_id"])
    assert test
    table = chosen(data, LabellingConfig())
    assert set(table["sheet_id"]) == set(data.sheets["sheet_id"]) - test
    assert set(chosen(data)["sheet_id"]) == set(data.sheets["sheet_id"])
    assert len(chosen(data, LabellingConfig(sheets=3))) == 3


def test_without_anything_to_label_there_is_no_job(data: Data):
    with pytest.raises(SteelDefectsError, match="there is nothing to label"):
        chosen(data, oddest_sheets=odd(data).iloc[:0])


def test_reviewed_sheets_go_out_unless_they_are_labelled_or_broken(data: Data, inspected, caplog):
    source, verdicts, _ = inspected
    table = chosen(data, inspected_verdicts=verdicts, inspected_pictures=source)
    new = table[table["origin"] == "new"]
    assert set(new["sheet_id"]) == {"night shift/a+b & c.jpg", data.sheets["sheet_id"][0]}
    assert new["name"].str.startswith(new["job"].iloc[0] + "/").all()
    assert "1 inspected sheets can't be read, and are left out: broken.jpg" in caplog.text


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_that_was_not_inspected_is_told(data: Data, inspected, tmp_path, there: bool):
    empty = tmp_path / "empty"
    empty.mkdir()
    source = FolderSource(empty) if there else None
    with pytest.raises(SteelDefectsError, match="give the folder that was inspected"):
        chosen(data, inspected_verdicts=inspected[1], inspected_pictures=source)


def answer_tasks(job: Path) -> str:
    tasks = json.loads((job / "label_studio.json").read_text(encoding="utf-8"))
    for task in tasks:
        result = task.pop("predictions")[0]["result"]
        task["annotations"] = [{"result": result, "updated_at": "2026-11-28T10:00:00Z"}]
    return json.dumps(tasks)


@pytest.mark.parametrize("tool", ["coco", "label_studio"])
def test_a_job_comes_back_as_it_went_out(data: Data, inspected, tmp_path: Path, tool: str):
    source, verdicts, _ = inspected
    table = chosen(data, inspected_verdicts=verdicts, inspected_pictures=source)
    job = job_of(data, table, tmp_path / "job", inspected)
    assert SheetFolder(job).sheet_ids == sorted(table["name"])
    root = tmp_path / "raw"
    back = root / "corrections" / "first"
    back.mkdir(parents=True)
    text = answer_tasks(job) if tool == "label_studio" else (job / "coco.json").read_text("utf-8")
    (back / "export.json").write_text(text, encoding="utf-8")
    (job / "images").rename(root / "images")
    folder = SheetFolder(root)
    inventory = data_engineering.inventory_sheets(folder, NOTHING, CONFIG)
    groups = inventory[["sheet_id"]].assign(group_id=inventory["sheet_id"], problem="")
    labels = pd.DataFrame({"ImageId": [], "ClassId": [], "EncodedPixels": []}, dtype="str")
    annotations, findings, relabelled, _ = data_engineering.check_annotations(
        labels, folder, inventory, groups, root / "corrections", table, NOTHING, CONFIG
    )
    assert findings == []
    assert set(relabelled["sheet_id"]) == set(table["name"])
    assert masks_by_sheet(annotations) == expected(data, table)
    # As labels of their own the files are understood, too.
    (root / "corrections").rename(tmp_path / "gone")
    (root / "labels.json").write_text(text, encoding="utf-8")
    own, *_ = data_engineering.check_annotations(
        LabelFolder(root), folder, inventory, groups, *NOT_RELABELLED, CONFIG
    )
    pd.testing.assert_frame_equal(own, annotations)


def expected(data: Data, table: pd.DataFrame) -> dict[str, dict[int, str]]:
    """Return what the model sees; of a sheet of which it says nothing, the labels of today."""
    said = predictions(data)
    masks = {
        sheet_id: labels
        for sheet_id, labels in masks_by_sheet(data.annotations).items()
        if sheet_id not in set(said["sheet_id"])
    } | masks_by_sheet(said[said["rle"] != ""])
    names = dict(zip(table["sheet_id"], table["name"], strict=True))
    new = table[table["origin"] == "new"].set_index("sheet_id")["name"]
    return (
        masks
        | {
            new["night shift/a+b & c.jpg"]: {1: ring(20)},
            new[data.sheets["sheet_id"][0]]: {1: ring(40)},
        }
        if names
        else {}
    )


def test_a_sheet_of_which_the_model_says_nothing_keeps_its_labels(data: Data, tmp_path: Path):
    job = job_of(data, chosen(data), tmp_path / "job")
    content = json.loads((job / "coco.json").read_text(encoding="utf-8"))
    silent = set(data.sheets["sheet_id"][1::2]) & set(data.annotations["sheet_id"])
    numbers = {one["id"] for one in content["images"] if one["file_name"] in silent}
    assert numbers <= {one["image_id"] for one in content["annotations"]}


def test_labels_in_doubt_come_from_sheets_that_the_model_had_not_seen(data: Data):
    model = stand_in("unet", predictions=predictions(data))
    issues = nodes.rank_label_issues(model, data.sheets, data.annotations, CONFIG)
    schemas.label_issues.validate(issues)
    assert len(issues)
    assert set(issues["sheet_id"]) <= set(data.sheets["sheet_id"][::2])
