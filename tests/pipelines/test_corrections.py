"""Labels that came back take the place of those that were there."""

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from tests.support.labelled_sheets import HEIGHT, NAMES, TOLERANT, WIDTH, LabelledSheets

from steel_defects.errors import SteelDefectsError
from steel_defects.labels import rle as run_length
from steel_defects.labels.formats.outlined import OutlinedPicture, as_coco, as_tasks
from steel_defects.labels.masks import NOT_LABELLED
from steel_defects.tables.declared import LABELLING_SHEETS


@pytest.fixture
def sheets(tmp_path: Path) -> LabelledSheets:
    return LabelledSheets(tmp_path / "data")


def box(top: int, left: int, bottom: int, right: int) -> str:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[top:bottom, left:right] = 1
    return run_length.encode(mask)


def came_back(sheets: LabelledSheets, name: str, labels: dict[str, dict[int, str]]) -> None:
    """Write an export of COCO."""
    pictures = [OutlinedPicture(one, (HEIGHT, WIDTH), masks) for one, masks in labels.items()]
    write(sheets, f"{name}/instances.json", as_coco(pictures, NAMES))


def write(sheets: LabelledSheets, name: str, text: str) -> None:
    path = sheets.root / "corrections" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def labels_of(sheets: LabelledSheets, sheet_id: str) -> dict[int, str]:
    rows = sheets.annotations[sheets.annotations["sheet_id"] == sheet_id]
    return dict(zip(rows["class_id"], rows["rle"], strict=True))


def test_corrected_sheets_change_and_others_do_not(sheets, caplog):
    table = sheets.read()
    before = sheets.annotations
    wiped, moved = sorted(sheets.defective)[:2]
    found = sorted(set(sheets.drawn) - sheets.defective)[0]
    mask = box(3, 5, 20, 40)
    with caplog.at_level(logging.INFO):
        came_back(sheets, "2026-11-28", {wiped: {}, moved: {2: mask}, found: {1: mask}})
        again = sheets.read()
    assert labels_of(sheets, wiped) == {}
    assert labels_of(sheets, moved) == {2: mask}
    assert labels_of(sheets, found) == {1: mask}
    touched = {wiped, moved, found}
    pd.testing.assert_frame_equal(
        sheets.annotations[~sheets.annotations["sheet_id"].isin(touched)].reset_index(drop=True),
        before[~before["sheet_id"].isin(touched)].reset_index(drop=True),
    )
    defects = again.set_index("sheet_id")["has_defect"]
    assert not defects[wiped] and defects[found]
    assert len(again) == len(table)
    assert "3 sheets were labelled again, 3 changed" in caplog.text


def test_a_table_says_where_each_label_stands_and_what_changed(sheets):
    sheets.read()
    same, wiped = sorted(sheets.defective)[:2]
    came_back(sheets, "b", {same: labels_of(sheets, same), wiped: {}})
    sheets.read()
    rows = sheets.relabelled.set_index("sheet_id")
    assert rows["source"].tolist() == ["corrections/b"] * 2
    assert not rows.loc[same, "changed"] and rows.loc[same, "overlap"] == 1
    assert rows.loc[wiped, "changed"] and rows.loc[wiped, "after_px"] == 0
    assert rows.loc[wiped, "before_px"] > 0 and rows.loc[wiped, "overlap"] == 0
    written = (sheets.root / "corrections/b/instances.json").stat().st_mtime
    assert rows["labelled_at"].iloc[0].timestamp() == pytest.approx(written, abs=1e-3)
    first = rows["merged_at"]
    sheets.read()  # the run after it knows when a label came
    pd.testing.assert_series_equal(sheets.relabelled.set_index("sheet_id")["merged_at"], first)


def test_the_last_folder_counts(sheets):
    sheets.read()
    sheet_id = sorted(sheets.defective)[0]
    for name, left in (("2026-11-9", 5), ("2026-11-28", 50), ("2026-11-10", 90)):
        came_back(sheets, name, {sheet_id: {1: box(0, left, 9, left + 9)}})
    sheets.read()
    assert labels_of(sheets, sheet_id) == {1: box(0, 50, 9, 59)}
    assert sheets.relabelled["source"].tolist() == ["corrections/2026-11-28"]


def test_a_correction_mends_what_was_set_aside(sheets):
    sheet_id = sorted(sheets.defective)[0]
    rows = sheets.rows.copy()
    rows.loc[rows["ImageId"] == sheet_id, "EncodedPixels"] = "7 9 3 1"
    sheets.rows = rows
    assert sheet_id not in set(sheets.read(limits=TOLERANT)["sheet_id"])
    came_back(sheets, "b", {sheet_id: {3: box(1, 1, 9, 9)}})
    table = sheets.read(limits=TOLERANT)
    assert table.set_index("sheet_id")["has_defect"][sheet_id]
    assert sheets.findings == []


