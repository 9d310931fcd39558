"""Asking segmenters for a sheet."""

import cv2
import numpy as np
import pytest

from steel_defects.images.orientations import oriented
from steel_defects.prediction import inference
from steel_defects.prediction.inference import predict_sheet, sheet_batch, shrink_maps

SHEET = np.random.default_rng(0).integers(0, 256, (45, 71), np.uint8)
SQUARE = np.random.default_rng(1).integers(0, 256, (40, 40), np.uint8)


def copy(x: np.ndarray) -> np.ndarray:
    """A network of one class whose map is the picture itself."""
    return x / 255


def test_sheet_is_mirrored_up_to_whole_strides_and_cut_back():
    seen = []

    def predict(x: np.ndarray) -> np.ndarray:
        seen.append(x)
        return copy(x)

    found = predict_sheet(predict, SHEET)
    np.testing.assert_array_equal(found.maps[..., 0], SHEET)
    assert found.maps.dtype == np.uint8
    assert seen[0].dtype == np.float32
    padded = seen[0][0, ..., 0]
    assert padded.shape == (64, 96)
    np.testing.assert_array_equal(padded[45:, :71], SHEET[:-20:-1])
    np.testing.assert_array_equal(padded[:45, 71:], SHEET[:, :-26:-1])


def test_without_an_output_for_presence_it_is_the_maximum_of_the_sheet_s_map():
    def predict(x: np.ndarray) -> np.ndarray:
        maps = np.zeros((*x.shape[:3], 2), np.float32)
        maps[0, 3, 4] = 0.25, 0.5
        maps[0, 50, 80] = 1  # beyond the sheet
        return maps

    found = predict_sheet(predict, SHEET)
    assert found.presence.dtype == np.float32
    assert found.presence.tolist() == [0.25, 0.5]


@pytest.mark.parametrize("kind", [list, tuple])
def test_presence_is_taken_from_the_network_that_says_it(kind):
    found = predict_sheet(lambda x: kind([copy(x), np.array([[0.125]], np.float32)]), SHEET)
    np.testing.assert_array_equal(found.maps[..., 0], SHEET)
    assert found.presence.tolist() == [0.125]


@pytest.mark.parametrize(
    ("image", "tta", "asked"),
    [
        (SHEET, "none", 1), (SHEET, "half_turn", 2), (SHEET, "flips", 4), (SHEET, "d4", 4),
        (SQUARE, "none", 1), (SQUARE, "half_turn", 2), (SQUARE, "flips", 4), (SQUARE, "d4", 8),
    ],
)  # fmt: skip
def test_every_orientation_is_asked_once_and_brought_back(image, tta, asked):
    seen = []

    def predict(x: np.ndarray) -> np.ndarray:
        seen.extend(one[..., 0].tobytes() for one in x)
        return copy(x)

    found = predict_sheet(predict, image, tta)
    assert len(seen) == len(set(seen)) == asked
    np.testing.assert_array_equal(found.maps[..., 0], image)


def test_orientations_are_averaged():
    """The brightness of the first row tells the network how each picture lies."""
    image = np.zeros((32, 64), np.uint8)
    image[0] = 200

    def predict(x: np.ndarray) -> list[np.ndarray]:
        upright = x[:, 0, 0, 0] > 0
        maps = np.zeros((len(x), 32, 64, 1), np.float32)
        maps[upright, :4] = 1
        return [maps, np.where(upright, 1.0, 0.5)[:, None].astype(np.float32)]

    found = predict_sheet(predict, image, "flips")
    assert np.unique(found.maps[:4]).tolist() == [128]
    assert not found.maps[4:].any()
    assert found.presence.tolist() == [0.75]


def test_a_network_for_which_all_orientations_are_one_is_changed_by_none():
    def predict(x: np.ndarray) -> np.ndarray:
        return (x > 128).astype(np.float32) * 0.75

    for turn in range(8):
        turned = np.ascontiguousarray(oriented(SQUARE, turn))
        one, all_of_them = (predict_sheet(predict, turned, tta) for tta in ("none", "d4"))
        np.testing.assert_array_equal(one.maps, all_of_them.maps)
        np.testing.assert_array_equal(one.presence, all_of_them.presence)


def test_maps_are_averaged_two_by_two():
    maps = np.zeros((4, 6, 2), np.uint8)
    maps[0, 0, 0], maps[:2, 2:4, 0], maps[3, 5, 1] = 100, 200, 40
    expected = np.zeros((2, 3, 2), np.uint8)
    expected[0, 0, 0], expected[0, 1, 0], expected[1, 2, 1] = 25, 200, 10
    np.testing.assert_array_equal(shrink_maps(maps, 2), expected)
    np.testing.assert_array_equal(shrink_maps(maps, 1), maps)


@pytest.mark.parametrize("classes", [1, 3, 7])
def test_maps_of_odd_sizes_shrink(classes):
    maps = np.full((5, 7, classes), 90, np.uint8)
    small = shrink_maps(maps, 2)
    assert small.shape == (2, 3, classes)
    assert (small == 90).all()
    assert shrink_maps(np.zeros((1, 1, classes), np.uint8), 4).shape == (1, 1, classes)


def test_sheets_are_padded_to_the_stride_of_the_segmenter():
    image = np.arange(40 * 80, dtype=np.uint8).reshape(40, 80)
    assert sheet_batch(image).shape == (1, 64, 96, 1)
    wider = sheet_batch(image, "flips", stride=64)
    assert wider.shape == (4, 64, 128, 1)
    np.testing.assert_array_equal(wider[0, :40, :80, 0], image)


@pytest.mark.parametrize("shape", [(200, 300), (64, 901), (801, 40)])
@pytest.mark.parametrize("tta", ["none", "flips"])
def test_a_large_sheet_is_predicted_in_tiles_and_looks_as_if_it_were_whole(shape, tta, monkeypatch):
    """The network looks 8 pixels far, which is half of what tiles share."""
    sheet = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    seen: list[tuple[int, ...]] = []

    def predict(x: np.ndarray) -> list[np.ndarray]:
        seen.append(x.shape)
        blurred = np.stack([cv2.blur(one, (17, 17)) for one in x[..., 0]])[..., None] / 255
        return [blurred, x.max(axis=(1, 2)) / 255]

    whole = predict_sheet(predict, sheet, tta)
    assert len(seen) == 1
    for name, value in (("LARGEST_WHOLE", 9999), ("_TILE", (96, 128)), ("_SHARED", 16)):
        monkeypatch.setattr(inference, name, value)
    tiled = predict_sheet(predict, sheet, tta)
    assert all(height <= 96 and width <= 128 for _, height, width, _ in seen[1:])
    # At the edges of the sheet a blur sees what it is padded with, which differs with the stride.
    inner = np.s_[:-8, :-8]
    np.testing.assert_array_equal(tiled.maps[inner], whole.maps[inner])
    np.testing.assert_array_equal(tiled.presence, whole.presence)
    assert len(seen) > 4
