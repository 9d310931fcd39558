"""Windows and their masks, from picture files to batches."""

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from steel_defects.images.folder import SheetFolder
from steel_defects.images.gray_cache import open_gray_cache
from steel_defects.labels import rle
from steel_defects.training import labelled_tiles as domain
from steel_defects.training import loader
from steel_defects.training.augmentation import Augmentation
from steel_defects.training.config import SegmentationConfig
from steel_defects.training.labelled_tiles import (
    LabelledTiles,
    TileReader,
    crop_sampler,
    labelled_tiles,
    training_loader,
)
from steel_defects.training.loader import Channels

CLASSES = 5
HEIGHT, WIDTH, SIZE = 48, 200, 32
#: Gray value of each class; steel is at 100, and a third of every sheet is black.
GRAYS = {1: 150, 2: 180, 4: 210}
QUIET = Augmentation(flips=False)


def draw_sheet(classes: tuple[int, ...], seed: int) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    rng = np.random.default_rng(seed)
    image = np.full((HEIGHT, WIDTH), 100, np.uint8)
    image[:, :64] = 0
    masks = {}
    for class_id in classes:
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        x, y = 70 + 40 * (class_id % 3) + rng.integers(10), rng.integers(4, 20)
        mask[y : y + 14, x : x + 9] = 1
        image[mask > 0] = GRAYS[class_id]
        masks[class_id] = mask
    return image, masks


#: Class 1 is on six sheets, class 4 on one, class 3 and 5 on none; four sheets are clean.
SHEETS = [(), (1,), (1, 2), (1,), (), (2, 4), (1,), (), (1,), (1,), ()]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> LabelledTiles:
    root = tmp_path_factory.mktemp("raw")
    sheets, annotations, tiles = [], [], []
    (root / "images").mkdir()
    for number, classes in enumerate(SHEETS):
        image, masks = draw_sheet(classes, number)
        sheet_id = f"{number:02}.png"
        (root / "images" / sheet_id).write_bytes(cv2.imencode(".png", image)[1].tobytes())
        digest = hashlib.sha256((root / "images" / sheet_id).read_bytes()).hexdigest()
        sheets.append((sheet_id, f"images/{sheet_id}", digest, HEIGHT, WIDTH))
        annotations += [(sheet_id, k, rle.encode(mask)) for k, mask in masks.items()]
        for x in range(0, WIDTH - SIZE + 1, 24):
            areas = [
                int(masks[k][:SIZE, x : x + SIZE].sum()) if k in masks else 0
                for k in range(1, CLASSES + 1)
            ]
            tiles.append((sheet_id, x, 0, SIZE, SIZE, areas))
    return labelled_tiles(
        SheetFolder(root),
        pd.DataFrame(tiles, columns=["sheet_id", "x", "y", "width", "height", "area_px"]),
        pd.DataFrame(sheets, columns=["sheet_id", "path", "sha256", "height", "width"]),
        pd.DataFrame(annotations, columns=["sheet_id", "class_id", "rle"]),
        CLASSES,
    )


def config(**changes: object) -> SegmentationConfig:
    values = {
        "seed": 1, "epochs": 1, "batch_size": 6, "learning_rate": 0.1, "patience": 1,
        "steps_per_epoch": 4,
    }  # fmt: skip
    return SegmentationConfig(**values | changes)


def dense(channels: Channels) -> np.ndarray:
    mask = np.zeros(channels.shape, np.uint8)
    channels.write(mask)
    return mask


def assert_agree(sheet: np.ndarray, mask: np.ndarray) -> None:
    """A pixel has the gray of a class exactly where the class's mask is."""
    assert sheet.dtype == mask.dtype == np.uint8
    for class_id in range(1, CLASSES + 1):
        expected = sheet[..., 0] == GRAYS.get(class_id, 1)
        np.testing.assert_array_equal(mask[..., class_id - 1], expected)


# === Tiles ===


