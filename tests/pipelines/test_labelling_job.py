"""What goes to the people who label, and that it is understood when it comes back."""

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError
from tests.support.data import CONFIG, Data
from tests.support.trained import stand_in

from steel_defects import tables as schemas
from steel_defects.data.labelling import LabellingConfig
from steel_defects.datasets.labelling_jobs import LabellingJob, LabellingJobsDataset
from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.inspection.sources import FolderSource
from steel_defects.labels import rle as run_length
from steel_defects.labels.formats.recognise import LabelFolder
from steel_defects.labels.masks import masks_by_sheet
from steel_defects.pipelines.data_engineering import nodes as data_engineering
from steel_defects.pipelines.labelling import nodes
from steel_defects.tables.declared import (
    LABEL_CORRECTIONS,
    LABEL_ISSUES,
    ODDEST_SHEETS,
    PREDICTIONS,
)

SIZE = 64, 256
COLUMNS = [
    *("sheet_id", "split", "repeat", "fold", "class_id", "class_name", "rle", "area_px", "score")
]
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
    return PREDICTIONS.typed(pd.DataFrame(rows, columns=COLUMNS))


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


def made(data: Data, inspected=None, config: LabellingConfig = EVERYTHING, **changes: object):
    """Make a job; returns its files and the table of what was sent."""
    source, verdicts, masks = inspected or (None, NOTHING, NOTHING)
    given = {
        "label_issues": LABEL_ISSUES.empty(), "oddest_sheets": odd(data),
        "raw_sheets": data.folder, "sheet_inventory": data.inventory,
        "similar_sheets": data.similar, "sheets": data.sheets,
        "annotations": data.annotations, "splits": data.splits,
        "label_corrections": LABEL_CORRECTIONS.empty(),
        "chosen_segmenter": stand_in("unet", predictions=predictions(data)),
        "inspected_verdicts": verdicts, "inspected_masks": masks, "inspected_pictures": source,
        "earlier_labelling_sheets": NOTHING, "data_engineering": CONFIG, "labelling": config,
    }  # fmt: skip
    job, table = nodes.make_labelling_job(**(given | changes))
    schemas.labelling_sheets.validate(table)
    return job, table


def test_test_sheets_are_left_out_unless_they_are_asked_for(data: Data):
    test = set(data.splits.loc[data.splits["split"] == "test", "sheet_id"])
    assert test
    _, table = made(data, config=LabellingConfig())
    assert set(table["sheet_id"]) == set(data.sheets["sheet_id"]) - test
    assert set(made(data)[1]["sheet_id"]) == set(data.sheets["sheet_id"])
    assert len(made(data, config=LabellingConfig(sheets=3))[1]) == 3


def test_without_anything_to_label_there_is_no_job(data: Data):
    with pytest.raises(SteelDefectsError, match="there is nothing to label"):
        made(data, oddest_sheets=odd(data).iloc[:0])


def test_what_people_labelled_again_does_not_go_out_again(data: Data):
    again = data.sheets["sheet_id"][:3].tolist()
    moment = pd.Timestamp("2026-11-28", tz="UTC")
    corrections = LABEL_CORRECTIONS.typed(
        (one, "corrections/b", moment, True, 9, 9, 1.0, False, "0" * 16, moment) for one in again
    )
    _, table = made(data, label_corrections=corrections)
    assert set(table["sheet_id"]) == set(data.sheets["sheet_id"]) - set(again)


def test_reviewed_sheets_go_out_unless_they_are_labelled_or_broken(data: Data, inspected, caplog):
    _, table = made(data, inspected)
    new = table[table["origin"] == "new"]
    assert set(new["sheet_id"]) == {"night shift/a+b & c.jpg", data.sheets["sheet_id"][0]}
    assert new["name"].str.startswith(new["job"].iloc[0] + "-new/").all()
    assert "1 inspected sheets can't be used, and are left out: broken.jpg" in caplog.text


def test_others_than_reviews_go_out_at_random_or_the_informative_ones(data: Data, tmp_path: Path):
    folder = tmp_path / "new"
    folder.mkdir()
    rng = np.random.default_rng(1)
    known = data.folder[data.sheets["sheet_id"][0]]
    pictures = {f"like{n}.png": known + np.uint8(n + 1) for n in range(3)}
    pictures |= {f"unlike{n}.png": rng.integers(40 + 50 * n, 90 + 50 * n, known.shape, np.uint8)
                 for n in range(3)}  # fmt: skip
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / name), picture)
    names = sorted(pictures)
    verdicts = pd.DataFrame(
        {"sheet_id": names, "verdict": ["accept", "reject"] * 3, "margin": 0.01, "reason": "x"}
    )
    given = FolderSource(folder), verdicts, NOTHING
    nothing_odd = {"oddest_sheets": odd(data).iloc[:0]}
    random = LabellingConfig(test=True, sheets=3)
    _, table = made(data, given, random, **nothing_odd)
    assert len(table) == 3 and set(table["why"]) == {"drawn at random"}
    pd.testing.assert_frame_equal(made(data, given, random, **nothing_odd)[1], table)
    informative = random.model_copy(update={"unreviewed": "informative"})
    _, table = made(data, given, informative, **nothing_odd)
    assert set(table["sheet_id"]) == {"unlike0.png", "unlike1.png", "unlike2.png"}
    assert table["why"].str.startswith("informative: ").all()
    # Without a gate there is no margin, and nothing to be uncertain about.
    ungated = FolderSource(folder), verdicts.assign(margin=np.nan), NOTHING
    with pytest.raises(SteelDefectsError, match="nothing to label"):
        made(data, ungated, informative, **nothing_odd)


