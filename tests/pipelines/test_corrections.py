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
from steel_defects.labels.corrections import digest_of
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


def sent(
    sheets: LabelledSheets,
    names: list[str],
    origin: str = "new",
    outlines: dict[str, dict[int, str]] | None = None,
) -> pd.DataFrame:
    """Tell of sheets that were sent; new ones lie where the job had them."""
    digests = sheets.inventory.set_index("sheet_id")["sha256"]
    drawn, folder = outlines or {}, "" if origin == "new" else "2026-11-28-labelled/"
    rows = [
        ("2026-11-28", folder + name, name, name, origin, None, "review", digests[name],
         digest_of(drawn.get(name, {})))
        for name in names
    ]  # fmt: skip
    return LABELLING_SHEETS.typed(rows)


def test_a_new_sheet_without_an_answer_is_not_clean(sheets, caplog):
    table = sheets.read()
    new = sorted(set(sheets.drawn) - sheets.defective)[:3]
    sheets.sent = sent(sheets, new, outlines={new[0]: {2: box(3, 3, 9, 9)}})
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


@pytest.mark.parametrize("change", ["name", "content"])
def test_a_new_sheet_is_known_by_its_name_and_by_its_content(sheets, change: str):
    sheets.read()
    name = sorted(set(sheets.drawn) - sheets.defective)[0]
    sheets.sent = sent(sheets, [name])
    path = sheets.pictures / name
    if change == "name":
        path.rename(path.with_name("another.jpg"))
    else:
        gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(path), gray, [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert not {name, "another.jpg"} & set(sheets.read()["sheet_id"])


def test_what_came_back_as_it_was_sent_is_no_answer_where_nobody_can_tell(sheets, caplog):
    """In COCO every picture that is listed passes for finished."""
    table = sheets.read()
    missed, changed = sorted(sheets.defective)[:2]
    clean = sorted(set(sheets.drawn) - sheets.defective)
    seen = {missed: {}, changed: {1: box(1, 1, 9, 9)}, clean[1]: {2: box(5, 5, 9, 9)}, clean[2]: {}}
    sheets.sent = pd.concat(
        [
            sent(sheets, [missed, changed, clean[2]], "labelled", seen),
            sent(sheets, clean[:2], "new", {clean[1]: seen[clean[1]]}),
        ],
        ignore_index=True,
    )
    came_back(sheets, "b", {**seen, clean[0]: {}})
    again = sheets.read()
    kept = set(table["sheet_id"]) - {clean[0]}
    assert set(again["sheet_id"]) == kept
    assert labels_of(sheets, missed) and labels_of(sheets, changed) != seen[changed]
    # A new sheet is answered by outlines that nobody had to correct, and not by nothing.
    assert labels_of(sheets, clean[1]) == seen[clean[1]]
    assert set(sheets.relabelled["sheet_id"]) == {clean[1], clean[2]}
    assert "came back as it was sent" in caplog.text
    # Label Studio says who answered.
    pictures = [OutlinedPicture(one, (HEIGHT, WIDTH), masks) for one, masks in seen.items()]
    tasks = json.loads(as_tasks(pictures, NAMES, "unet"))
    for task in tasks:
        task["annotations"] = [{"result": task.pop("predictions")[0]["result"]}]
    write(sheets, "c/tasks.json", json.dumps(tasks))
    sheets.read()
    assert labels_of(sheets, missed) == {} and labels_of(sheets, changed) == seen[changed]


def test_a_picture_that_was_replaced_takes_no_old_answer(sheets):
    sheets.read()
    sheet_id = sorted(sheets.defective)[0]
    sheets.sent = sent(sheets, [sheet_id], "labelled", {sheet_id: {1: box(1, 1, 5, 5)}})
    came_back(sheets, "b", {sheet_id: {}})
    path = sheets.pictures / sheet_id
    cv2.imwrite(str(path), cv2.flip(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), 0))
    assert sheet_id not in set(sheets.read(limits=TOLERANT)["sheet_id"])
    assert any(
        "the picture is another than the one that was sent" in one for one in sheets.findings
    )