def test_a_tile_is_that_part_of_the_sheet_and_its_masks(data: LabelledTiles):
    read, rng = TileReader(data).tile, np.random.default_rng(0)
    shown = np.zeros(CLASSES)
    for index, row in enumerate(data.tiles.itertuples()):
        example = read(index, rng)
        whole = data.folder.read(row.path)
        window = np.s_[row.y : row.y + SIZE, row.x : row.x + SIZE]
        np.testing.assert_array_equal(example["sheet"][..., 0], whole[window])
        mask = dense(example["mask"])
        assert_agree(example["sheet"], mask)
        assert mask.sum((0, 1)).tolist() == row.area_px
        shown += mask.any((0, 1))
    assert (shown > 0).tolist() == [True, True, False, True, False]


def test_tiles_of_smaller_sheets_are_filled_up_with_black(data: LabelledTiles):
    tiles = data.tiles.copy()
    tiles.loc[1:, ["width", "height"]] = [24, 20]
    smaller = LabelledTiles(data.folder, tiles, data.masks, CLASSES)
    read = TileReader(smaller).tile
    for index in np.flatnonzero(tiles["sheet_id"] == "05.png").tolist():
        whole, part = TileReader(data).tile, read(index, np.random.default_rng(0))
        full = whole(index, np.random.default_rng(0))
        for key in ("sheet", "mask"):
            found, expected = part[key], full[key]
            if key == "mask":
                found, expected = dense(found), dense(expected)
            assert found.shape == expected.shape
            np.testing.assert_array_equal(found[:20, :24], expected[:20, :24])
            assert not found[20:].any()
            assert not found[:, 24:].any()


def test_without_further_parameters_the_tiles_are_read(data: LabelledTiles, monkeypatch):
    monkeypatch.setattr(domain, "tile_augmentation", lambda _: QUIET)
    tiles = {
        data.folder.read(row.path)[row.y : row.y + SIZE, row.x : row.x + SIZE].tobytes()
        for row in data.tiles.itertuples()
    }
    batches = list(training_loader(data, config()).epoch(0))
    assert len(batches) == 4
    for batch in batches:
        assert {sheet.tobytes() for sheet in batch["sheet"]} <= tiles


# === Windows at random places ===


def draws(data: LabelledTiles, share: float, windows: int = 1) -> list[tuple[int, int]]:
    values = config(steps_per_epoch=500, defect_tile_share=share, windows_per_sheet=windows)
    return crop_sampler(data, values)(np.random.default_rng(0))


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_each_class_is_drawn_with_the_stated_probability(data: LabelledTiles, share: float):
    drawn = draws(data, share)
    assert len(drawn) == 3000
    classes = Counter(class_id for _, class_id in drawn)
    for class_id in (1, 2, 4):  # however rare it is
        assert classes[class_id] / 3000 == pytest.approx(share / 3, abs=0.03)
    assert classes[0] / 3000 == pytest.approx(1 - share, abs=0.03)
    assert set(classes) <= {0, 1, 2, 4}


def test_a_class_is_drawn_with_its_sheets_alone(data: LabelledTiles):
    seen: dict[int, set[int]] = {}
    for place, class_id in draws(data, 0.5):
        seen.setdefault(class_id, set()).add(place)
    assert seen[0] == set(range(len(SHEETS)))
    for class_id in (1, 2, 4):
        assert seen[class_id] == {i for i, found in enumerate(SHEETS) if class_id in found}


def test_several_windows_a_sheet_take_fewer_sheets(data: LabelledTiles):
    assert len(draws(data, 0.5, windows=4)) == 750


def test_windows_show_the_class_they_are_drawn_for(data: LabelledTiles):
    read = TileReader(data, windows_per_sheet=3).windows
    rng, places = np.random.default_rng(0), set()
    for _ in range(40):
        examples = read((5, 4), rng)
        assert len(examples) == 3
        for example in examples:
            mask = dense(example["mask"])
            assert mask[..., 3].any()
            assert_agree(example["sheet"], mask)
            places.add(example["sheet"].tobytes())
    assert len(places) > 60


