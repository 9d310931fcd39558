import numpy as np
import pytest
from tests.training.test_labelled_tiles import CLASSES, SIZE, data  # noqa: F401 (a fixture)

from steel_defects.training import labelled_tiles
from steel_defects.training.augmentation import DefectDonors, paste_defects
from steel_defects.training.labelled_tiles import LabelledTiles, TileReader

BOX = np.s_[24:34, 40:56]


def steel(gray: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(gray - 4, gray + 5, (64, 96)).astype(np.uint8)


def mask_of(box: tuple[slice, slice]) -> np.ndarray:
    mask = np.zeros((64, 96), np.uint8)
    mask[box] = 1
    return mask


def donor(gray: int = 160, contrast: int = -60) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    image = steel(gray, seed=1)
    image[BOX] = gray + contrast
    return image, {2: mask_of(BOX)}


def test_a_defect_keeps_its_contrast_to_the_steel_and_its_class():
    image, (other, masks) = steel(100), donor()
    before = image.copy()
    picture, found = paste_defects(image, {}, other, masks)
    assert picture.dtype == np.uint8
    assert picture[26:32, 44:52].mean() == pytest.approx(40, abs=3)
    np.testing.assert_array_equal(found[2], masks[2])
    np.testing.assert_array_equal(image, before)


def test_only_the_defect_and_a_margin_change():
    image, (other, masks) = steel(100), donor()
    picture, _ = paste_defects(image, {}, other, masks)
    outside = np.ones(image.shape, bool)
    outside[12:46, 28:68] = False
    np.testing.assert_array_equal(picture[outside], image[outside])


def test_a_defect_ends_without_a_step():
    image, (other, masks) = steel(100), donor()
    other[BOX] = 160  # as bright as its steel, so that every step is the border's
    picture, _ = paste_defects(image, {}, other, masks)
    steps = np.diff(picture[10:48, 44:52].astype(float).mean(axis=1))
    assert np.abs(steps).max() < 8


@pytest.mark.parametrize("place", ["on a defect", "on black"])
def test_nothing_is_pasted_where_there_is_no_free_steel(place: str):
    image, (other, masks) = steel(100), donor()
    own = {}
    if place == "on a defect":
        own[0] = mask_of(np.s_[30:36, 50:60])
    else:
        image[:, 50:] = 3
    picture, found = paste_defects(image, own, other, masks)
    np.testing.assert_array_equal(picture, image)
    assert found == own


def test_defects_of_the_picture_stay():
    image, (other, masks) = steel(100), donor()
    own = {2: mask_of(np.s_[2:8, 2:8]), 0: mask_of(np.s_[50:60, 80:90])}
    _, found = paste_defects(image, own, other, masks)
    np.testing.assert_array_equal(found[2], own[2] | masks[2])
    np.testing.assert_array_equal(found[0], own[0])
    assert own[2].sum() == 36


def test_every_class_is_pasted_as_often_however_rare(data: LabelledTiles):  # noqa: F811
    donors = DefectDonors(data.folder, data.sheets, data.runs, (SIZE, SIZE))
    rng, image = np.random.default_rng(0), np.full((SIZE, SIZE), 90, np.uint8)
    shown = np.zeros(CLASSES, int)
    for _ in range(300):
        picture, masks = donors.paste_into(image, {}, rng)
        assert picture.shape == image.shape
        for channel, mask in masks.items():
            shown[channel] += bool(mask.any())
    # Class 1 is on six sheets, class 4 on one, beside class 2.
    assert shown[3] > 0.4 * shown[0] > 20
    assert not shown[2] and not shown[4]


@pytest.mark.parametrize("windows", ["tiles", "crops"])
def test_a_reader_pastes_a_share(data: LabelledTiles, windows: str, monkeypatch):  # noqa: F811
    monkeypatch.setattr(labelled_tiles, "_STEEL_SHARE", 1)
    monkeypatch.setattr(labelled_tiles, "_MOST_BLACK", 0)

    def presence(share: float) -> float:
        if windows == "tiles":
            read = TileReader(data, None, share).tile
            shown = [read(0, np.random.default_rng(seed)) for seed in range(40)]
        else:
            crop = TileReader(data, None, share).windows
            shown = [crop((0, 0), np.random.default_rng(seed))[0] for seed in range(40)]
        return float(np.mean([np.asarray(example["presence"]).any() for example in shown]))

    assert presence(0) == 0  # the first sheet is clean
    if windows == "tiles":
        assert presence(1) == 0  # and its first tile is black
    else:
        assert presence(1) > presence(0.3) > 0


def test_without_defects_there_is_nothing_to_paste(data: LabelledTiles):  # noqa: F811
    donors = DefectDonors(data.folder, data.sheets[:1], data.runs, (SIZE, SIZE))
    image = np.full((SIZE, SIZE), 90, np.uint8)
    picture, masks = donors.paste_into(image, {}, np.random.default_rng(0))
    assert picture is image
    assert masks == {}
