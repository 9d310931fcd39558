import numpy as np
import pytest

from steel_defects.training.blackout import black_out


def steel(shape: tuple[int, int] = (64, 64), gray: int = 100) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(gray - 8, gray + 9, shape).astype(np.uint8)


def with_defect(image: np.ndarray, box: tuple[slice, slice], gray: int = 220) -> np.ndarray:
    mask = np.zeros(image.shape, np.uint8)
    mask[box] = 1
    image[box] = gray
    return mask


BOX = np.s_[20:30, 24:40]


@pytest.mark.parametrize("gray", [3, 220])
def test_a_covered_defect_looks_like_the_steel_around_it(gray: int):
    image = steel()
    mask = with_defect(image, BOX, gray)
    before = image.copy()
    picture, (cleared,) = black_out(image, [mask], np.random.default_rng(1))
    assert not cleared.any()
    assert 88 <= picture[BOX].min() <= picture[BOX].max() <= 112
    assert picture[BOX].std() > 2  # the texture of steel, not one gray
    np.testing.assert_array_equal(image, before)
    assert mask[BOX].all()


def test_only_the_defect_and_a_margin_change():
    image = steel()
    mask = with_defect(image, BOX)
    picture, _ = black_out(image, [mask], np.random.default_rng(1))
    outside = np.ones(image.shape, bool)
    outside[16:34, 20:44] = False
    np.testing.assert_array_equal(picture[outside], image[outside])


def test_the_cover_is_as_bright_as_its_surroundings():
    light = np.linspace(-60, 60, 160)  # uneven, as on real sheets
    image = (steel((64, 160)) + light).astype(np.uint8)
    mask = with_defect(image, np.s_[24:34, 4:14])
    for seed in range(20):
        picture, _ = black_out(image, [mask], np.random.default_rng(seed))
        assert np.median(picture[24:34, 4:14]) == pytest.approx(100 + light[9], abs=8)


def test_each_region_is_covered_half_of_the_time_but_one_at_least():
    image = steel()
    boxes = [np.s_[4:10, 4:10], np.s_[4:10, 40:46], np.s_[40:46, 20:26]]
    mask = sum(with_defect(image, box) for box in boxes)
    rng, counts = np.random.default_rng(0), np.zeros(3)
    for _ in range(300):
        picture, (left,) = black_out(image, [mask], rng)
        covered = [not left[box].any() for box in boxes]
        assert any(covered)
        for box, gone in zip(boxes, covered, strict=True):
            assert (picture[box].max() < 130) == gone
            assert left[box].all() != gone
        counts += covered
    # One region is drawn for certain, each other half of the time: 1/3 + 2/3 · 1/2.
    np.testing.assert_allclose(counts / 300, 2 / 3, atol=0.09)


def test_a_region_of_two_classes_leaves_both_masks():
    image = steel()
    masks = [with_defect(image, np.s_[20:30, 20:30]), with_defect(image, np.s_[25:33, 25:33])]
    _, cleared = black_out(image, masks, np.random.default_rng(0))
    assert not any(mask.any() for mask in cleared)


def test_a_neighbour_that_stays_is_not_painted_over():
    image = steel()
    boxes = [np.s_[20:30, 20:30], np.s_[20:30, 33:43]]
    mask = sum(with_defect(image, box) for box in boxes)
    stayed = 0
    for seed in range(20):
        picture, (left,) = black_out(image, [mask], np.random.default_rng(seed))
        np.testing.assert_array_equal(picture[left > 0], image[left > 0])
        stayed += left.any()
    assert stayed


def test_the_black_border_stays_black_and_does_not_cover():
    image = steel()
    image[:, :22] = 2
    mask = with_defect(image, np.s_[20:30, 24:34])
    for seed in range(20):
        picture, (cleared,) = black_out(image, [mask], np.random.default_rng(seed))
        assert not cleared.any()
        np.testing.assert_array_equal(picture[:, :22], image[:, :22])
        assert picture[:, 22:].min() > 80


@pytest.mark.parametrize("margin", [9, 0])
def test_a_defect_without_a_clean_piece_beside_it_stays(margin: int):
    image = steel((40, 40))
    mask = with_defect(image, np.s_[margin : 40 - margin, margin : 40 - margin])
    picture, (left,) = black_out(image, [mask], np.random.default_rng(0))
    np.testing.assert_array_equal(picture, image)
    np.testing.assert_array_equal(left, mask)


def test_the_same_columns_cover_what_is_as_wide_as_the_picture():
    image = steel()
    mask = with_defect(image, np.s_[20:26, :])
    picture, (cleared,) = black_out(image, [mask], np.random.default_rng(0))
    assert not cleared.any()
    assert picture.max() < 130


def test_without_a_defect_nothing_changes():
    image, mask = steel(), np.zeros((64, 64), np.uint8)
    picture, (left,) = black_out(image, [mask], np.random.default_rng(0))
    np.testing.assert_array_equal(picture, image)
    assert not left.any()
