"""Exports that the tools themselves wrote (see ``files/README.md``), against what was drawn.

Masks that the format keeps come back pixel by pixel. Where it loses something, a mask differs by
2 % of its area at most from what was drawn, or from what the tool itself makes of its file. Where
the outlines were thinned before they were written, only areas can be compared.
"""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from steel_defects.images.folder import SheetFolder
from steel_defects.labels import rle
from steel_defects.labels.drawn import Classes, Sheets, masks_of
from steel_defects.labels.formats.recognise import READERS, LabelFolder, recognise
from steel_defects.labels.masks import Masks, masks_by_sheet

FILES = Path(__file__).with_name("files")
TRUTH = json.loads((FILES / "pictures.json").read_text(encoding="utf-8"))
FORMATS = {
    "datumaro_coco": "coco", "datumaro_coco_polygons": "coco", "datumaro_cvat": "cvat",
    "datumaro_voc": "voc", "label_studio_coco": "coco", "label_studio_json": "label_studio",
    "labelme_json": "labelme", "supervisely_project": "supervisely", "supervision_coco": "coco",
    "supervision_yolo": "yolo", "ultralytics_yolo_coco": "yolo", "ultralytics_yolo_masks": "yolo",
}  # fmt: skip
THINNED = {"ultralytics_yolo_coco"}
LOSSLESS = {"datumaro_voc", "supervision_coco", "supervision_yolo"}
# What an export says of its pictures that is no answer, or none that can be trusted.
UNLABELLED = {
    "label_studio_json": {"skipped.png", "draft.png"},
    "ultralytics_yolo_coco": {"default/clean.png"},  # it writes no file for a clean picture
}
ASIDE = {"label_studio_coco": {"1a2b3c4d-two.png"}}  # two answers, and nothing says which is newer


def read(export: str, unlabelled_is_clean: bool = False) -> tuple[Masks, dict[str, str]]:
    """Read an export; returns the masks and the path of each picture."""
    root = FILES / export
    folder = SheetFolder(root)
    paths = {sheet_id: folder.relative_path(sheet_id) for sheet_id in folder.sheet_ids}
    sizes = {sheet_id: folder[sheet_id].shape for sheet_id in folder.sheet_ids}
    found = recognise(LabelFolder(root))
    assert found.kind == FORMATS[export]
    labels = READERS[found.kind](root, found.files)
    classes = Classes(("scratch", "pit"))
    return masks_of(labels, Sheets(paths, sizes), classes, unlabelled_is_clean), paths


def index_of(path: Path) -> np.ndarray:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


def differences(mask: np.ndarray, export: str, name: str, class_id: int) -> list[float]:
    """Return by which share of its area a mask differs from what was drawn, and from the tool's."""
    files = (FILES / "truth" / name, FILES / "own_filling" / export / name)
    expected = [index_of(file) == class_id for file in files if file.is_file()]
    if export in THINNED:
        return [abs(int(mask.sum()) - one.sum()) / one.sum() for one in expected]
    return [np.count_nonzero(mask != one) / one.sum() for one in expected]


def test_every_export_is_tested():
    folders = {path.name for path in FILES.iterdir() if path.is_dir()}
    assert folders - {"truth", "own_filling"} == set(FORMATS) == set(TRUTH)


@pytest.mark.parametrize("export", FORMATS)
def test_masks_are_those_that_were_drawn(export):
    masks, paths = read(export)
    drawn = masks_by_sheet(masks.table)
    sizes = {sheet_id: index_of(FILES / export / path).shape for sheet_id, path in paths.items()}
    compared = 0
    for sheet_id, path in paths.items():
        name = TRUTH[export][path]
        if name is None or sheet_id in masks.unlabelled:
            continue
        index = index_of(FILES / "truth" / name)
        assert set(drawn.get(sheet_id, {})) == set(np.unique(index)) - {0}, path
        for class_id, encoded in drawn.get(sheet_id, {}).items():
            mask = rle.decode(encoded, *sizes[sheet_id][:2])
            found = differences(mask, export, name, class_id)
            limit = 0 if export in LOSSLESS else 0.02
            assert found[0] <= limit or min(found) <= 0.02, (path, class_id, found)
            compared += 1
    assert compared >= 3


@pytest.mark.parametrize("export", FORMATS)
def test_what_is_said_of_each_export(export):
    masks, _ = read(export)
    assert masks.unlabelled == UNLABELLED.get(export, set())
    aside = {finding.sheet_id for finding in masks.findings if finding.set_aside}
    assert aside == masks.unlabelled | ASIDE.get(export, set())
    assert masks.matched == masks.labels
    assert masks.misnamed is None


def test_pictures_that_nobody_finished_can_be_taken_as_clean():
    masks, _ = read("ultralytics_yolo_coco", unlabelled_is_clean=True)
    assert masks.unlabelled == set()
    assert masks.findings == []


def test_of_two_answers_the_one_changed_last_counts():
    masks, _ = read("label_studio_json")
    said = [finding.reason for finding in masks.findings if not finding.set_aside]
    assert said == ["2 people labelled it, and differ; the newest answer counts"]


def test_stated_areas_decide_the_rule_of_filling_and_it_is_said():
    said = [finding.reason for finding in read("supervision_coco")[0].findings]
    assert len(said) == 1 and "fit outlines that belong to their shapes" in said[0]
    assert read("datumaro_coco")[0].findings == []
