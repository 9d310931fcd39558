"""What tools, scripts and people leave in files of labels, format by format.

None of it may end in a wrong mask, or in a clean sheet that is defective, without a word.
"""

import base64
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from steel_defects.errors import SteelDefectsError
from steel_defects.labels import rle as run_length
from steel_defects.labels.drawn import Classes, Sheets, masks_of
from steel_defects.labels.formats.recognise import READERS, LabelFolder, recognise
from steel_defects.labels.mask_folder import MaskFolder, MaskRules, read_annotations
from steel_defects.labels.masks import Masks

SIZE = (40, 60)
CLASSES = Classes(("scratch", "pit"))
SQUARE = [[5, 5], [25, 5], [25, 25], [5, 25]]
PERCENT = [[100 * x / 60, 100 * y / 40] for x, y in SQUARE]
YAML = "names: [scratch, pit]\n"
POLYGON = "0 0.1 0.1 0.4 0.1 0.4 0.6 0.1 0.6\n"


def read(root: Path, pictures: list[str], files: dict[str, Any], clean: bool = False) -> Masks:
    """Write files of labels and read them; paths of pictures are below the data folder."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str | bytes) else json.dumps(content)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    found = recognise(LabelFolder(root))
    sheets = Sheets({one: one for one in pictures}, dict.fromkeys(pictures, SIZE))
    return masks_of(READERS[found.kind](root, found.files), sheets, CLASSES, clean)


def areas(masks: Masks) -> dict[tuple[str, int], int]:
    rows = masks.table.itertuples(index=False)
    return {(row.sheet_id, row.class_id): row.area_px for row in rows}


def aside(masks: Masks) -> dict[str, str]:
    return {one.sheet_id: one.reason for one in masks.findings if one.set_aside}


def told(masks: Masks) -> str:
    return "; ".join(one.reason for one in masks.findings)


def png(values: np.ndarray, mode: str = "L") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(values, np.uint8), mode).save(file, "PNG")
    return file.getvalue()


# === Label Studio ===


def task(results: list[dict[str, Any]], image: str = "a.png", **answer: Any) -> dict[str, Any]:
    results = [{"original_width": 60, "original_height": 40, "image_rotation": 0} | one
               for one in results]  # fmt: skip
    return {"id": 1, "data": {"image": image}, "annotations": [{"result": results} | answer]}


OUTLINE = {"id": "r", "type": "polygonlabels",
           "value": {"points": PERCENT, "polygonlabels": ["scratch"]}}  # fmt: skip


def test_labels_beside_their_shape(tmp_path):
    shape = {"id": "r", "type": "polygon", "value": {"points": PERCENT}}
    label = {"id": "r", "type": "labels", "value": {"labels": ["pit"]}}
    masks = read(tmp_path, ["a.png"], {"t.json": [task([shape, label])]})
    assert areas(masks) == {("a.png", 2): 400}


@pytest.mark.parametrize(
    "result",
    [
        {"type": "bitmasklabels", "value": {"imageDataURL": "data:", "bitmasklabels": ["pit"]}},
        {"type": "vectorlabels", "value": {"vertices": [], "vectorlabels": ["pit"]}},
        {"value": {"points": PERCENT, "polygonlabels": ["pit"]}},
        {"type": "rectanglelabels", "value": {"x": 1, "y": 1, "rectanglelabels": ["pit"]}},
        {"type": "choices", "value": {"choices": ["pit"]}},
        OUTLINE | {"image_rotation": 90},
    ],
)
@pytest.mark.parametrize("clean", [True, False])
def test_what_is_not_read_sets_the_sheet_aside(tmp_path, result, clean):
    masks = read(tmp_path, ["a.png"], {"t.json": [task([result])]}, clean)
    assert set(aside(masks)) == {"a.png"}
    assert areas(masks) == {}


def test_a_skipped_task_with_shapes_is_never_clean(tmp_path):
    masks = read(tmp_path, ["a.png"], {"t.json": [task([OUTLINE], was_cancelled=True)]}, True)
    assert masks.unlabelled == {"a.png"}


def test_the_newest_answer_is_that_of_the_latest_moment(tmp_path):
    pit = OUTLINE | {"value": {"points": PERCENT, "polygonlabels": ["pit"]}}
    older = task([OUTLINE], updated_at="2026-11-02T12:00:00+05:00")
    newer = task([pit], updated_at="2026-11-02T11:00:00Z")
    masks = read(tmp_path, ["a.png"], {"t.json": [older, newer]})
    assert areas(masks) == {("a.png", 2): 400}
    for moment in ("2026-11-02T11:00:00Z", "Jan 2, 2027", None):
        answers = [
            task([OUTLINE], updated_at="2026-11-02T11:00:00Z"),
            task([pit], updated_at=moment),
        ]
        assert "which is newer?" in aside(read(tmp_path, ["a.png"], {"t.json": answers}))["a.png"]


def test_what_is_given_as_truth_counts(tmp_path):
    pit = OUTLINE | {"value": {"points": PERCENT, "polygonlabels": ["pit"]}}
    one = task([OUTLINE], updated_at="2026-11-01T11:00:00Z", ground_truth=True)
    one["annotations"] += task([pit], updated_at="2026-11-02T11:00:00Z")["annotations"]
    assert areas(read(tmp_path, ["a.png"], {"t.json": [one]})) == {("a.png", 1): 400}


def test_two_uploads_of_one_name(tmp_path):
    tasks = [task([OUTLINE], f"/data/upload/1/{n}{n}aaaaaa-a.png") for n in range(2)]
    assert "by different names" in aside(read(tmp_path, ["a.png"], {"t.json": tasks}))["a.png"]


def test_several_labels_of_one_shape(tmp_path):
    both = OUTLINE | {"value": {"points": PERCENT, "polygonlabels": ["pit", "scratch"]}}
    masks = read(tmp_path, ["a.png"], {"t.json": [task([both])]})
    assert areas(masks) == {("a.png", 1): 400, ("a.png", 2): 400}


def test_shapes_for_two_sizes(tmp_path):
    other = OUTLINE | {"id": "s", "original_width": 30, "original_height": 20}
    masks = read(tmp_path, ["a.png"], {"t.json": [task([OUTLINE, other])]})
    assert "different sizes" in aside(masks)["a.png"]


@pytest.mark.parametrize("data", [{"one": "a.png", "two": "b.png"}, {"text": "x"},
                                  {"image": "http://[x/a.png"}])  # fmt: skip
def test_tasks_whose_picture_is_not_clear(tmp_path, data):
    with pytest.raises(SteelDefectsError, match="task 1"):
        read(tmp_path, ["a.png"], {"t.json": [task([OUTLINE]) | {"data": data}]})


def test_the_picture_of_several_addresses_is_image(tmp_path):
    one = task([OUTLINE]) | {"data": {"previous": "b.png", "image": "a.png"}}
    masks = read(tmp_path, ["a.png", "b.png"], {"t.json": [one]})
    assert areas(masks) == {("a.png", 1): 400}


# === Pascal VOC and masks in colour ===


def test_void_pixels_around_a_defect_are_known(tmp_path):
    values = np.zeros(SIZE)
    values[5:25, 5:25] = 255
    values[8:22, 8:22] = 1
    masks = read(tmp_path, ["JPEGImages/a.jpg"], {"SegmentationClass/a.png": png(values)})
    assert areas(masks) == {("JPEGImages/a.jpg", 1): 196}
    void = run_length.decode(masks.void["JPEGImages/a.jpg"], *SIZE)
    np.testing.assert_array_equal(void, values == 255)
    assert "1 masks have void pixels, which neither train nor count" in told(masks)


def test_a_mask_of_nothing_but_void_is_not_clean(tmp_path):
    values = np.zeros(SIZE)
    values[5:25, 5:25] = 255
    masks = read(tmp_path, ["JPEGImages/a.jpg"], {"SegmentationClass/a.png": png(values)})
    assert "void" in aside(masks)["JPEGImages/a.jpg"]


@pytest.mark.parametrize("colour", [(224, 224, 192), (0, 0, 0)])
def test_a_named_colour_is_a_class_whatever_others_use_it_for(tmp_path, colour):
    picture = np.full((*SIZE, 3), 9)
    picture[5:25, 5:25] = colour
    text = f"background:9,9,9::\npit:{','.join(map(str, colour))}::\n"
    files = {"SegmentationClass/a.png": png(picture, "RGB"), "labelmap.txt": text}
    assert areas(read(tmp_path, ["JPEGImages/a.jpg"], files)) == {("JPEGImages/a.jpg", 2): 400}


@pytest.mark.parametrize(
    ("text", "message"),
    [("scratch\npit\n", "must be background"), ("a:1,2,3::\nb:1,2,3::\n", "another class"),
     ("a:1,2::\n", "is not NAME")],
)  # fmt: skip
def test_maps_of_labels_that_cannot_be_trusted(tmp_path, text, message):
    files = {"SegmentationClass/a.png": png(np.ones(SIZE)), "labelmap.txt": text}
    with pytest.raises(SteelDefectsError, match=message):
        read(tmp_path, ["JPEGImages/a.jpg"], files)


def test_names_without_colours_are_numbered(tmp_path):
    files = {"SegmentationClass/a.png": png(np.ones(SIZE)), "labelmap.txt": "background\npit\n"}
    assert list(areas(read(tmp_path, ["JPEGImages/a.jpg"], files))) == [("JPEGImages/a.jpg", 2)]


def test_a_listed_picture_without_a_mask_is_clean_unless_one_is_called_alike(tmp_path):
    pictures = ["JPEGImages/a.jpg", "JPEGImages/b.jpg", "JPEGImages/b_1.jpg"]
    files = {"SegmentationClass/b_1.png": png(np.ones(SIZE)),
             "ImageSets/Segmentation/train.txt": "a\nb\nb_1\n"}  # fmt: skip
    assert aside(read(tmp_path, pictures, files)) == {}
    masks = read(tmp_path, pictures, {"SegmentationClass/b_mask.png": png(np.ones(SIZE))})
    assert "there is b_mask.png" in aside(masks)["JPEGImages/b.jpg"]


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n", b"\xff\xd8\xff\xe0 a JPEG"])
@pytest.mark.parametrize("colours", [True, False])
def test_masks_that_are_none(tmp_path, data, colours):
    files: dict[str, Any] = {"SegmentationClass/a.png": data}
    files |= {"labelmap.txt": "background:0,0,0::\n"} if colours else {}
    with pytest.raises(SteelDefectsError, match=r"a\.png"):
        read(tmp_path, ["JPEGImages/a.jpg"], files)


# === COCO ===


def coco(annotation: dict[str, Any], **image: Any) -> dict[str, Any]:
    flat = [number for point in SQUARE for number in point]
    images = [{"id": 1, "file_name": "a.png", "width": 60, "height": 40} | image]
    annotations = [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [flat]} | annotation]
    return {"images": images, "annotations": annotations,
            "categories": [{"id": 1, "name": "scratch"}]}  # fmt: skip


@pytest.mark.parametrize("image_id", ["1", 1])
def test_numbers_that_are_text_in_a_part_of_the_file(tmp_path, image_id):
    masks = read(tmp_path, ["a.png"], {"c.json": coco({"image_id": image_id}, id="1")})
    assert areas(masks) == {("a.png", 1): 400}


def test_areas_of_boxes_do_not_decide_how_outlines_are_filled(tmp_path):
    slanted = [5, 5, 50, 30, 50, 31.5, 5, 6.5]
    plain = read(tmp_path, ["a.png"], {"c.json": coco({"segmentation": [slanted]})})
    boxed = read(tmp_path, ["a.png"], {"c.json": coco({"segmentation": [slanted], "area": 1192})})
    assert areas(boxed) == areas(plain)


@pytest.mark.parametrize(
    "outline",
    [SQUARE, [[5, 5, 25, 5, 25, 25, 5, 25], [1, 1, 2, 2]], [5, 5, 25, 5, 25, 25, 5, 25]],
    ids=["pairs", "a ring of two corners beside", "one list"],
)
def test_outlines_written_otherwise(tmp_path, outline):
    masks = read(tmp_path, ["a.png"], {"c.json": coco({"segmentation": outline})})
    assert areas(masks) == {("a.png", 1): 400}
    assert aside(masks) == {}


def test_an_odd_count_of_coordinates_is_refused(tmp_path):
    with pytest.raises(SteelDefectsError, match="odd count"):
        read(tmp_path, ["a.png"], {"c.json": coco({"segmentation": [[5, 5, 25, 5, 25, 25, 5]]})})


# === Pictures of other folders ===


@pytest.mark.parametrize(
    ("pictures", "files"),
    [
        (["valid/images/0.jpg"], {"train/labels/0.txt": POLYGON, "data.yaml": YAML}),
        (["images/valid/0.jpg"], {"labels/train/0.txt": POLYGON, "data.yaml": YAML}),
        (["train/b.png", "valid/a.png"], {"train/_annotations.coco.json": coco({})}),
        (["images/train/b.png", "images/valid/a.png"], {"instances_train.json": coco({})}),
        (["images/train/1.png", "images/valid/a.png"],
         {"x.xml": '<annotations><image name="a.png" width="60" height="40" subset="train"/>'
                   "</annotations>"}),
        (["ds2/img/0.png"], {"ds1/ann/0.png.json": {"size": {"height": 40, "width": 60},
                                                    "objects": []}}),
        (["b/y.png", "a.png"], {"b/a.json": {"imagePath": "a.png", "shapes": []}}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("clean", [True, False])
def test_a_namesake_in_another_folder_is_not_taken(tmp_path, pictures, files, clean):
    masks = read(tmp_path, pictures, files, clean)
    assert areas(masks) == {}
    [namesake] = [one for one in pictures if Path(one).stem in "a0"]
    assert "may mean this picture, which lies elsewhere" in aside(masks)[namesake]


# === YOLO ===


def test_one_label_for_two_pictures(tmp_path):
    files = {"labels/a.txt": POLYGON, "data.yaml": YAML}
    masks = read(tmp_path, ["images/a.jpg", "images/a.png"], files, clean=True)
    assert set(aside(masks)) == {"images/a.jpg", "images/a.png"}


@pytest.mark.parametrize(
    "text", ["names: 4", "names: true", "names: {.inf: x}", "date: 2024-13-45", "names: [[a], [b]]",
             "names: {a: b}", "- x", "\t", "names: *x"],
)  # fmt: skip
def test_names_that_are_none(tmp_path, text):
    with pytest.raises(SteelDefectsError, match=r"data\.yaml"):
        read(tmp_path, ["images/a.jpg"], {"labels/a.txt": POLYGON, "data.yaml": text})


def test_two_files_that_name_classes_otherwise(tmp_path):
    files = {"v/labels/a.txt": POLYGON, "data.yaml": YAML, "v/data.yaml": "names: [pit, scratch]"}
    with pytest.raises(SteelDefectsError, match="name different classes"):
        read(tmp_path, ["v/images/a.jpg"], files)


@pytest.mark.parametrize(("line", "message"), [
    ("0 0.1 0.1 0.4 0.1 0.4", "odd count"), ("0 a b", "row of numbers"), ("7 0.1 0.1", "no name"),
    ("0 nan 1 1 1 1 1", "a number that is none")])  # fmt: skip
def test_lines_that_are_no_shape(tmp_path, line, message):
    with pytest.raises(SteelDefectsError, match=message):
        read(tmp_path, ["images/a.jpg"], {"labels/a.txt": line, "data.yaml": YAML})


def test_keypoints_are_no_outlines(tmp_path):
    text = "names: [pit]\nkpt_shape: [2, 3]\n"
    line = "0 0.5 0.5 0.2 0.2 0.4 0.4 2 0.6 0.6 2"  # as many numbers as a polygon may have
    with pytest.raises(SteelDefectsError, match="describes keypoints .* export a segmentation"):
        read(tmp_path, ["images/a.jpg"], {"labels/a.txt": line, "data.yaml": text})


def test_pixels_in_the_place_of_shares(tmp_path):
    files = {"labels/a.txt": "0 5 5 25 5 25 25 5 25", "data.yaml": YAML}
    assert "are they pixels" in aside(read(tmp_path, ["images/a.jpg"], files))["images/a.jpg"]


# === CVAT ===


def cvat(inside: str, size: str = 'width="60" height="40"') -> dict[str, str]:
    return {"a.xml": f'<annotations><image name="a.png" {size}>{inside}</image></annotations>'}


def test_an_ellipse_is_turned(tmp_path):
    text = '<ellipse label="pit" cx="30" cy="20" rx="18" ry="4" rotation="{}"/>'
    lying, standing = (read(tmp_path, ["a.png"], cvat(text.format(turn))) for turn in (0, 90))
    assert areas(lying)["a.png", 2] == pytest.approx(np.pi * 18 * 4, rel=0.03)
    assert areas(standing)["a.png", 2] == pytest.approx(np.pi * 18 * 4, rel=0.03)
    assert lying.table["rle"].tolist() != standing.table["rle"].tolist()
    last = int(standing.table["rle"][0].split()[-2]) // SIZE[0]  # the column that it ends in
    assert last <= 34


@pytest.mark.parametrize("inside", ['<tag label="pit"/>', '<box label="pit" xtl="1"/>',
                                    '<polyline label="pit" points="1,1;2,2"/>',
                                    '<thing label="pit"/>'])  # fmt: skip
def test_what_has_no_outline_sets_the_sheet_aside(tmp_path, inside):
    assert set(aside(read(tmp_path, ["a.png"], cvat(inside)))) == {"a.png"}


@pytest.mark.parametrize("points", ["5,5;25,5;25,25;5,25;", "5.0,5;25,5;25,25;5,25"])
def test_numbers_written_otherwise(tmp_path, points):
    inside = f'<polygon label="pit" points="{points}"/>'
    masks = read(tmp_path, ["a.png"], cvat(inside, 'width="60.0" height="40.0"'))
    assert areas(masks) == {("a.png", 2): 400}


@pytest.mark.parametrize("inside", [
    '<mask label="pit" rle="0,100000000" left="0" top="0" width="10000" height="10000"/>',
    '<mask label="pit" rle="0,9" left="0" top="0" width="2" height="2"/>',
    '<mask label="pit" rle="x" left="0" top="0" width="2" height="2"/>',
    '<polygon label="pit"/>', '<polygon points="1,1"/>', '<polygon label="pit" points="1"/>',
])  # fmt: skip
def test_values_that_cannot_be_read(tmp_path, inside):
    with pytest.raises(SteelDefectsError, match=r"a\.xml, picture a\.png"):
        read(tmp_path, ["a.png"], cvat(inside))


def test_a_video_is_refused(tmp_path):
    text = "<annotations><meta><task/></meta><track/></annotations>"
    with pytest.raises(SteelDefectsError, match="of a video"):
        read(tmp_path, ["a.png"], {"a.xml": text})


# === Supervisely and LabelMe ===


@pytest.mark.parametrize("interior", [[[]], [[[6, 6], [7, 7]]], []])
def test_holes_that_are_none(tmp_path, interior):
    drawn = {"classTitle": "pit", "geometryType": "polygon",
             "points": {"exterior": SQUARE, "interior": interior}}  # fmt: skip
    content = {"size": {"height": 40, "width": 60}, "objects": [drawn]}
    masks = read(tmp_path, ["d/img/a.png"], {"d/ann/a.png.json": content})
    assert areas(masks) == {("d/img/a.png", 2): 21 * 21}


def test_a_tag_says_that_something_is_there(tmp_path):
    content = {"size": {"height": 40, "width": 60}, "objects": [], "tags": [{"name": "pit"}]}
    masks = read(tmp_path, ["d/img/a.png"], {"d/ann/a.png.json": content})
    assert "said to show pit" in aside(masks)["d/img/a.png"]
    content["tags"] = [{"name": "done"}]
    assert aside(read(tmp_path, ["d/img/a.png"], {"d/ann/a.png.json": content})) == {}


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_masks_in_text(tmp_path, mode):
    values = np.zeros((20, 20), np.uint8)
    values[2:12, 2:12] = 1
    file = io.BytesIO()
    if mode == "P":
        picture = Image.fromarray(values, "P")
        picture.putpalette([255, 255, 255, 0, 0, 0])  # background is white
        picture.save(file, "PNG")
    else:
        opaque = np.dstack([values * 255] * 3 + [np.full_like(values, 255)])
        Image.fromarray(values if mode == "L" else opaque, mode).save(file, "PNG")
    drawn = {"label": "pit", "shape_type": "mask", "points": [[3, 4], [22, 23]],
             "mask": base64.b64encode(file.getvalue()).decode()}  # fmt: skip
    masks = read(tmp_path, ["a.png"], {"a.json": {"imagePath": "a.png", "shapes": [drawn]}})
    assert areas(masks) == {("a.png", 2): 100}


# === LabelMe ===


@pytest.mark.parametrize("side", ["imageWidth", "imageHeight"])
def test_half_a_size_cannot_be_trusted(tmp_path, side):
    content = {"imagePath": "a.png", "shapes": [], side: 60 if side == "imageWidth" else 40}
    masks = read(tmp_path, ["a.png"], {"a.json": content})
    assert "the width or the height of its picture, not both" in aside(masks)["a.png"]


# === Folders of masks, and files of something else ===


def test_a_mask_for_each_class_is_no_suffix(tmp_path):
    for number in (1, 2):
        (tmp_path / f"a_{number}.png").write_bytes(png(np.zeros(SIZE)))
    masks = read_annotations(MaskFolder(tmp_path), {"a.jpg": SIZE}, MaskRules(2))
    assert set(aside(masks)) == {"a.jpg"}


def test_files_of_something_else_are_no_labels(tmp_path):
    others = {"package.json": {"name": "x"}, "note.xml": "<broken", "feed.xml": "<rss/>",
              "empty.xml": "", "notes.txt": "x"}  # fmt: skip
    os.mkfifo(tmp_path / "pipe.json")
    masks = read(tmp_path, ["a.png"], {**others, "c.json": coco({})})
    assert areas(masks) == {("a.png", 1): 400}
