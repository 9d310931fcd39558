import pytest

from steel_defects.data.splits import group_sheets


def test_belonging_is_passed_on_and_the_first_names_the_group():
    groups, aside = group_sheets(list("dcba"), [("d", "c"), ("b", "c")], {})
    assert groups == {"a": "a", "b": "b", "c": "b", "d": "b"}
    assert aside == {}


def test_no_sheets_have_no_groups():
    assert group_sheets([], [], {}) == ({}, {})


def test_sheets_that_were_divided_before_belong_together_still():
    earlier = {"a": "train", "b": "train", "c": "test"}
    groups, aside = group_sheets(list("abcn"), [("b", "a"), ("n", "c")], earlier)
    assert groups == {"a": "a", "b": "a", "c": "c", "n": "c"}
    assert aside == {}


def test_all_new_sheets_between_splits_are_set_aside_and_the_rest_join():
    earlier = {"a": "train", "b": "test"}
    pairs = [("l", "a"), ("l", "b"), ("m", "a"), ("m", "b"), ("n", "a")]
    groups, aside = group_sheets(list("ablmn"), pairs, earlier)
    assert set(aside) == {"l", "m"}
    assert groups["n"] == groups["a"]


def test_a_new_sheet_joins_the_group_that_it_is_similar_to():
    groups, aside = group_sheets(list("abn"), [("n", "a")], {"a": "train", "b": "test"})
    assert groups["n"] == groups["a"] != groups["b"]
    assert aside == {}


@pytest.mark.parametrize("pairs", [[("n", "a"), ("n", "b")], [("b", "n"), ("a", "n")]])
def test_a_new_sheet_between_two_splits_is_set_aside(pairs):
    groups, aside = group_sheets(list("abn"), pairs, {"a": "train", "b": "test"})
    assert len({groups["a"], groups["b"], groups["n"]}) == 3
    assert aside == {"n": "set aside: similar to sheets that lie in test and train already"}


def test_a_new_sheet_may_join_groups_of_the_same_split():
    groups, aside = group_sheets(list("abn"), [("n", "a"), ("n", "b")], {"a": "test", "b": "test"})
    assert len(set(groups.values())) == 1
    assert aside == {}


def test_new_sheets_do_not_bridge_two_splits_together():
    """m joins a; n would bring b to it."""
    earlier = {"a": "train", "b": "test"}
    groups, aside = group_sheets(list("abmn"), [("m", "a"), ("n", "m"), ("n", "b")], earlier)
    assert groups["m"] == groups["a"]
    assert set(aside) == {"n"}


def test_new_sheets_that_join_each_other_first_are_seen_through():
    """m and n join each other; p, last in the alphabet, ties them to both splits."""
    earlier = {"a": "train", "b": "test"}
    pairs = [("m", "a"), ("n", "b"), ("p", "m"), ("p", "n")]
    groups, aside = group_sheets(list("abmnp"), pairs, earlier)
    assert set(aside) == {"p"}
    assert groups["m"] != groups["n"]


def test_what_was_set_aside_passes_nothing_on():
    earlier = {"a": "train", "b": "test"}
    pairs = [("m", "a"), ("m", "b"), ("n", "m")]
    groups, aside = group_sheets(list("abmn"), pairs, earlier)
    assert set(aside) == {"m"}
    assert groups["n"] == "n"