def test_a_copy_of_a_test_sheet_is_kept_back(data: Data, tmp_path: Path):
    test = data.splits.loc[data.splits["split"] == "test", "sheet_id"].iloc[0]
    folder = tmp_path / "new"
    folder.mkdir()
    gray = data.folder[test]
    cv2.imwrite(str(folder / "turned.png"), gray[:, ::-1])
    rng = np.random.default_rng(0)
    cv2.imwrite(str(folder / "other.png"), rng.integers(60, 190, gray.shape, np.uint8))
    verdicts = pd.DataFrame(
        {"sheet_id": ["turned.png", "other.png"], "verdict": "review", "margin": 0.1, "reason": "x"}
    )
    inspected = FolderSource(folder), verdicts, NOTHING
    new = {
        test: set(
            made(data, inspected, LabellingConfig(test=test))[1].query("origin == 'new'")[
                "sheet_id"
            ]
        )
        for test in (False, True)
    }
    assert new == {False: {"other.png"}, True: {"turned.png", "other.png"}}


def test_another_picture_than_the_inspected_one_is_told_or_left_out(data: Data, inspected, caplog):
    source, verdicts, masks = inspected
    names = verdicts["sheet_id"].tolist()
    before, after = (pd.Timestamp(day, tz="UTC") for day in ("2020-01-01", "2100-01-01"))
    late = verdicts.assign(inspected_at=[after, before, after, after])
    _, table = made(data, (source, late, masks))
    assert names[1] in set(table["sheet_id"])  # a copy of the folder may have later times
    assert "1 pictures were written after they were inspected, such as night shift" in caplog.text
    larger = masks.assign(EncodedPixels=lambda t: t["EncodedPixels"].replace(ring(20), "1 99999"))
    _, table = made(data, (source, verdicts, larger))
    assert names[1] not in set(table["sheet_id"])
    reused = verdicts.assign(sheet_id=[f"{one}#2" for one in names])
    with pytest.raises(SteelDefectsError, match="a later picture has its file's name"):
        made(data, (source, reused, masks))


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_that_was_not_inspected_is_told(data: Data, inspected, tmp_path, there: bool):
    empty = tmp_path / "empty"
    empty.mkdir()
    source = FolderSource(empty) if there else None
    with pytest.raises(SteelDefectsError, match="give the folder that was inspected"):
        made(data, (source, *inspected[1:]))


def answer_tasks(job: Path) -> str:
    tasks = json.loads((job / "label_studio.json").read_text(encoding="utf-8"))
    for task in tasks:
        result = task.pop("predictions")[0]["result"]
        task["annotations"] = [{"result": result, "updated_at": "2026-11-28T10:00:00Z"}]
    return json.dumps(tasks)


def put_in_place(data: Data, job: Path, root: Path, table: pd.DataFrame) -> None:
    """Put the labelled sheets where they were, and the new ones beside them, as docs say."""
    pictures = root / "train_images"
    pictures.mkdir(parents=True)
    for sheet_id in data.sheets["sheet_id"]:
        (pictures / sheet_id).write_bytes(data.folder.read_file(sheet_id))
    new = f"{table['job'].iloc[-1]}-new"
    (job / "images" / new).rename(pictures / new)