@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_windows_prefer_steel_as_often_as_stated(data: LabelledTiles, share: float, monkeypatch):
    monkeypatch.setattr(domain, "_STEEL_SHARE", share)
    monkeypatch.setattr(domain, "_MOST_BLACK", 0.0)
    read = TileReader(data).windows
    rng = np.random.default_rng(0)
    black = [(read((0, 0), rng)[0]["sheet"] < 12).any() for _ in range(800)]
    # Of the places that are drawn from all, those left of the border's end show black.
    expected = (1 - share) * 64 / (WIDTH - SIZE + 1)
    assert np.mean(black) == pytest.approx(expected, abs=0.05)


# === Batches ===


EVERYTHING = {
    "transposes": True,
    "windows_per_sheet": 4,
}


@pytest.mark.parametrize("changes", [{}, EVERYTHING])
def test_batches_do_not_depend_on_threads_or_the_cache(
    data: LabelledTiles, tmp_path: Path, changes: dict[str, object], monkeypatch
):
    rows = data.tiles.drop_duplicates("sheet_id")
    sheets = rows.rename(columns={"sheet_height": "h", "sheet_width": "w"})
    sheets = sheets.assign(height=sheets["h"], width=sheets["w"])
    cached = open_gray_cache(data.folder, sheets, tmp_path)
    ways = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(loader, "core_count", lambda count=threads: count)
        for source in (data, LabelledTiles(cached, data.tiles, data.masks, CLASSES)):
            ways.append(list(training_loader(source, config(**changes)).epoch(2)))
    assert len(ways[0]) == 4
    for batches in ways[1:]:
        for one, other in zip(ways[0], batches, strict=True):
            assert one.keys() == other.keys() == {"sheet", "mask", "presence"}
            for key in one:
                np.testing.assert_array_equal(one[key], other[key])


@pytest.mark.parametrize(("batches", "windows"), [(3, 5), (2, 16), (1, 64)])
def test_an_epoch_has_as_many_steps_as_the_learning_rate_was_told(
    data: LabelledTiles, batches: int, windows: int
):
    values = config(batch_size=4, steps_per_epoch=batches, windows_per_sheet=windows)
    assert len(list(training_loader(data, values).epoch(0))) == batches


def test_masks_follow_pictures_through_everything_but_the_gray_values(data: LabelledTiles):
    values = config(brightness=0, contrast=0, **EVERYTHING)
    defects = 0
    for batch in training_loader(data, values).epoch(0):
        assert batch["sheet"].shape == (6, SIZE, SIZE, 1)
        assert batch["mask"].shape == (6, SIZE, SIZE, CLASSES)
        for sheet, mask in zip(batch["sheet"], batch["mask"], strict=True):
            assert_agree(sheet, mask)
            defects += mask.any()
    assert defects > 5


@pytest.mark.parametrize("windows", [0, 1])
@pytest.mark.parametrize("changes", [{"zoom": 0.4}, {"rotation_degrees": 20.0}])
def test_tiles_and_windows_are_zoomed_and_rotated(
    data: LabelledTiles, windows: int, changes: dict[str, float], monkeypatch
):
    def drawn(**values: float) -> dict[str, np.ndarray]:
        monkeypatch.setattr(domain, "tile_augmentation", lambda _: replace(QUIET, **values))
        return next(iter(training_loader(data, config(windows_per_sheet=windows)).epoch(0)))

    warped, plain = drawn(**changes), drawn()
    changed = (warped["sheet"] != plain["sheet"]).any(axis=(1, 2, 3))
    flat = np.ptp(plain["sheet"], axis=(1, 2, 3)) == 0
    assert (changed == ~flat).all()
    assert changed.sum() > 2


def test_the_augmentation_is_drawn_anew_each_epoch(data: LabelledTiles):
    epochs = training_loader(data, config(**EVERYTHING))
    first, again, other = (next(iter(epochs.epoch(number)))["sheet"] for number in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_reader_without_augmentation_leaves_the_picture(data: LabelledTiles):
    for augmentation in (None, QUIET):
        (example,) = TileReader(data, augmentation).windows((5, 4), np.random.default_rng(3))
        assert_agree(example["sheet"], dense(example["mask"]))
