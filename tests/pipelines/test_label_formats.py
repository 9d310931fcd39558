"""Labels of other tools, from the files to the table of sheets."""

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from pycocotools import mask as coco
from tests.support.labelled_sheets import HEIGHT, NAMES, TOLERANT, WIDTH, LabelledSheets

from steel_defects import tables as schemas
from steel_defects.datasets.folder import MaskFolderDataset
from steel_defects.datasets.tables import LabelsDataset
from steel_defects.errors import SteelDefectsError
from steel_defects.labels import rle as run_length
from steel_defects.labels.formats.recognise import LabelFolder
from steel_defects.labels.mask_folder import MaskFolder
from steel_defects.labels.masks import NOT_LABELLED


@pytest.fixture
def sheets(tmp_path: Path) -> LabelledSheets:
    return LabelledSheets(tmp_path / "data")


def as_coco(sheets: LabelledSheets, listed: list[str]) -> dict[str, object]:
    """Write masks as packed runs; classes in the order of the alphabet, numbered from 0."""
    numbers = {name: number for number, name in enumerate(sorted(NAMES))}
    annotations = []
    for row in sheets.rows[sheets.rows["ImageId"].isin(listed)].itertuples():
        mask = run_length.decode(row.EncodedPixels, HEIGHT, WIDTH)
        runs = coco.encode(np.asfortranarray(mask))
        annotations.append({
            "id": len(annotations), "image_id": row.ImageId, "iscrowd": 1,
            "category_id": numbers[NAMES[int(row.ClassId) - 1]],
            "segmentation": {**runs, "counts": runs["counts"].decode()},
        })  # fmt: skip
    images = [{"id": one, "file_name": one, "width": WIDTH, "height": HEIGHT} for one in listed]
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


def put(sheets: LabelledSheets, name: str, content: object) -> LabelFolder:
    path = sheets.root / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return LabelFolder(sheets.root)


def test_the_same_labels_in_another_format_give_the_same_tables(sheets, caplog):
    table = sheets.read()
    expected = sheets.annotations
    with caplog.at_level(logging.INFO):
        again = sheets.read(
            put(sheets, "annotations/instances.json", as_coco(sheets, [*sheets.drawn]))
        )
    pd.testing.assert_frame_equal(again, table)
    pd.testing.assert_frame_equal(sheets.annotations, expected)
    assert sheets.findings == []
    assert "1 file of the format coco, such as annotations/instances.json" in caplog.text


def test_a_picture_that_nobody_labelled_is_left_out_and_counted(sheets, caplog):
    clean = sorted(set(sheets.drawn) - sheets.defective)
    left = [*clean[:3], *sorted(sheets.defective)[:2]]
    folder = put(sheets, "labels.json", as_coco(sheets, sorted(set(sheets.drawn) - set(left))))
    table = sheets.read(folder)
    assert set(table["sheet_id"]) == set(sheets.drawn) - set(left)
    assert len(sheets.findings) == len(left)
    assert "5 of 12 pictures are not labelled" in caplog.text
    assert all(reason.startswith(NOT_LABELLED) for reason in sheets.findings)
    table = sheets.read(folder, unlabelled="clean")
    assert len(table) == 12


def test_labels_of_several_formats_are_to_be_told_apart(sheets):
    put(sheets, "tasks.json", [{"id": 1, "data": {"image": sorted(sheets.drawn)[0]}}])
    folder = put(sheets, "labels.json", as_coco(sheets, [*sheets.drawn]))
    with pytest.raises(SteelDefectsError, match=r"coco \(labels.json\) and label_studio \(tasks"):
        sheets.read(folder)
    assert len(sheets.read(folder, labels="coco")) == 12


def test_the_parameter_reads_another_format_than_the_one_found_first(sheets):
    put(sheets, "labels.json", as_coco(sheets, sorted(sheets.drawn)[:10]))
    assert len(sheets.read()) == 12
    assert len(sheets.read(labels="coco")) == 10
    sheets.masks()
    assert len(sheets.read(labels="masks")) == 12
    with pytest.raises(SteelDefectsError, match=r"has no train\.csv"):
        sheets.read(LabelFolder(sheets.root), labels="severstal")
    with pytest.raises(SteelDefectsError, match="no labels of the format yolo"):
        sheets.read(labels="yolo")