@pytest.fixture
def namesakes(sheets: LabelledSheets) -> str:
    """Send a new sheet called like a defective one; it lies in its place."""
    name = sorted(sheets.defective)[0]
    (sheets.pictures / "2026-11-28-new").mkdir()
    picture = cv2.imread(str(sheets.pictures / name), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(sheets.pictures / "2026-11-28-new" / name), cv2.flip(picture, 1))
    sheets.read()
    sheets.sent = sent(sheets, [f"2026-11-28-new/{name}"])
    return name


def task(address: str) -> str:
    answer = {"result": [], "updated_at": "2026-11-28T10:00:00Z"}
    return json.dumps([{"id": 1, "data": {"image": address}, "annotations": [answer]}])


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        lambda name: as_coco([OutlinedPicture(name, (HEIGHT, WIDTH))], NAMES),
        lambda name: as_coco([OutlinedPicture(f"images/{name}", (HEIGHT, WIDTH))], NAMES),
        lambda name: f'<annotations><image id="0" name="{name}" width="{WIDTH}" height="{HEIGHT}"/>'
        "</annotations>",
        lambda name: task(f"/data/upload/3/0a1b2c3d-{name}"),
        lambda name: task(f"/data/local-files/?d=images/{name}"),
    ],
)  # fmt: skip
def test_a_name_that_lost_its_folder_is_not_sure(sheets, namesakes, text, there: bool):
    """A clean answer to the new sheet must not make its defective namesake clean."""
    if not there:
        (sheets.pictures / "2026-11-28-new" / namesakes).unlink()
    write(sheets, "b/export." + ("xml" if "<" in text("x") else "json"), text(namesakes))
    try:
        table = sheets.read(limits=TOLERANT)
    except SteelDefectsError as error:
        assert "labels name no picture that is there" in str(error)
    else:
        assert not sheets.false_clean(table)
        assert namesakes not in set(table["sheet_id"])


@pytest.mark.parametrize(
    "address",
    [
        "/home/a/job/images/2026-11-28-new/{}", "images/2026-11-28-new/{}", "2026-11-28-new/{}",
        "/data/local-files/?d=images/2026-11-28-new/{}",
    ],
)  # fmt: skip
def test_what_leads_to_the_folder_of_pictures_does_not_count(sheets, namesakes, address: str):
    write(sheets, "b/export.json", task(address.format(namesakes)))
    table = sheets.read().set_index("sheet_id")["has_defect"]
    assert table[namesakes] and not table[f"2026-11-28-new/{namesakes}"]


@pytest.mark.parametrize(
    "address",
    ["/srv/2026-11-27-new/{}", "s3://bucket/other/{}", "?d=data/upload_b/{}", "?d=0a1b2c3d-{}"],
)
def test_a_name_in_another_folder_is_no_sheet(sheets, namesakes, address: str):
    write(sheets, "b/export.json", task(address.format(namesakes)))
    with pytest.raises(SteelDefectsError, match="1 of 1 labels name no picture that is there"):
        sheets.read()


def test_names_with_folders_survive(sheets):
    """A name in a folder, and the same name elsewhere."""
    (sheets.pictures / "new/more").mkdir(parents=True)
    name, *_ = sorted(set(sheets.drawn) - sheets.defective)
    picture = cv2.flip(cv2.imread(str(sheets.pictures / name), cv2.IMREAD_GRAYSCALE), 1)
    cv2.imwrite(str(sheets.pictures / "new/more" / name), picture)
    sheets.read()
    one, other = box(1, 1, 9, 9), box(5, 40, 20, 80)
    sheets.sent = sent(sheets, [name], "labelled")
    came_back(
        sheets, "b", {f"new/more/{name}": {1: one}, f"2026-11-28-labelled/{name}": {2: other}}
    )
    sheets.read()
    assert labels_of(sheets, f"new/more/{name}") == {1: one}
    assert labels_of(sheets, name) == {2: other}


