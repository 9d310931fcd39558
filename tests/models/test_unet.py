import numpy as np
import pytest
from pydantic import ValidationError

from steel_defects.models.config import UNetConfig
from steel_defects.models.inference import STRIDE, half_size, probability_map
from steel_defects.models.unet import build_unet, stride_of


@pytest.mark.parametrize("size", [(32, 64), (45, 71), (1, 33)])
def test_any_size_goes_through_the_network(size):
    model = build_unet(UNetConfig(filters=(4, 8), dropout=0.1), classes=3, seed=2)
    image = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    maps = probability_map(lambda x: model(x, training=False), image)
    assert maps.shape == (*size, 3)
    assert maps.dtype == np.uint8
    # Training begins at the share of defective pixels, not at a half.
    assert 0 < maps.mean() / 255 < 0.3


def test_upsampling_leaves_no_checkerboard():
    model = build_unet(UNetConfig(filters=(4, 8)), classes=2, seed=2)
    sheets = np.random.default_rng(0).uniform(0, 255, (8, 64, 64, 1)).astype(np.float32)
    maps = np.asarray(model(sheets, training=False))
    # A checkerboard gives pixels of even rows or columns another level than their neighbours.
    levels = [maps[:, row::2, column::2].mean((0, 1, 2)) for row in (0, 1) for column in (0, 1)]
    assert np.ptp(levels, axis=0).max() < 0.05 * maps.std()


def test_sheet_is_mirrored_up_to_whole_strides_and_cut_back():
    image = np.random.default_rng(0).integers(0, 256, (45, 71), np.uint8)
    seen = []

    def predict(x: np.ndarray) -> np.ndarray:
        seen.append(x)
        return x / 255

    np.testing.assert_array_equal(probability_map(predict, image)[..., 0], image)
    padded = seen[0][0, ..., 0]
    assert padded.shape == (64, 96)
    np.testing.assert_array_equal(padded[45:, :71], image[:-20:-1])
    np.testing.assert_array_equal(padded[:45, 71:], image[:, :-26:-1])


def test_no_network_may_have_a_larger_stride_than_sheets_are_padded_to():
    assert stride_of(UNetConfig(filters=(4, 8, 8, 8, 8))) == STRIDE
    with pytest.raises(ValidationError):
        UNetConfig(filters=(4, 8, 8, 8, 8, 8))


def test_half_size_averages_two_by_two():
    maps = np.zeros((4, 6, 2), np.uint8)
    maps[0, 0, 0], maps[:2, 2:4, 0], maps[3, 5, 1] = 100, 200, 40
    expected = np.zeros((2, 3, 2), np.uint8)
    expected[0, 0, 0], expected[0, 1, 0], expected[1, 2, 1] = 25, 200, 10
    np.testing.assert_array_equal(half_size(maps), expected)


@pytest.mark.parametrize("classes", [1, 3, 7])
def test_half_size_of_odd_sizes(classes):
    maps = np.full((5, 7, classes), 90, np.uint8)
    small = half_size(maps)
    assert small.shape == (2, 3, classes)
    assert (small == 90).all()
    assert half_size(np.zeros((1, 1, classes), np.uint8)).shape == (1, 1, classes)
