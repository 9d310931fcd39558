"""What goes out to labelling tools comes back as it was."""

import json
from pathlib import Path

import numpy as np
import pytest

from steel_defects.labels import rle as run_length
from steel_defects.labels.drawn import Classes, Sheets, masks_of
from steel_defects.labels.formats import coco, label_studio
from steel_defects.labels.formats.brushed import pack, unpack
from steel_defects.labels.formats.outlined import (
    LABELS_OF_TODAY,
    OutlinedPicture,
    as_coco,
    as_tasks,
    labelling_interface,
)
from steel_defects.labels.masks import Masks, masks_by_sheet

SIZE = 40, 90
NAMES = ("class 1", 'crack "deep" & <wide>', "Röhre")
SHEETS = ("a.jpg", "left/0001.png", "left/more of it/50 % + 1#2?.jpg", "rechts/ä&b.tif")


def masks() -> dict[int, str]:
    """Return a ring with an island in its hole, two parts that touch at a corner, and a pixel."""
    ring, parts, pixel = (np.zeros(SIZE, np.uint8) for _ in range(3))
    ring[5:30, 10:60] = 1
    ring[10:25, 20:50] = 0
    ring[15:18, 30:35] = 1
    parts[0:6, 70:80] = parts[6:12, 80:90] = 1
    parts[30:40, 0:9] = 1
    pixel[39, 89] = 1
    return {n: run_length.encode(m) for n, m in enumerate((ring, parts, pixel), start=1)}


def pictures() -> list[OutlinedPicture]:
    everything = masks()
    drawn = (everything, {2: everything[2]}, {}, {1: everything[3], 3: everything[1]})
    return [
        OutlinedPicture(name, SIZE, one, why="review")
        for name, one in zip(SHEETS, drawn, strict=True)
    ]


def read(root: Path, reader) -> Masks:
    sheets = Sheets({one: one for one in SHEETS}, dict.fromkeys(SHEETS, SIZE), exact=True)
    return masks_of(reader(root, sorted(root.glob("*.json"))), sheets, Classes(NAMES))


def expected() -> dict[str, dict[int, str]]:
    return {one.name: dict(one.masks) for one in pictures() if one.masks}


def test_coco_comes_back_pixel_by_pixel(tmp_path: Path):
    (tmp_path / "job.json").write_text(as_coco(pictures(), NAMES), encoding="utf-8")
    back = read(tmp_path, coco.read)
    assert masks_by_sheet(back.table) == expected()
    assert back.answered.keys() == set(SHEETS)
    assert back.findings == []


def test_coco_holds_one_annotation_per_region_with_its_box():
    content = json.loads(as_coco(pictures()[:1], NAMES))
    ring, island = [one for one in content["annotations"] if one["category_id"] == 1]
    assert ring["bbox"] == [10, 5, 50, 25] and ring["area"] == 25 * 50 - 15 * 30
    assert island["bbox"] == [30, 15, 5, 3]
    # Parts that touch at a corner are one region.
    assert len(content["annotations"]) == 2 + 2 + 1


def answered(tasks: str, model: str) -> str:
    """Take over the outlines of a model, as people do who find nothing to correct."""
    content = json.loads(tasks)
    for number, task in enumerate(content, start=1):
        [result] = [p["result"] for p in task.pop("predictions") if p["model_version"] == model]
        updated = f"2026-11-2{number}T08:30:00.000000Z"
        task["id"] = number
        task["annotations"] = [{"result": result, "updated_at": updated, "was_cancelled": False}]
    return json.dumps(content)


def test_tasks_of_label_studio_come_back_pixel_by_pixel(tmp_path: Path):
    text = answered(as_tasks(pictures(), NAMES, "unet"), "unet")
    (tmp_path / "export.json").write_text(text, encoding="utf-8")
    back = read(tmp_path, label_studio.read)
    assert masks_by_sheet(back.table) == expected()
    assert back.findings == []
    times = [back.answered[one] for one in SHEETS]
    assert times == sorted(times) and times[1] - times[0] == 24 * 3600


def test_tasks_that_nobody_answered_are_not_labelled(tmp_path: Path):
    (tmp_path / "job.json").write_text(as_tasks(pictures(), NAMES, "unet"), encoding="utf-8")
    back = read(tmp_path, label_studio.read)
    assert back.table.empty
    assert back.unlabelled == set(SHEETS)
    assert back.answered == {}


def test_labels_of_today_stand_beside_the_outlines_of_the_model(tmp_path: Path):
    labels = {2: masks()[1]}
    picture = OutlinedPicture("a.jpg", SIZE, masks(), labels)
    tasks = as_tasks([picture, OutlinedPicture("left/0001.png", SIZE)], NAMES, "unet")
    first, second = json.loads(tasks)
    assert [one["model_version"] for one in first["predictions"]] == ["unet", LABELS_OF_TODAY]
    assert [one["model_version"] for one in second["predictions"]] == ["unet"]
    text = answered(json.dumps([first]), LABELS_OF_TODAY)
    (tmp_path / "export.json").write_text(text, encoding="utf-8")
    assert masks_by_sheet(read(tmp_path, label_studio.read).table) == {"a.jpg": labels}


def test_the_interface_names_each_class_as_xml_takes_it():
    from xml.etree import ElementTree

    view = ElementTree.fromstring(labelling_interface(NAMES))
    assert [one.get("value") for one in view.iter("Label")] == list(NAMES)


@pytest.mark.parametrize("seed", range(12))
def test_what_is_packed_can_be_unpacked(seed: int):
    rng = np.random.default_rng(seed)
    size = tuple(int(n) for n in rng.integers(1, 300, 2))
    coarse = rng.random((size[0] // 7 + 1, size[1] // 5 + 1)) < rng.random()
    mask = np.kron(coarse, np.ones((7, 5)))[: size[0], : size[1]].astype(np.uint8)
    packed = pack(mask)
    assert all(0 <= one < 256 for one in packed)
    np.testing.assert_array_equal(unpack(packed, mask.shape, "here"), mask)


@pytest.mark.parametrize("value", [0, 1])
def test_a_mask_of_one_value_is_packed_in_a_few_bytes(value: int):
    mask = np.full((256, 1600), value, np.uint8)
    packed = pack(mask)
    assert len(packed) < 120
    np.testing.assert_array_equal(unpack(packed, mask.shape, "here"), mask)
