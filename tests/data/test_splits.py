from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steel_defects.data.splits import assign_groups, parts_of_groups

SHARES = {"train": 0.6, "validation": 0.15, "calibration": 0.1, "test": 0.15}
FOLDS = {str(number): 1.0 for number in range(5)}

SHEETS = st.lists(
    st.tuples(st.integers(0, 30).map(str), st.sampled_from(["", "1", "2", "1 3"])), max_size=120
)


def split(sheets, shares=SHARES, seed=0) -> list[str]:
    return assign_groups([g for g, _ in sheets], [s for _, s in sheets], shares, seed)


@given(SHEETS, st.sampled_from([SHARES, FOLDS]), st.integers(0, 1000))
def test_groups_never_straddle_parts(sheets, shares, seed):
    parts = split(sheets, shares, seed)
    homes: dict[str, set[str]] = {}
    for (group, _), part in zip(sheets, parts, strict=True):
        homes.setdefault(group, set()).add(part)
    assert all(len(home) == 1 for home in homes.values())
    assert set(parts) <= set(shares)


@given(SHEETS, st.integers(0, 1000))
def test_one_seed_gives_one_answer(sheets, seed):
    assert split(sheets, seed=seed) == split(sheets, seed=seed)


def test_another_seed_gives_another_answer():
    sheets = [(str(number), "") for number in range(40)]
    answers = {tuple(split(sheets, seed=seed)) for seed in range(5)}
    assert len(answers) == 5


@given(st.lists(st.integers(1, 6), min_size=1, max_size=40), st.sampled_from([SHARES, FOLDS]))
def test_shares_of_one_kind_are_within_a_group_of_the_target(sizes, shares):
    sheets = [(str(number), "") for number, size in enumerate(sizes) for _ in range(size)]
    counts = Counter(split(sheets, shares))
    for part, share in shares.items():
        target = share / sum(shares.values()) * len(sheets)
        assert abs(counts[part] - target) <= max(sizes) + 1e-9


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 60), min_size=1))
def test_each_kind_of_sheet_has_its_share_of_each_part(kinds):
    sheets = [(f"{kind}{n}", kind) for kind, count in kinds.items() for n in range(count)]
    counts = Counter(zip([kind for _, kind in sheets], split(sheets), strict=True))
    for kind, count in kinds.items():
        for part, share in SHARES.items():
            assert abs(counts[kind, part] - share * count) <= 1 + 1e-9


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 40), min_size=1))
def test_folds_are_equal_whatever_the_kinds(kinds):
    sheets = [(f"{kind}{n}", kind) for kind, count in kinds.items() for n in range(count)]
    counts = Counter(split(sheets, FOLDS))
    sizes = [counts[fold] for fold in FOLDS]
    assert max(sizes) - min(sizes) <= 1


def test_rare_kinds_are_spread():
    sheets = [(f"g{n}", "") for n in range(60)] + [(f"r{n}", "rare") for n in range(5)]
    parts = split(sheets, FOLDS)
    assert sorted(parts[-5:]) == sorted(FOLDS)


def test_a_group_counts_for_its_rarest_kind():
    sheets = [(f"g{n}", "") for n in range(40)]
    # Each pair of near-duplicates has a rare and a common sheet.
    sheets += [(f"pair{n}", kind) for n in range(5) for kind in ("", "rare")]
    parts = split(sheets, FOLDS)
    rare = [part for (_, kind), part in zip(sheets, parts, strict=True) if kind]
    assert sorted(rare) == sorted(FOLDS)
    assert Counter(parts) == dict.fromkeys(FOLDS, 10)


def test_shares_need_not_sum_to_one_and_none_gets_nothing():
    sheets = [(str(number), "") for number in range(30)]
    counts = Counter(split(sheets, {"train": 4, "validation": 2, "test": 0}))
    assert counts == {"train": 20, "validation": 10}


def test_larger_groups_are_served_first():
    """Three sheets fill one fold; served last, they would make it the fullest."""
    sheets = [("big", "")] * 3 + [(f"g{n}", "") for n in range(9)]
    assert sorted(Counter(split(sheets, dict.fromkeys("abcd", 1.0))).values()) == [3, 3, 3, 3]


def test_groups_that_have_a_part_keep_it_and_the_rest_makes_up_for_it():
    groups = [f"g{n:02}" for n in range(40)]
    fixed = dict.fromkeys(groups[:8], "b")
    parts = assign_groups(groups, ["clean"] * 40, {"a": 0.5, "b": 0.5}, 3, fixed)
    assert parts[:8] == ["b"] * 8
    assert Counter(parts) == {"a": 20, "b": 20}


def test_a_group_has_the_part_that_its_sheets_agree_on():
    groups = ["g", "g", "h", "h", "i", "k"]
    assert parts_of_groups(groups, ["a", None, "a", "b", None, "b"]) == {"g": "a", "k": "b"}


def test_no_sheets_have_no_parts():
    assert split([]) == []


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_the_sheets_does_not_matter(order):
    sheets = [(f"{n:02}", "" if n % 3 else "1") for n in range(30)]
    expected = dict(zip(sheets, split(sheets), strict=True))
    turned = sheets[::order]
    assert dict(zip(turned, split(turned), strict=True)) == expected
