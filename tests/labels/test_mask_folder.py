from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steel_defects.labels import rle
from steel_defects.labels.mask_folder import MaskFolder, MaskRules, read_annotations

SIZE = (6, 9)


@pytest.fixture
def folder(tmp_path: Path) -> MaskFolder:
    return MaskFolder(tmp_path)


def draw(folder: MaskFolder, sheet_id: str, mask: np.ndarray, palette: bool = False) -> None:
    path = (folder.root / sheet_id).with_suffix(".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(mask)
    if palette:
        picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.save(path)


def read(folder: MaskFolder, sizes: dict[str, tuple[int, int]], classes: int = 2, **rules):
    masks = read_annotations(folder, sizes, MaskRules(classes, **rules))
    return masks.table, masks.findings


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[1:3, 2:5] = 1
    mask[4, 6:] = 2
    return mask


@pytest.mark.parametrize("palette", [False, True])
def test_each_class_of_a_mask_becomes_a_row(folder, mask, palette):
    draw(folder, "coil/a.jpg", mask, palette)
    table, findings = read(folder, {"coil/a.jpg": SIZE}, 2)
    assert findings == []
    assert table["sheet_id"].tolist() == ["coil/a.jpg"] * 2
    assert table["class_id"].tolist() == [1, 2]
    assert table["area_px"].tolist() == [6, 3]
    for class_id, text in zip(table["class_id"], table["rle"], strict=True):
        np.testing.assert_array_equal(rle.decode(text, *SIZE), mask == class_id)


def test_values_are_turned_into_classes(folder, mask):
    draw(folder, "a.jpg", np.where(mask == 1, 255, np.where(mask == 2, 7, 0)).astype(np.uint8))
    table, findings = read(folder, {"a.jpg": SIZE}, 2, values={255: 2, 7: 2})
    assert findings == []
    assert table[["class_id", "area_px"]].to_numpy().tolist() == [[2, 9]]


def test_equal_colours_count_as_one_value(folder, mask):
    draw(folder, "a.png", np.repeat(mask[..., None], 3, axis=2))
    table, _ = read(folder, {"a.png": SIZE}, 2)
    assert table["area_px"].tolist() == [6, 3]


def test_an_empty_mask_is_a_clean_sheet(folder):
    draw(folder, "a.jpg", np.zeros(SIZE, np.uint8))
    table, findings = read(folder, {"a.jpg": SIZE}, 2)
    assert table.empty
    assert findings == []


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.full(SIZE, 3, np.uint8), "value 3"),
        (np.full(SIZE, 700, np.uint16), "value 700"),
        (np.ones((9, 6), np.uint8), "6×9 for a picture of 9×6"),
        (np.dstack([np.ones(SIZE, np.uint8)] * 2 + [np.zeros(SIZE, np.uint8)]), "colour"),
    ],
)
def test_a_mask_that_cannot_be_trusted_is_found(folder, mask, value, reason):
    draw(folder, "a.jpg", value)
    draw(folder, "b.jpg", mask)
    table, findings = read(folder, {"a.jpg": SIZE, "b.jpg": SIZE}, 2)
    assert set(table["sheet_id"]) == {"b.jpg"}
    assert [finding.sheet_id for finding in findings] == ["a.jpg"]
    assert reason in findings[0].reason


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"no picture at all"])
def test_a_broken_mask_is_found(folder, content):
    (folder.root / "a.png").write_bytes(content)
    table, findings = read(folder, {"a.jpg": SIZE}, 2)
    assert table.empty
    assert "cannot be decoded" in findings[0].reason


def test_a_truncated_mask_is_found(folder, mask):
    draw(folder, "a.jpg", np.random.default_rng(0).integers(0, 3, (200, 200)).astype(np.uint8))
    whole = folder.path_of("a.jpg").read_bytes()
    (folder.root / "a.png").write_bytes(whole[: len(whole) // 2])
    _, findings = read(folder, {"a.jpg": (200, 200)}, 2)
    assert "cannot be decoded" in findings[0].reason


def test_pictures_and_masks_without_each_other_are_found(folder, mask):
    draw(folder, "only_mask.jpg", mask)
    table, findings = read(folder, {"only_picture.jpg": SIZE}, 2)
    assert table.empty
    assert [finding.sheet_id for finding in findings] == ["only_picture.jpg", "only_mask.png"]
    assert [finding.set_aside for finding in findings] == [True, False]


def test_areas_of_real_masks_are_their_pixel_counts(real_data):
    root = real_data / "neu_seg" / "annotations"
    if not root.is_dir():
        pytest.skip("no NEU-Seg here; STEEL_DEFECTS_REAL_DATA names the folder that has data/")
    names = sorted(path.stem for path in root.glob("*.png"))[::40]
    sizes = {f"{name}.jpg": (200, 200) for name in names}
    table, findings = read(MaskFolder(root), sizes, 3)
    # Masks of the pictures that were left out here are counted in a finding of their own.
    assert [finding.reason for finding in findings if finding.set_aside] == []
    areas = table.set_index(["sheet_id", "class_id"])["area_px"].to_dict()
    for name in names:
        pixels = np.asarray(Image.open(root / f"{name}.png"))
        for k in (1, 2, 3):
            assert areas.get((f"{name}.jpg", k), 0) == (pixels == k).sum()


def test_two_masks_that_differ_in_the_ending(folder, mask):
    draw(folder, "a.jpg", mask)
    Image.fromarray(mask * 0).save(folder.root / "a.tif")
    table, findings = read(folder, {"a.jpg": SIZE})
    assert table.empty
    assert "several masks for this picture: a.png and a.tif" in findings[0].reason
