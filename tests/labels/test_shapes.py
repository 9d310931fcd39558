"""What shapes cover: drawn outlines run between pixels, traced ones through their centres."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from steel_defects.errors import SteelDefectsError
from steel_defects.labels.shapes import Bitmap, Outline, ellipse, loops_of

SIZE = (96, 160)
repeatable = settings(derandomize=True, max_examples=60, deadline=None)


@st.composite
def blobs(draw: st.DrawFn) -> np.ndarray:
    """A mask of one to three ellipses, some of them cut by the edge of the picture."""
    mask = np.zeros(SIZE, np.uint8)
    for _ in range(draw(st.integers(1, 3))):
        centre = draw(st.integers(0, SIZE[1])), draw(st.integers(0, SIZE[0]))
        axes = draw(st.integers(2, 40)), draw(st.integers(2, 25))
        cv2.ellipse(mask, centre, axes, draw(st.integers(0, 179)), 0, 360, 1, -1)
    return cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))


def traced(mask: np.ndarray, mode: int = cv2.RETR_EXTERNAL) -> list[np.ndarray]:
    contours, _ = cv2.findContours(mask, mode, cv2.CHAIN_APPROX_SIMPLE)
    return [contour[:, 0].astype(float) for contour in contours]


def without_holes(mask: np.ndarray) -> np.ndarray:
    filled = np.zeros_like(mask)
    cv2.drawContours(filled, [c[:, None].astype(int) for c in traced(mask)], -1, 1, cv2.FILLED)
    return filled


@repeatable
@given(blobs(), st.booleans())
def test_a_traced_mask_comes_back_pixel_by_pixel(mask, shares):
    mask = without_holes(mask)
    rings = [ring for ring in traced(mask) if len(ring) > 2]
    if not rings or len(rings) < len(traced(mask)):
        return
    scaled = [np.round(ring / SIZE[::-1], 6) if shares else ring for ring in rings]
    outline = Outline(tuple(scaled), shares=shares, inclusive=None)
    np.testing.assert_array_equal(outline.mask(SIZE), mask)


@pytest.mark.parametrize("inclusive", [True, False])
def test_a_bridge_of_no_width_adds_no_pixels(inclusive):
    mask = np.zeros(SIZE, np.uint8)
    mask[10:30, 10:40], mask[60:90, 50:70], mask[5:25, 100:150] = 1, 1, 1
    first, second, third = traced(mask)
    # There and back, as Ultralytics writes three parts in one ring.
    ring = np.concatenate([
        first, first[:1], second[:2], second[:1], third, third[:1], second[:1], second[1:],
        second[:1],
    ])  # fmt: skip
    apart = Outline((first, second, third), inclusive=inclusive).mask(SIZE)
    np.testing.assert_array_equal(Outline((ring,), inclusive=inclusive).mask(SIZE), apart)


def test_a_thin_end_of_a_traced_mask_is_kept():
    mask = np.zeros(SIZE, np.uint8)
    mask[20:40, 20:40], mask[30, 40:60] = 1, 1
    outline = Outline(tuple(traced(mask)), inclusive=True)
    np.testing.assert_array_equal(outline.mask(SIZE), mask)


def test_a_hole_that_a_ring_walks_around_is_one():
    outer = np.array([[10, 10], [110, 10], [110, 80], [10, 80]], float)
    inner = np.array([[40, 30], [40, 60], [80, 60], [80, 30]], float)
    ring = np.concatenate([outer, outer[:1], inner, inner[:1], outer[:1]])
    mask = Outline((ring,)).mask(SIZE)
    assert mask.sum() == 100 * 70 - 40 * 30
    assert not mask[45, 60]
    np.testing.assert_array_equal(mask, Outline((outer,), (inner,)).mask(SIZE))


@repeatable
@given(st.lists(st.tuples(st.floats(-20, 180), st.floats(-20, 120)), min_size=3, max_size=9))
def test_a_drawn_outline_is_filled_as_coco_fills_it(points):
    ring = np.array(points)
    if len(loops_of(ring)) != 1:
        return
    expected = coco.decode(coco.frPyObjects([ring.ravel().tolist()], *SIZE))[..., 0]
    if expected.any():
        np.testing.assert_array_equal(Outline((ring,)).mask(SIZE), expected)


def test_what_reaches_out_of_the_picture_is_cut():
    square = np.array([[-10, 10], [20, 10], [20, 30], [-10, 30]], float)
    outline = Outline((square,))
    assert outline.remark(SIZE)
    assert outline.mask(SIZE).sum() == 20 * 20
    bitmap = Bitmap.of(np.ones((20, 30), np.uint8), x=-10, y=85)
    assert bitmap.remark(SIZE)
    assert bitmap.mask(SIZE).sum() == 11 * 20
    assert not Bitmap.of(np.ones((2, 2))).remark(SIZE)


def test_an_ellipse_covers_its_area():
    area = ellipse((80, 48), (40, 20)).mask(SIZE).sum()
    assert area == pytest.approx(np.pi * 40 * 20, rel=0.01)
    assert ellipse((0.5, 0.5), (0.25, 20 / 96), shares=True).mask(SIZE).sum() == area


@pytest.mark.parametrize(
    ("area", "reason"),
    [
        (Outline((np.array([[1.0, 1], [5, 5]]),)), "2 corners"),
        (Outline((np.zeros((0, 2)),)), "0 corners"),
        (Outline((np.array([[1.0, 1], [1e9, 5], [5, 5]]),)), "far outside"),
        (Outline((np.array([[200.0, 1], [210, 1], [205, 9]]),)), "covers no pixel"),
        (Bitmap.of(np.zeros((3, 3), np.uint8)), "covers no pixel"),
        (Bitmap.of(np.ones((3, 3), np.uint8), x=500), "covers no pixel"),
    ],
)
def test_what_is_no_shape_is_refused(area, reason):
    with pytest.raises(SteelDefectsError, match=reason):
        area.mask(SIZE)
