import numpy as np

from steel_defects.training.augmentation import Augmentation


def test_flips_move_picture_and_masks_together():
    mask = np.zeros((6, 8, 2), np.float32)
    mask[0, 1, 0] = mask[4, 6, 1] = 1
    image = 100 + 50 * mask[..., :1] + 100 * mask[..., 1:]
    flip = Augmentation(flips=True, brightness=0, contrast=0)
    seen = set()
    for seed in range(30):
        picture, moved = flip.apply(image, mask, np.random.default_rng(seed))
        expected = 100 + 50 * moved[..., :1] + 100 * moved[..., 1:]
        np.testing.assert_allclose(picture, expected, atol=1e-3)
        seen.add(tuple(np.argwhere(moved[..., 0])[0].tolist()))
    assert seen == {(0, 1), (5, 1), (0, 6), (5, 6)}


def test_coarse_masks_flip_with_the_picture():
    image = np.full((8, 8, 1), 60, np.float32)
    image[:4, :4] = 200
    cells = np.zeros((2, 2, 1), np.float32)
    cells[0, 0] = 1
    flip = Augmentation(flips=True, brightness=0, contrast=0)
    for seed in range(10):
        picture, moved = flip.apply(image, cells, np.random.default_rng(seed))
        np.testing.assert_array_equal(picture[::4, ::4] > 130, moved > 0)


def test_black_stays_black_and_values_stay_in_range():
    rng = np.random.default_rng(0)
    image = rng.uniform(20, 250, (16, 16, 1)).astype(np.float32)
    image[:, :5] = rng.uniform(0, 8, (16, 5, 1))
    mask = np.zeros((16, 16, 1), np.float32)
    change = Augmentation(flips=False, brightness=0.3, contrast=0.5)
    for seed in range(8):
        picture, kept = change.apply(image, mask, np.random.default_rng(seed))
        np.testing.assert_array_equal(picture[:, :5], image[:, :5])
        assert np.abs(picture[:, 5:] - image[:, 5:]).max() > 1
        assert picture.dtype == np.float32
        assert picture.min() >= 0
        assert picture.max() <= 255
        assert kept is mask


def test_the_same_chance_gives_the_same_picture():
    image = np.random.default_rng(1).uniform(20, 250, (8, 8, 1)).astype(np.float32)
    change = Augmentation(flips=True, brightness=0.2, contrast=0.2)
    first, second, other = (
        change.apply(image, image, np.random.default_rng(seed))[0] for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
