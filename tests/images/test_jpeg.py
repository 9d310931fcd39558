import cv2
import numpy as np

from steel_defects.images.reading import to_jpeg


def test_jpeg() -> None:
    picture = cv2.imdecode(np.frombuffer(to_jpeg(np.full((20, 30, 3), 77, np.uint8)), np.uint8), 1)
    assert picture.shape == (20, 30, 3) and abs(int(picture.mean()) - 77) <= 2


def test_a_picture_that_is_too_wide_for_the_format_is_made_smaller() -> None:
    found = cv2.imdecode(np.frombuffer(to_jpeg(np.full((3, 70_000), 90, np.uint8)), np.uint8), 0)
    assert found.shape == (2, 65_500)
    assert abs(int(found.mean()) - 90) <= 1
