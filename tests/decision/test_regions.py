import cv2
import numpy as np
import pytest

from steel_defects.decision.regions import find_regions


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


@pytest.mark.parametrize("angle", [45, -45])
def test_a_diagonal_of_pixels(angle):
    """A staircase 30 pixels long: its corners lie on two lines at 45 degrees."""
    masks, probabilities = blank()
    for step in range(30):
        masks[0][10 + step if angle > 0 else 60 - step, 20 + step] = 1
    (region,) = find_regions(masks, probabilities)
    assert (region.x, region.y, region.width, region.height) == (
        20,
        10 if angle > 0 else 31,
        30,
        30,
    )
    assert region.area_px == 30
    assert region.length_px == pytest.approx(30 * np.sqrt(2), abs=1e-3)
    assert region.orientation_deg == pytest.approx(angle, abs=1e-2)


def test_two_touching_blobs_of_a_class_are_one_region():
    """Two squares of 10 pixels that share half an edge: the upright rectangle is the smallest."""
    masks, probabilities = blank()
    masks[0][20:30, 30:40] = 1
    masks[0][25:35, 40:50] = 1
    probabilities[25:35, 40:50] = 255
    (region,) = find_regions(masks, probabilities)
    assert (region.x, region.y, region.width, region.height) == (30, 20, 20, 15)
    assert region.area_px == 200
    assert region.length_px == pytest.approx(20, abs=1e-3)
    assert region.orientation_deg == pytest.approx(0, abs=1e-3)
    assert region.score == pytest.approx(0.7)


def test_touching_blobs_of_two_classes_are_two_regions():
    masks, probabilities = blank(2)
    masks[0][20:30, 30:40] = 1
    masks[1][20:30, 40:44] = 1
    pit, crack = find_regions(masks, probabilities)
    assert (pit.class_id, pit.x, pit.area_px, crack.class_id, crack.x, crack.area_px) == (
        1, 30, 100, 2, 40, 40
    )  # fmt: skip
    assert (pit.length_px, crack.length_px) == (pytest.approx(10), pytest.approx(10))
    assert crack.orientation_deg == pytest.approx(90)