@pytest.mark.parametrize("tool", ["coco", "label_studio"])
def test_a_job_comes_back_as_it_went_out(data: Data, inspected, tmp_path: Path, tool: str):
    job, table = made(data, inspected)
    folder = LabellingJobsDataset(filepath=str(tmp_path / "jobs"))
    folder.save(job)
    place = folder.load()
    assert SheetFolder(place).sheet_ids == sorted(table["name"])
    text = (
        answer_tasks(place) if tool == "label_studio" else (place / "coco.json").read_text("utf-8")
    )
    # As labels of their own the files are understood.
    own, *_ = check(
        data, SheetFolder(place), tmp_path / f"jobs/{job.name}/labels.json", text, NOTHING
    )
    names = dict(zip(table["name"], table["sheet_id"], strict=True))
    assert {names[one] for one in own} >= {data.sheets["sheet_id"][0]}
    (place / "labels.json").unlink()
    # As corrections, too; what nobody touched is no answer in COCO, unless it was new.
    root = tmp_path / "raw"
    put_in_place(data, place, root, table)
    back = root / "corrections" / "first" / "export.json"
    annotations, relabelled, findings = check(data, SheetFolder(root), back, text, table)
    new = table[table["origin"] == "new"].set_index("sheet_id")["name"]
    seen = {
        new["night shift/a+b & c.jpg"]: {1: ring(20)},
        new[data.sheets["sheet_id"][0]]: {1: ring(40)},
    }
    said = predictions(data)
    labels = masks_by_sheet(data.annotations)
    if tool == "label_studio":
        silent = {one: masks for one, masks in labels.items() if one not in set(said["sheet_id"])}
        assert annotations == silent | masks_by_sheet(said[said["rle"] != ""]) | seen
        assert set(relabelled["sheet_id"]) == set(data.sheets["sheet_id"]) | set(new)
        assert findings == []
    else:
        assert annotations == labels | seen
        assert set(new) <= set(relabelled["sheet_id"])
        assert all("came back as it was sent" in one for one in findings)


def check(data: Data, folder: SheetFolder, path: Path, text: str, sent: pd.DataFrame):
    """Write an export and read labels; returns masks, what was labelled again, and findings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    corrected = len(sent) > 0
    labels: object = LabelFolder(folder.root)
    if corrected:
        labels = pd.DataFrame(
            [(r.sheet_id, str(r.class_id), r.rle) for r in data.annotations.itertuples()],
            columns=["ImageId", "ClassId", "EncodedPixels"], dtype="str",
        )  # fmt: skip
    else:
        for name in ("coco.json", "label_studio.json"):
            (folder.root / name).unlink()
    inventory = data_engineering.inventory_sheets(folder, NOTHING, CONFIG)
    groups = inventory[["sheet_id"]].assign(group_id=inventory["sheet_id"], problem="")
    annotations, findings, relabelled, _ = data_engineering.check_annotations(
        labels, folder, inventory, groups, folder.root / "corrections", sent, NOTHING, CONFIG
    )
    return masks_by_sheet(annotations), relabelled, [one["reason"] for one in findings]


def test_a_sheet_of_which_the_model_says_nothing_keeps_its_labels(data: Data):
    job, table = made(data)
    content = json.loads(job.files["coco.json"]())
    names = table.set_index("sheet_id")["name"]
    silent = {names[one] for one in data.sheets["sheet_id"][1::2]
              if one in set(data.annotations["sheet_id"])}  # fmt: skip
    numbers = {one["id"] for one in content["images"] if one["file_name"] in silent}
    assert numbers <= {one["image_id"] for one in content["annotations"]}


def test_a_later_job_leaves_earlier_ones_alone(data: Data, tmp_path: Path):
    dataset = LabellingJobsDataset(filepath=str(tmp_path / "jobs"))
    first, table = made(data)
    dataset.save(first)
    work = dataset.load() / "export_from_cvat.json"
    work.write_text("people's work", encoding="utf-8")
    second, _ = made(data, earlier_labelling_sheets=table)
    dataset.save(second)
    assert work.read_text(encoding="utf-8") == "people's work"
    assert dataset.load().name == second.name != first.name
    with pytest.raises(DatasetError, match="is left as it is"):
        dataset.save(second)
    with pytest.raises(DatasetError, match="outside of the labelling job"):
        dataset.save(LabellingJob("other", {"../x.jpg": lambda: b""}))
    assert not [one for one in (tmp_path / "jobs").iterdir() if one.name.startswith(".")]


def test_labels_in_doubt_come_from_sheets_that_the_model_had_not_seen(data: Data):
    """It is right about all labels but one, which is of another class."""
    seen = data.sheets["sheet_id"][:12].tolist()
    labels = data.annotations[data.annotations["sheet_id"].isin(seen)]
    truth = labels.set_index(["sheet_id", "class_id"])["rle"].to_dict()
    (victim, was), *_ = truth
    truth[victim, 1 + was % 4] = truth.pop((victim, was))
    rows = [
        (sheet_id, "test", None, None, k, name, truth.get((sheet_id, k), ""), 0,
         0.98 if (sheet_id, k) in truth else 0.01)
        for sheet_id in seen
        for k, name in enumerate(CONFIG.class_names, start=1)
    ]  # fmt: skip
    model = stand_in("unet", predictions=PREDICTIONS.typed(pd.DataFrame(rows, columns=COLUMNS)))
    issues = nodes.rank_label_issues(model, data.sheets, data.annotations, CONFIG)
    schemas.label_issues.validate(issues)
    assert set(issues["sheet_id"]) <= set(seen)
    first = issues.iloc[0]
    assert (first["sheet_id"], first["class_id"], first["kind"]) == (victim, was, "other_class")
