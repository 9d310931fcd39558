import cv2
import numpy as np
import pytest

from steel_defects.inspection.regions import find_regions


def blank(classes: int = 1) -> tuple[list[np.ndarray], np.ndarray]:
    masks = [np.zeros((80, 120), np.uint8) for _ in range(classes)]
    return masks, np.full((80, 120, classes), 102, np.uint8)


@pytest.mark.parametrize(("width", "height", "angle"), [(20, 4, 0.0), (4, 20, 90.0), (1, 7, 90.0)])
def test_rectangle(width, height, angle):
    masks, probabilities = blank()
    masks[0][5 : 5 + height, 10 : 10 + width] = 1
    probabilities[5 : 5 + height, 10 : 10 + width] = 204
    (region,) = find_regions(masks, probabilities)
    assert (region.class_id, region.x, region.y) == (1, 10, 5)
    assert (region.width, region.height, region.area_px) == (width, height, width * height)
    assert region.length_px == pytest.approx(max(width, height), abs=1e-3)
    assert region.orientation_deg == pytest.approx(angle, abs=1e-3)
    assert region.score == pytest.approx(0.8)


@pytest.mark.parametrize("angle", [30, -30, 60, -80])
def test_rotated_bar(angle):
    """Positive angles fall to the right, as clockwise is seen in a picture."""
    masks, probabilities = blank()
    corners = cv2.boxPoints(((60, 40), (60, 6), angle))
    cv2.fillPoly(masks[0], [np.rint(corners).astype(np.int32)], 1)
    (region,) = find_regions(masks, probabilities)
    assert region.orientation_deg == pytest.approx(angle, abs=2)
    assert region.length_px == pytest.approx(60, abs=2.5)
    assert region.score == pytest.approx(0.4)


def test_two_blobs_and_two_classes():
    masks, probabilities = blank(2)
    masks[1][0:2, 0:3] = 1
    probabilities[0:2, 0:3, 1] = 255
    masks[1][70:75, 100:110] = 1
    masks[0][1, 1] = 1
    found = find_regions(masks, probabilities)
    assert [(r.class_id, r.area_px, r.x, r.y) for r in found] == [
        (1, 1, 1, 1),
        (2, 6, 0, 0),
        (2, 50, 100, 70),
    ]
    assert [r.score for r in found] == pytest.approx([0.4, 1.0, 0.4])


def test_pixels_that_touch_at_a_corner_are_one_region():
    masks, probabilities = blank()
    masks[0][3, 3] = masks[0][4, 4] = 1
    (region,) = find_regions(masks, probabilities)
    assert region.area_px == 2
    assert region.length_px == pytest.approx(2 * np.sqrt(2), abs=1e-3)
    assert region.orientation_deg == pytest.approx(45, abs=1e-2)


def test_score_counts_only_pixels_of_the_region():
    masks, probabilities = blank()
    masks[0][10, 10:20] = masks[0][10:20, 10] = 1  # an L: its box holds mostly other pixels
    probabilities[masks[0] > 0] = 255
    (region,) = find_regions(masks, probabilities)
    assert region.area_px == 19
    assert region.score == 1.0


def test_no_region():
    assert find_regions(*blank(3)) == []
