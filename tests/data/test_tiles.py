import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from steel_defects.data.tiles import cut_windows, tile_table, window_areas, window_starts
from steel_defects.labels import rle


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
    mask = data.draw(arrays(np.uint8, (height, width), elements=st.integers(0, 1)))
    size = data.draw(st.tuples(st.integers(1, 24), st.integers(1, 24)))
    stride = data.draw(st.tuples(st.integers(1, size[0]), st.integers(1, size[1])))
    covered = np.zeros((height, width), bool)
    windows = cut_windows(height, width, size, stride)
    areas = window_areas(rle.encode(mask), height, width, windows)
    for (x, y, wide, tall), area in zip(windows.tolist(), areas.tolist(), strict=True):
        assert (tall, wide) == (min(size[0], height), min(size[1], width))
        assert y + tall <= height
        assert x + wide <= width
        assert area == mask[y : y + tall, x : x + wide].sum()
        covered[y : y + tall, x : x + wide] = True
    assert covered.all()


def table_of(masks, size, stride, *shapes) -> pd.DataFrame:
    rows = [(f"{k}.png", height, width) for k, (height, width) in enumerate(shapes)]
    sheets = pd.DataFrame(rows, columns=["sheet_id", "height", "width"])
    return tile_table(sheets, masks, 2, size, stride)


def test_windows_that_do_not_overlap_share_out_the_whole_area():
    mask = np.random.default_rng(0).integers(0, 2, (256, 1600), dtype=np.uint8)
    tiles = table_of({"0.png": {2: rle.encode(mask)}}, (256, 400), (256, 400), (256, 1600))
    assert tiles[["x", "y"]].to_numpy().tolist() == [[0, 0], [400, 0], [800, 0], [1200, 0]]
    assert np.sum(tiles["area_px"].to_list(), axis=0).tolist() == [0, mask.sum()]


def test_a_sheet_smaller_than_the_window_is_one_window():
    tiles = table_of({"0.png": {1: "2 4"}}, (256, 400), (128, 200), (3, 2))
    assert tiles.to_dict("records") == [
        {"sheet_id": "0.png", "x": 0, "y": 0, "width": 2, "height": 3, "area_px": [4, 0]}
    ]


def test_sheets_of_several_sizes_keep_their_order():
    tiles = table_of({"1.png": {2: "1 1"}}, (5, 5), (5, 5), (10, 5), (5, 5), (10, 5))
    assert tiles["sheet_id"].tolist() == ["0.png"] * 2 + ["1.png"] + ["2.png"] * 2
    assert tiles["area_px"].tolist() == [[0, 0], [0, 0], [0, 1], [0, 0], [0, 0]]
