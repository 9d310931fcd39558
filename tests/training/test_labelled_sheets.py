from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest

from steel_defects.images.folder import SheetFolder
from steel_defects.labels import rle
from steel_defects.training import labelled_sheets as module
from steel_defects.training.augmentation import Augmentation
from steel_defects.training.labelled_sheets import (
    LabelledSheets,
    class_weights,
    labelled_sheets,
    sheet_reader,
)

HEIGHT, WIDTH, GRID = 32, 128, (4, 8)
#: Of 16×16 pixels, each covering a cell of the grid and its neighbour.
BOXES = {"one.png": [(8, 32)], "two.png": [(0, 16), (16, 48)], "clean.png": []}


@pytest.fixture
def data(tmp_path: Path) -> LabelledSheets:
    sheets, annotations = [], []
    for sheet_id, boxes in BOXES.items():
        image = np.random.default_rng(0).integers(90, 110, (HEIGHT, WIDTH)).astype(np.uint8)
        for class_id, (y, x) in enumerate(boxes, start=1):
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            mask[y : y + 16, x : x + 16] = 1
            image[mask > 0] = 230
            annotations.append((sheet_id, class_id, rle.encode(mask)))
        (tmp_path / sheet_id).write_bytes(cv2.imencode(".png", image)[1].tobytes())
        sheets.append((sheet_id, sheet_id, "", HEIGHT, WIDTH, bool(boxes)))
    return labelled_sheets(
        SheetFolder(tmp_path),
        pd.DataFrame(
            sheets, columns=["sheet_id", "path", "sha256", "height", "width", "has_defect"]
        ),
        pd.DataFrame(annotations, columns=["sheet_id", "class_id", "rle"]),
    )


def bright_cells(sheet: np.ndarray) -> np.ndarray:
    rows, columns = HEIGHT // GRID[0], WIDTH // GRID[1]
    return (sheet[..., 0] > 200).reshape(GRID[0], rows, GRID[1], columns).any((1, 3))


def test_an_example_is_the_sheet_and_what_is_known_of_it(data: LabelledSheets):
    read = sheet_reader(data, (HEIGHT, WIDTH), Augmentation(flips=False), GRID)
    for index, sheet_id in enumerate(data.sheets["sheet_id"]):
        example = read(index, np.random.default_rng(0))
        np.testing.assert_array_equal(example["sheet"][..., 0], data.folder.read(sheet_id))
        assert example["sheet"].dtype == np.uint8
        defective = bool(BOXES[sheet_id])
        assert example["score"].tolist() == [float(defective)]
        assert example["weight"] == pytest.approx(class_weights(data.labels)[defective])
        assert example["mask"].shape == (*GRID, 1)
        np.testing.assert_array_equal(example["mask"][..., 0], bright_cells(example["sheet"]))


@pytest.mark.parametrize(
    ("size", "transposes", "ways"),
    [((32, 128), True, 4), ((64, 64), True, 8), ((64, 64), False, 4)],
)
def test_cells_turn_with_the_sheet(
    data: LabelledSheets, size: tuple[int, int], transposes: bool, ways: int
):
    read = sheet_reader(data, size, Augmentation(transposes=transposes), (4, 4))
    seen = set()
    for seed in range(100):
        example = read(1, np.random.default_rng(seed))
        bright = (example["sheet"][..., 0] > 150).reshape(4, size[0] // 4, 4, size[1] // 4)
        share = bright.mean((1, 3))
        np.testing.assert_array_equal(example["mask"][..., 0], share > 0.05)
        seen.add(share.tobytes())
    assert len(seen) == ways


def test_both_kinds_weigh_the_same():
    weights = class_weights(np.array([True, False, False, False]))
    assert weights == {False: pytest.approx(2 / 3), True: pytest.approx(2.0)}
    assert class_weights(np.array([True, True])) == {False: 1.0, True: 1.0}


@pytest.mark.parametrize(("kept", "reads"), [(2**28, 3), (HEIGHT * WIDTH, 3 + 2 + 2)])
def test_sheets_are_kept_after_the_first_epoch_as_far_as_there_is_room(
    data: LabelledSheets, monkeypatch, kept: int, reads: int
):
    monkeypatch.setattr(module, "_KEPT_BYTES", kept)
    decoded: list[str] = []
    folder = data.folder
    counting = SimpleNamespace(read=lambda path: decoded.append(path) or folder.read(path))
    size = (HEIGHT, WIDTH)
    read = sheet_reader(replace(data, folder=counting), size, Augmentation(brightness=0.2), GRID)
    for epoch in range(3):
        for index in range(3):
            rng, same = (np.random.default_rng([epoch, index]) for _ in range(2))
            afresh = sheet_reader(data, size, Augmentation(brightness=0.2), GRID)(index, same)
            for name, value in read(index, rng).items():
                np.testing.assert_array_equal(value, afresh[name])
    assert len(decoded) == reads
