"""Masks that look wrong: real data and drawn ones don't, and slips of any number of masks do."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from steel_defects.data.config import SampleDataConfig
from steel_defects.labels import rle as run_length
from steel_defects.labels.mask_folder import MaskFolder, MaskRules, read_annotations
from steel_defects.labels.masks import Masks
from steel_defects.labels.severstal import check_annotations, normalise_columns
from steel_defects.labels.suspects import suspicions
from steel_defects.pipelines.sample_data import draw_annotated_sheets
from steel_defects.tables.csv_file import parse_csv
from steel_defects.tables.declared import ANNOTATIONS

CLASSES = ("1", "2", "3", "4")
SIZE = (256, 1600)


def read_csv(file: Path) -> Masks:
    rows = normalise_columns(parse_csv(file.read_bytes()))
    return check_annotations(rows, dict.fromkeys(rows["sheet_id"], SIZE), CLASSES)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train.csv", "rows_5907.csv"])
def test_severstal_raises_no_suspicion(real_data: Path, name: str):
    masks = read_csv(real_data / "severstal" / name)
    sizes = dict.fromkeys(masks.table["sheet_id"], SIZE)
    assert len(masks.table) > 90
    assert suspicions(masks, sizes) == masks.findings == []


@pytest.mark.slow
def test_neu_seg_raises_no_suspicion(real_data: Path):
    folder = MaskFolder(real_data / "neu_seg" / "annotations")
    sizes = {f"{stem}.jpg": (200, 200) for stem in folder.files}
    masks = read_annotations(folder, sizes, MaskRules(classes=3))
    assert len(masks.table) > 4000
    assert suspicions(masks, sizes) == masks.findings == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_drawn_sheets_raise_no_suspicion(seed: int):
    pictures, rows = draw_annotated_sheets(SampleDataConfig(seed=seed, sheets=60, new_sheets=1))
    sizes = dict.fromkeys(pictures, SIZE)
    masks = check_annotations(normalise_columns(rows.astype("str")), sizes, CLASSES)
    assert suspicions(masks, sizes) == []


def blob(number: int) -> np.ndarray:
    """A mask like a stain, at a place of its own."""
    rng = np.random.default_rng(number)
    rows, columns = np.mgrid[:64, :128]
    centre, radii = rng.integers((10, 10), (54, 118)), rng.integers(5, 12, 2)
    inside = ((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2 < 1
    return inside.astype(np.uint8)


def masks_of(count: int, change: Callable[[np.ndarray], np.ndarray], changed: int) -> Masks:
    rows = []
    for number in range(count):
        mask = change(blob(number)) if number < changed else blob(number)
        rows.append((f"{number}.png", 1, run_length.encode(mask), int(mask.sum())))
    return Masks(ANNOTATIONS.typed(rows), [], labels=count)


SLIPS = {
    "rows": (lambda mask: mask.reshape(128, 64).T, "whole only if read along rows"),
    "specks": (
        lambda mask: mask * (np.random.default_rng(0).random(mask.shape) < 0.2).astype(np.uint8),
        "may have been saved as JPEG",
    ),
}


@pytest.mark.parametrize("changed", [1, 5, 20])
@pytest.mark.parametrize(("change", "said"), SLIPS.values(), ids=SLIPS)
def test_slips_are_counted(change, said: str, changed: int):
    masks = masks_of(20, change, changed)
    (found,) = suspicions(masks, dict.fromkeys(masks.table["sheet_id"], (64, 128)))
    assert said in found.kind
    assert 0.9 * changed <= found.masks <= changed and found.of == 20
    assert found.examples[0] == "0.png"


def test_masks_at_the_left_of_a_few_sheets_are_no_slip():
    masks = masks_of(3, lambda mask: mask, 0)
    sizes = dict.fromkeys(masks.table["sheet_id"], (64, 1280))
    assert suspicions(masks, sizes) == []