def test_half_a_file_ends_the_run_by_name(sheets):
    put(sheets, "a.json", as_coco(sheets, sorted(sheets.drawn)[:6]))
    folder = put(sheets, "b.json", as_coco(sheets, sorted(sheets.drawn)[6:]))
    content = (sheets.root / "b.json").read_text(encoding="utf-8")
    (sheets.root / "b.json").write_text(content[: len(content) // 2], encoding="utf-8")
    with pytest.raises(SteelDefectsError, match=r"b\.json is not JSON"):
        sheets.read(folder)


def test_names_that_miss_their_pictures_stop_the_run(sheets):
    content = as_coco(sheets, [*sheets.drawn])
    for image in content["images"]:
        image["file_name"] = image["file_name"].removesuffix(".jpg")
    with pytest.raises(SteelDefectsError, match="12 of 12 labels name no picture.*the ending"):
        sheets.read(put(sheets, "labels.json", content))


def test_colours_of_masks_are_named_in_a_file(sheets):
    sheets.read()
    expected, colours = sheets.annotations, {n: (40 * n, 255 - 40 * n, 7) for n in range(1, 5)}
    place = sheets.masks()
    lines = [f"{NAMES[n - 1]}:{','.join(map(str, colour))}::" for n, colour in colours.items()]
    head = "# label:color_rgb:parts:actions\nbackground:0,0,0::\n"
    (sheets.root / "labelmap.txt").write_text(head + "\n".join(lines), encoding="utf-8")
    for file in place.iterdir():
        mask = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        picture = np.zeros((*mask.shape, 3), np.uint8)
        for n, colour in colours.items():
            picture[mask == n] = colour[::-1]
        cv2.imwrite(str(file), picture)
    loaded = LabelsDataset(filepath=str(sheets.root / "train.csv")).load()
    sheets.read(loaded)
    pd.testing.assert_frame_equal(sheets.annotations, expected)
    (sheets.root / "labelmap.txt").write_text(head + "\n".join(lines[:2]), encoding="utf-8")
    with pytest.raises(SteelDefectsError, match="which labelmap.txt lacks"):
        sheets.read(loaded, limits=TOLERANT)


def test_the_catalog_finds_out_what_lies_there(sheets):
    dataset = LabelsDataset(filepath=str(sheets.root / "train.csv"))
    assert not dataset.exists()
    assert not LabelsDataset(filepath=str(sheets.root / "none" / "train.csv")).exists()
    put(sheets, "labels.json", as_coco(sheets, [*sheets.drawn]))
    assert dataset.exists()
    assert isinstance(dataset.load(), LabelFolder)
    (sheets.root / "labels.json").unlink()
    sheets.masks()
    assert dataset.exists()
    assert isinstance(dataset.load(), MaskFolder)
    dataset.save(sheets.rows)
    pd.testing.assert_frame_equal(dataset.load(), sheets.rows.astype(object), check_dtype=False)


def test_a_copy_of_an_earlier_catalog_goes_on_working(sheets):
    place = sheets.masks()
    table = sheets.read(MaskFolderDataset(filepath=str(place)).load())
    assert (len(table), table["has_defect"].sum()) == (12, 6)


def test_boxes_are_told_from_outlines(sheets):
    (sheets.root / "boxes.xml").write_text("<annotation><object/></annotation>", encoding="utf-8")
    with pytest.raises(SteelDefectsError, match=r"boxes\.xml holds boxes"):
        sheets.read(LabelFolder(sheets.root))
    content = as_coco(sheets, [*sheets.drawn])
    for annotation in content["annotations"]:
        annotation |= {"segmentation": [], "bbox": [1, 1, 9, 9]}
    with pytest.raises(SteelDefectsError, match=r"6 of 6 defective sheets.*a box without"):
        sheets.read(put(sheets, "labels.json", content))


def test_labels_in_a_linked_folder(sheets, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    content = json.dumps(as_coco(sheets, [*sheets.drawn]))
    (store / "labels.json").write_text(content, encoding="utf-8")
    (sheets.root / "labels").symlink_to(store)
    (store / "up").symlink_to(sheets.root)
    with pytest.raises(SteelDefectsError, match="follow_links=true"):
        sheets.read(LabelFolder(sheets.root))
    assert len(sheets.read(LabelFolder(sheets.root, follow_links=True))) == 12


def test_void_pixels_stand_in_the_table_of_sheets_where_there_are_some(sheets, caplog):
    assert "void" not in sheets.read()
    expected = sheets.annotations
    place = sheets.root / "SegmentationClass"
    place.mkdir()
    rings = {}
    for name in sheets.drawn:
        mask = sheets.mask(name)
        ring = (cv2.dilate(mask, np.ones((5, 5), np.uint8)) > 0) & (mask == 0)
        mask[ring] = 255
        rings[name] = run_length.encode(ring)
        cv2.imwrite(str(place / name.replace(".jpg", ".png")), mask)
    table = sheets.read(LabelFolder(sheets.root))
    schemas.sheets.validate(table)
    pd.testing.assert_frame_equal(sheets.annotations, expected)
    assert table.set_index("sheet_id")["void"].to_dict() == rings
    assert "have void pixels, which neither train nor count" in sheets.findings[0]
