"""Shares of heat inside a mask, by hand."""

import numpy as np
import pytest

from steel_defects.evaluation.attention import (
    attention_table,
    centred_gaussian,
    heat_share,
    spread_heat,
    summarise_attention,
    widened,
)


def mask_of(rows: slice, columns: slice, size: tuple[int, int] = (8, 16)) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    mask[rows, columns] = 1
    return mask


def test_share_of_heat_by_hand():
    heat = np.array([[1, 2], [3, 4]], np.float32)
    assert heat_share(heat, np.array([[0, 1], [0, 1]], np.uint8)) == pytest.approx(0.6)
    assert heat_share(np.zeros((2, 2), np.float32), np.ones((2, 2), np.uint8)) == 0


def test_heat_is_spread_around_the_middle_of_its_cell():
    heat = np.zeros((2, 4), np.float32)
    heat[0, 2] = 1
    spread = spread_heat(heat, (8, 16))
    rows, columns = np.nonzero(spread == spread.max())
    assert rows.mean() < 2 and columns.mean() == 9.5
    # Two of four columns of cells, one of two rows: the warm half is a quarter of the sheet.
    assert heat_share(spread, mask_of(slice(0, 4), slice(4, 16))) > 0.8


def test_a_gaussian_holds_what_a_normal_distribution_does():
    gaussian = centred_gaussian((400, 800))
    # One standard deviation to either side of the middle, of the two that the sheet shows: 0.6827
    # of 0.9545.
    inside = mask_of(slice(None), slice(200, 600), (400, 800))
    assert heat_share(gaussian, inside) == pytest.approx(0.6827 / 0.9545, abs=1e-3)
    assert heat_share(gaussian, mask_of(slice(200, None), slice(None), (400, 800))) == 0.5


def test_a_mask_is_widened_by_a_cell():
    wide = widened(mask_of(slice(3, 4), slice(8, 9)), (4, 4))
    np.testing.assert_array_equal(wide, mask_of(slice(1, 6), slice(4, 13)))


def test_table_and_summary():
    heat = np.zeros((2, 4), np.float32)
    heat[0, 0] = 1
    corner, elsewhere = mask_of(slice(0, 2), slice(0, 2)), mask_of(slice(6, 8), slice(14, 16))
    middle = mask_of(slice(3, 5), slice(7, 9))
    sheets = [
        ("a", "hit", heat, corner),
        ("b", "miss", heat, elsewhere),
        ("c", "hit", np.zeros_like(heat), middle),
        ("d", "hit", heat, corner),
    ]
    table = attention_table(iter(sheets))
    assert table["outcome"].tolist() == ["hit", "miss", "hit", "hit"]
    assert table["uniform_share"].tolist() == [4 / 128] * 4
    assert table["heat_share"].tolist()[1:3] == [0, 0]
    assert table["heat_share"][0] > table["uniform_share"][0] > table["gaussian_share"][0]
    assert (table["heat_share_near"] >= table["heat_share"]).all()
    assert table["uniform_share_near"][0] == pytest.approx(6 * 6 / 128)
    summary = summarise_attention(table)
    assert (summary["sheets"], summary["better"]) == (4, 2)
    # Clopper and Pearson's interval of 2 in 4.
    assert (summary["low"], summary["high"]) == pytest.approx((0.0676, 0.9324), abs=1e-4)
    ratios = table["heat_share"] / table["gaussian_share"]
    assert summary["median_ratio"] == pytest.approx(ratios.median())


def test_no_sheets():
    table = attention_table([])
    assert table.empty and "heat_share_near" in table
    summary = summarise_attention(table)
    assert summary["sheets"] == 0 and np.isnan(summary["median_ratio"])
    assert (summary["low"], summary["high"]) == (0, 1)
