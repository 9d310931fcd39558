import numpy as np
import pandas as pd
import pytest

from steel_defects.training.config import SegmentationConfig
from steel_defects.training.labelled_tiles import tile_sampler

#: Ten clean tiles, eight with class 1, one with class 3; class 2 is nowhere.
AREAS = [[0, 0, 0]] * 10 + [[9, 0, 0]] * 8 + [[0, 0, 5]]


def draw(
    share: float, areas: list[list[int]] = AREAS, seed: int = 0, clean: float = 0.0
) -> np.ndarray:
    config = SegmentationConfig(
        seed=1, epochs=1, batch_size=20, steps_per_epoch=100, learning_rate=0.1,
        patience=1, defect_tile_share=share, clean_tile_share=clean,
    )  # fmt: skip
    tiles = pd.DataFrame({"area_px": [np.array(area) for area in areas]})
    return np.array(tile_sampler(tiles, config)(np.random.default_rng(seed)))


def test_an_epoch_has_the_wanted_number_of_tiles():
    assert draw(0.5).shape == (2000,)


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_share_of_defective_tiles(share):
    # The rest is drawn from all tiles, of which 9 in 19 have a defect.
    defective = share + (1 - share) * 9 / 19
    assert (draw(share) >= 10).mean() == pytest.approx(defective, abs=0.05)


def test_classes_come_evenly_whatever_their_number():
    drawn = draw(1.0)
    assert (drawn == 18).mean() == pytest.approx(0.5, abs=0.05)
    assert set(drawn) == set(range(10, 19))


def test_without_any_defect_all_tiles_are_drawn():
    assert set(draw(0.7, [[0, 0]] * 5)) == set(range(5))


def test_draws_differ_with_the_seed():
    assert not np.array_equal(draw(0.7, seed=0), draw(0.7, seed=1))


@pytest.mark.parametrize(("share", "clean"), [(0.7, 0.3), (0.0, 0.4), (0.5, 0.2)])
def test_share_of_clean_tiles(share, clean):
    # The rest is drawn from all tiles, of which 10 in 19 are clean.
    expected = clean + (1 - share - clean) * 10 / 19
    assert (draw(share, clean=clean) < 10).mean() == pytest.approx(expected, abs=0.05)


def test_without_a_clean_tile_all_others_are_drawn():
    assert set(draw(0.0, [[3, 0], [0, 3]], clean=1.0)) == {0, 1}


def test_shares_are_at_most_one_together():
    with pytest.raises(ValueError, match="are more than 1 together"):
        draw(0.8, clean=0.3)


def test_windows_take_no_share_of_clean_tiles():
    with pytest.raises(ValueError, match="clean_tile_share is of tiles"):
        SegmentationConfig(
            seed=1, epochs=1, batch_size=2, steps_per_epoch=1, learning_rate=0.1, patience=1,
            clean_tile_share=0.3, windows_per_sheet=2,
        )  # fmt: skip