def test_exports_that_wipe_many_defects_stop_the_run(sheets):
    sheets.read()
    came_back(sheets, "b", dict.fromkeys(sheets.defective, {}))
    with pytest.raises(SteelDefectsError, match="6 of 6 defective sheets came back clean, such as"):
        sheets.read()


def test_labels_that_are_gone_again_are_told(sheets, caplog):
    sheets.read()
    sheet_id = sorted(sheets.defective)[0]
    came_back(sheets, "b", {sheet_id: {1: box(1, 1, 9, 9)}})
    sheets.read()
    (sheets.root / "corrections").rename(sheets.root.parent / "gone")
    sheets.read()
    assert "1 sheets have their labels of before again" in caplog.text


@pytest.mark.parametrize(
    "shape",
    [
        {"type": "brushlabels", "value": {"rle": [], "brushlabels": [NAMES[0]]}},
        {"type": "polygonlabels", "value": {"points": [], "polygonlabels": [NAMES[0]]}},
        {"type": "taxonomy", "value": {"taxonomy": [[NAMES[0]]]}},
    ],
)
def test_a_shape_of_nothing_makes_no_sheet_clean(sheets, shape):
    sheets.read()
    sheet_id = sorted(sheets.defective)[0]
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    answer = {"result": [{"id": "a", **size, **shape}], "updated_at": "2026-11-28T10:00:00Z"}
    content = [{"id": 1, "data": {"image": sheet_id}, "annotations": [answer]}]
    write(sheets, "b/tasks.json", json.dumps(content))
    assert sheet_id not in set(sheets.read(limits=TOLERANT)["sheet_id"])


def test_a_folder_that_is_none_is_told(sheets):
    sheets.read()
    corrections = sheets.root / "corrections"
    corrections.symlink_to(sheets.root / "unmounted")
    with pytest.raises(SteelDefectsError, match="is no folder, or leads to none"):
        sheets.read()
    corrections.unlink()
    corrections.mkdir()
    (corrections / "loop").symlink_to(sheets.root)
    with pytest.raises(SteelDefectsError, match="is a link; follow_links=true would read it"):
        sheets.read()
    (corrections / "loop").unlink()
    (corrections / "Thumbs.db").write_bytes(b"x")
    sheets.read()


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("export.json", "[]", "lies beside the exports; put each into a folder of its own"),
        ("b/notes.md", "later", "corrections/b: there are no labels below"),
        ("b/a.json", '{"images": [', "corrections/b: .*can't be read"),
        (
            "b/a.json",
            as_coco([OutlinedPicture("other.jpg", (HEIGHT, WIDTH), {1: "1 5"})], NAMES),
            "corrections/b: 1 of 1 labels name no picture that is there. Copy new pictures",
        ),
        (
            "b/a.json",
            as_coco([OutlinedPicture("other.jpg", (HEIGHT, WIDTH), {1: "1 5"})], ["rust"]),
            "corrections/b: the labels have the class rust",
        ),
        (
            "b/labels/x.txt",
            "0 0.1 0.1 0.4 0.1 0.4 0.6",
            "corrections/b: it has labels of yolo; what comes back is read from coco, cvat, label",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_stops_the_run(sheets, name: str, text: str, message: str):
    sheets.read()
    write(sheets, name, text)
    with pytest.raises(SteelDefectsError, match=message):
        sheets.read()


def test_an_export_of_two_formats_is_refused(sheets):
    sheets.read()
    came_back(sheets, "b", {sorted(sheets.drawn)[0]: {}})
    write(sheets, "b/tasks.json", task(sorted(sheets.drawn)[0]))
    with pytest.raises(
        SteelDefectsError, match="labels of coco and label_studio; keep one of them"
    ):
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
