import numpy as np
import pytest
from tests.support.planting import brightened, moved, resaved

from steel_defects.data.inventory import (
    OBLONG,
    SQUARE,
    even_out,
    fingerprint,
    shape_of,
    thumbnail_of,
)

pytestmark = pytest.mark.slow


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    return float(fingerprint(one).astype(np.float32) @ fingerprint(other).astype(np.float32))


def test_shapes_are_told_by_the_ratio_of_the_sides():
    assert shape_of(256, 1600) is shape_of(1600, 256) is OBLONG
    assert shape_of(200, 200) is shape_of(300, 200) is SQUARE


@pytest.mark.parametrize(("width", "length"), [(1600, 384), (256, 144)])
def test_a_fingerprint_has_unit_length_and_no_mean(synthetic_sheets, width, length):
    vector = fingerprint(synthetic_sheets[0].image[:, :width])
    assert vector.shape == (length,)
    assert vector.dtype == np.float16
    assert np.linalg.norm(vector.astype(float)) == pytest.approx(1, abs=1e-3)
    assert vector[0] == 0


@pytest.mark.parametrize("value", [0, 10, 90, 255])
def test_a_flat_picture_has_no_fingerprint(value):
    assert not fingerprint(np.full((256, 1600), value, np.uint8)).any()


@pytest.mark.parametrize(
    "change",
    [brightened, resaved, lambda image: moved(image, 2, -3)],
    ids=["brightened", "resaved", "moved"],
)
def test_copies_have_nearly_the_same_fingerprint(synthetic_sheets, change):
    images = [sheet.image for sheet in synthetic_sheets[:12]]
    assert min(likeness(image, change(image)) for image in images) > 0.85


def test_a_quarter_turn_of_an_oblong_picture_changes_nothing_but_signs(synthetic_sheets):
    image = synthetic_sheets[0].image
    turned = fingerprint(np.rot90(image)).astype(float)
    np.testing.assert_allclose(np.abs(turned), np.abs(fingerprint(image).astype(float)), atol=2e-3)


def test_light_and_borders_weigh_little(synthetic_sheets):
    images = [sheet.image.copy() for sheet in synthetic_sheets[:40]]
    light = np.linspace(0.7, 1.3, 1600)
    shaded = [np.clip(image * light, 0, 255).astype(np.uint8) for image in images]
    for image, other in zip(images, shaded, strict=True):
        image[:, :300] = other[:, :300] = 3
    between = [likeness(images[k], shaded[k + 1]) for k in range(len(images) - 1)]
    assert max(between) < 0.6
    assert min(likeness(a, b) for a, b in zip(images, shaded, strict=True)) > 0.85


def test_evening_out_leaves_no_mean_and_equal_contrast():
    rng = np.random.default_rng(0)
    image = (100 + 50 * np.linspace(0, 1, 200) + rng.normal(0, 8, (64, 200))).astype(np.float32)
    image[:, 100:] = 200 + 3 * (image[:, 100:] - 125)
    even = even_out(image, np.ones_like(image), sigma=6, floor=1)
    left, right = even[10:-10, 20:80], even[10:-10, 120:180]
    assert abs(left.mean()) < 0.1
    assert abs(right.mean()) < 0.1
    assert left.std() == pytest.approx(right.std(), rel=0.15)


def test_evening_out_leaves_black_at_zero():
    image = np.full((20, 40), 100, np.float32)
    steel = np.ones_like(image)
    steel[:, :10] = image[:, :10] = 0
    even = even_out(image, steel, sigma=3, floor=1)
    assert not even[:, :10].any()
    assert np.abs(even[:, 10:]).max() < 0.05


def test_a_thumbnail_averages():
    image = np.zeros((256, 1600), np.uint8)
    image[:16, :25] = 200
    thumbnail = thumbnail_of(image)
    assert thumbnail.shape == (16, 64)
    assert thumbnail[0, 0] == 200
    assert thumbnail.sum() == 200