def test_a_label_that_came_back_broken_sets_its_sheet_aside(sheets):
    sheets.read()
    sheet_id = sorted(sheets.defective)[0]
    pictures = [OutlinedPicture(sheet_id, (HEIGHT, 90), {1: "1 5"})]  # of another size
    write(sheets, "b/instances.json", as_coco(pictures, NAMES))
    assert sheet_id not in set(sheets.read(limits=TOLERANT)["sheet_id"])
    assert any("labels for 90×64 of a picture of 256×64" in one for one in sheets.findings)
    assert sheets.all_findings[0]["where"].startswith("corrections/b, ")


def test_unanswered_tasks_change_nothing(sheets):
    table = sheets.read()
    before = sheets.annotations
    pictures = [OutlinedPicture(one, (HEIGHT, WIDTH), {1: "1 5"}) for one in sheets.drawn]
    write(sheets, "b/tasks.json", as_tasks(pictures, NAMES, "unet"))
    pd.testing.assert_frame_equal(sheets.read(), table)
    pd.testing.assert_frame_equal(sheets.annotations, before)
    assert sheets.findings == []
    assert sheets.relabelled.empty


def sent(sheets: LabelledSheets, names: list[str]) -> pd.DataFrame:
    digests = sheets.inventory.set_index("sheet_id")["sha256"]
    return LABELLING_SHEETS.typed(
        pd.DataFrame(
            {
                "job": "2026-11-28", "name": [f"2026-11-28/{name}" for name in names],
                "sheet_id": names, "path": names, "origin": "new", "split": None, "why": "review",
                "sha256": digests[names].tolist(),
            }
        )
    )  # fmt: skip


def test_a_new_sheet_without_an_answer_is_not_clean(sheets, caplog):
    table = sheets.read()
    new = sorted(set(sheets.drawn) - sheets.defective)[:3]
    sheets.sent = sent(sheets, new)
    came_back(sheets, "b", {new[0]: {}, new[1]: {1: box(1, 1, 9, 9)}})
    again = sheets.read()
    assert set(table["sheet_id"]) - set(again["sheet_id"]) == {new[2]}
    assert not again.set_index("sheet_id")["has_defect"][new[0]]
    assert sheets.findings == [
        f"{NOT_LABELLED}: it was sent to be labelled, and no finished answer came back"
    ]
    assert "1 of 12 pictures are not labelled" in caplog.text


def test_a_defective_sheet_that_was_sent_keeps_its_label(sheets):
    table = sheets.read()
    sheets.sent = sent(sheets, sorted(sheets.defective)[:2])
    pd.testing.assert_frame_equal(sheets.read(), table)


def test_names_with_folders_survive(sheets):
    """A name in a folder, and the same name elsewhere."""
    (sheets.pictures / "new/more").mkdir(parents=True)
    name = sorted(set(sheets.drawn) - sheets.defective)[0]
    picture = cv2.flip(cv2.imread(str(sheets.pictures / name), cv2.IMREAD_GRAYSCALE), 1)
    cv2.imwrite(str(sheets.pictures / "new/more" / name), picture)
    one, other = box(1, 1, 9, 9), box(5, 40, 20, 80)
    came_back(sheets, "b", {f"new/more/{name}": {1: one}, name: {2: other}})
    sheets.read()
    assert labels_of(sheets, f"new/more/{name}") == {1: one}
    assert labels_of(sheets, name) == {2: other}


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("export.json", "[]", "lies beside the exports; put each into a folder of its own"),
        ("b/notes.md", "later", "there are no labels below"),
        ("b/a.json", '{"images": [', "cannot|can't be read"),
        (
            "b/a.json",
            as_coco([OutlinedPicture("other.jpg", (HEIGHT, WIDTH), {1: "1 5"})], NAMES),
            "none of the 1 labels in .* names a picture that is there; copy new pictures",
        ),
        (
            "b/a.json",
            as_coco([OutlinedPicture("other.jpg", (HEIGHT, WIDTH), {1: "1 5"})], ["rust"]),
            "the labels have the class rust",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_stops_the_run(sheets, name: str, text: str, message: str):
    sheets.read()
    write(sheets, name, text)
    with pytest.raises(SteelDefectsError, match=message):
        sheets.read()


def test_pictures_of_an_export_never_pass_for_sheets(sheets):
    for picture in sheets.pictures.iterdir():
        picture.rename(sheets.root / picture.name)
    sheets.pictures.rmdir()
    sheets.read()
    came_back(sheets, "b", {sorted(sheets.drawn)[0]: {}})
    with pytest.raises(SteelDefectsError, match="lies among the pictures; move the pictures"):
        sheets.read()


def test_other_labels_are_not_looked_for_among_corrections(sheets):
    """Masks stay the labels where corrections are COCO."""
    sheets.masks()
    from steel_defects.datasets.tables import LabelsDataset

    sheet_id = sorted(sheets.defective)[0]
    came_back(sheets, "b", {sheet_id: {}})
    labels = LabelsDataset(filepath=str(sheets.root / "train.csv")).load()
    table = sheets.read(labels).set_index("sheet_id")
    assert set(table.index[table["has_defect"]]) == sheets.defective - {sheet_id}
    content = json.loads((sheets.root / "corrections/b/instances.json").read_text("utf-8"))
    assert content["annotations"] == []
