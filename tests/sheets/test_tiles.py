import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from steel_defects.annotations import rle
from steel_defects.sheets.tiles import cut_tiles, window_starts


@pytest.mark.parametrize(
    ("length", "window", "stride", "starts"),
    [
        (1600, 400, 400, [0, 400, 800, 1200]),
        (1600, 512, 384, [0, 384, 768, 1088]),
        (256, 256, 128, [0]),
        (200, 256, 128, [0]),
        (257, 256, 256, [0, 1]),
        (10, 4, 3, [0, 3, 6]),
    ],
)
def test_starts_by_hand(length, window, stride, starts):
    assert window_starts(length, window, stride) == starts


@given(st.integers(1, 300), st.integers(1, 100), st.data())
def test_windows_cover_a_side_and_lie_inside(length, window, data):
    stride = data.draw(st.integers(1, window))
    starts = window_starts(length, window, stride)
    covered = np.zeros(length, bool)
    for start in starts:
        assert start >= 0
        assert start + min(window, length) <= length
        covered[start : start + window] = True
    assert covered.all()
    assert starts == sorted(set(starts))


@given(st.data())
@settings(max_examples=60)
def test_areas_are_the_pixels_of_the_mask_in_each_window(data):
    height, width = data.draw(st.tuples(st.integers(1, 20), st.integers(1, 30)))
    masks = data.draw(arrays(np.uint8, (2, height, width), elements=st.integers(0, 1)))
    size = data.draw(st.tuples(st.integers(1, 24), st.integers(1, 24)))
    stride = data.draw(st.tuples(st.integers(1, size[0]), st.integers(1, size[1])))
    covered = np.zeros((height, width), bool)
    for tile in cut_tiles(height, width, [rle.encode(mask) for mask in masks], size, stride):
        assert (tile["height"], tile["width"]) == (min(size[0], height), min(size[1], width))
        rows = slice(tile["y"], tile["y"] + tile["height"])
        columns = slice(tile["x"], tile["x"] + tile["width"])
        assert rows.stop <= height
        assert columns.stop <= width
        assert tile["area_px"] == masks[:, rows, columns].sum((1, 2)).tolist()
        covered[rows, columns] = True
    assert covered.all()


def test_windows_that_do_not_overlap_share_out_the_whole_area():
    mask = np.random.default_rng(0).integers(0, 2, (256, 1600), dtype=np.uint8)
    masks = ["", rle.encode(mask)]
    tiles = list(cut_tiles(256, 1600, masks, (256, 400), (256, 400)))
    assert [(tile["x"], tile["y"]) for tile in tiles] == [(0, 0), (400, 0), (800, 0), (1200, 0)]
    assert np.sum([tile["area_px"] for tile in tiles], axis=0).tolist() == [0, mask.sum()]


def test_a_sheet_smaller_than_the_window_is_one_window():
    (tile,) = cut_tiles(3, 2, ["2 4"], size=(256, 400), stride=(128, 200))
    assert tile == {"x": 0, "y": 0, "width": 2, "height": 3, "area_px": [4]}


def test_a_clean_sheet_has_windows_without_area():
    tiles = list(cut_tiles(10, 10, ["", ""], (5, 5), (5, 5)))
    assert [tile["area_px"] for tile in tiles] == [[0, 0]] * 4
