"""Shares of the sheets: nested, of whole groups, and apart from the fold that measures them."""

from collections import Counter
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from steel_defects.data.splits import Division, divide
from steel_defects.training.config import LearningCurveConfig
from steel_defects.training.learning_curve import Share, shares_of

NOTHING = pd.DataFrame(columns=["sha256", "split", "fold"])
KINDS = ["clean", "clean", "clean", "1", "3"]
CONFIG = LearningCurveConfig()


def splits_of(groups: list[int]) -> pd.DataFrame:
    names = [f"{n:03d}.jpg" for n in range(len(groups))]
    sheets = pd.DataFrame(
        {"sheet_id": names, "sha256": names, "group_id": [f"group {n}" for n in groups]}
    )
    return divide(sheets, kinds_of(groups), NOTHING, Division({"train": 1.0}, 5, 2, 7))


def kinds_of(groups: list[int]) -> list[str]:
    return [KINDS[n % len(KINDS)] for n in range(len(groups))]


def shares(groups: list[int], config: LearningCurveConfig = CONFIG, seed: int = 20) -> list[Share]:
    splits = splits_of(groups)
    strata = dict(zip(splits["sheet_id"], kinds_of(groups), strict=True))
    return list(shares_of(splits, strata, config, 0.2, seed))


def taken(share: Share) -> set[str]:
    return {*share.training, *share.validation}


@given(st.lists(st.integers(0, 30), min_size=8, max_size=80), st.integers(0, 5))
def test_shares_are_nested_of_whole_groups_and_apart_from_the_fold(groups, seed):
    splits = splits_of(groups).set_index("sheet_id")
    fold = splits["fold"].str[0]
    for of_seed in (shares(groups, CONFIG, seed)[:4], shares(groups, CONFIG, seed)[4:]):
        assert [one.share for one in of_seed] == [0.25, 0.5, 0.75, 1.0]
        assert all(taken(small) <= taken(large) for small, large in pairwise(of_seed))
        assert taken(of_seed[-1]) == set(fold.index[fold != 0])
        for one in of_seed:
            assert set(one.held_out) == set(fold.index[fold == 0])
            parts = (one.training, one.validation, one.held_out)
            owners = [set(splits.loc[part, "group_id"]) for part in parts]
            assert not owners[0] & owners[1]
            rest = set(fold.index) - taken(one)
            assert not (owners[0] | owners[1]) & set(splits.loc[list(rest), "group_id"])
            assert one.sheets == len(taken(one))


def test_every_share_has_its_part_of_every_kind():
    groups = list(range(200))
    kinds = dict(zip(splits_of(groups)["sheet_id"], kinds_of(groups), strict=True))
    for one in shares(groups):
        counts = Counter(kinds[sheet_id] for sheet_id in taken(one))
        whole = Counter(kinds[sheet_id] for sheet_id in taken(shares(groups)[3]))
        assert one.sheets == pytest.approx(160 * one.share, abs=1)
        for kind, count in whole.items():
            assert counts[kind] == pytest.approx(count * one.share, abs=1)
        assert len(one.validation) == pytest.approx(0.2 * one.sheets, abs=2)


def test_each_seed_draws_other_shares_and_the_same_again():
    first, second = shares(list(range(60)))[0], shares(list(range(60)))[4]
    assert (first.seed, second.seed) == (20, 21)
    assert taken(first) != taken(second)
    assert shares(list(range(60)))[0] == first
    assert first.label == "25_percent_seed_20"


def test_a_curve_may_end_below_all_sheets():
    config = LearningCurveConfig(shares=(0.5, 0.125, 0.5), seeds=1)
    of_config = shares(list(range(80)), config)
    assert [(one.share, one.sheets) for one in of_config] == [(0.125, 8), (0.5, 33)]
    assert of_config[0].label == "12.5_percent_seed_20"


def test_models_are_given_as_a_list_or_with_blanks_between():
    assert LearningCurveConfig(models="unet vgg16").models == ("unet", "vgg16")
    assert LearningCurveConfig(models=None).models == ()


@pytest.mark.parametrize(
    "values",
    [{"models": ["u-net"]}, {"shares": []}, {"shares": [0.0]}, {"shares": [1.1]}, {"seeds": 0}],
)
def test_what_is_no_plan_is_refused(values):
    with pytest.raises(ValidationError):
        LearningCurveConfig(**values)
