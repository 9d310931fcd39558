import logging

import numpy as np
import pandas as pd
import pytest

from steel_defects import tables as schemas
from steel_defects.data.splits import Division, assignments_of, divide, earlier_splits

SHARES = {"train": 0.5, "validation": 0.25, "test": 0.25}
DIVISION = Division(SHARES, folds=4, repeats=2, seed=5)
NOTHING = pd.DataFrame(columns=["sha256", "split", "fold"])


def sheets_of(numbers, grouped: dict[int, int] | None = None) -> pd.DataFrame:
    grouped = grouped or {}
    return pd.DataFrame(
        {
            "sheet_id": [f"{k:03d}.jpg" for k in numbers],
            "sha256": [f"{k:064d}" for k in numbers],
            "group_id": [f"{grouped.get(k, k):03d}.jpg" for k in numbers],
        }
    )


def divided(sheets: pd.DataFrame, earlier=NOTHING, division=DIVISION) -> pd.DataFrame:
    strata = ["clean" if int(sheet_id[:3]) % 2 else "1" for sheet_id in sheets["sheet_id"]]
    return schemas.splits.validate(divide(sheets, strata, earlier, division))


@pytest.fixture
def first() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Forty sheets and their splits."""
    sheets = sheets_of(range(40))
    return sheets, divided(sheets)


def test_shares_and_folds_are_met(first):
    _, splits = first
    assert splits["split"].value_counts().to_dict() == {"train": 20, "validation": 10, "test": 10}
    folds = np.stack(splits["fold"].to_list())
    assert folds.shape == (40, 2)
    assert [np.bincount(column).tolist() for column in folds.T] == [[10] * 4] * 2
    assert (folds[:, 0] != folds[:, 1]).any()


def test_added_sheets_leave_the_old_where_they_are(first):
    sheets, splits = first
    more = sheets_of(range(60))
    again = divided(more, assignments_of(sheets, splits))
    pd.testing.assert_frame_equal(again.iloc[:40], splits)
    assert again["split"].value_counts().to_dict() == {"train": 30, "validation": 15, "test": 15}
    assert np.bincount([fold[0] for fold in again["fold"]]).tolist() == [15] * 4


def test_a_renamed_file_is_known_by_its_content(first):
    sheets, splits = first
    renamed = sheets.assign(
        sheet_id="coil/" + sheets["sheet_id"], group_id="coil/" + sheets["group_id"]
    )
    strata = ["clean"] * len(renamed)
    again = divide(renamed, strata, assignments_of(sheets, splits), DIVISION)
    assert again["split"].tolist() == splits["split"].tolist()
    assert again["fold"].tolist() == splits["fold"].tolist()


def test_a_new_sheet_follows_its_group(first):
    sheets, splits = first
    more = sheets_of(range(44), grouped={40: 0, 41: 1, 42: 2, 43: 3})
    again = divided(more, assignments_of(sheets, splits))
    assert again["split"].tolist()[40:] == splits["split"].tolist()[:4]
    assert again["fold"].tolist()[40:] == splits["fold"].tolist()[:4]


def test_shares_that_earlier_splits_do_not_meet_are_named(first, caplog):
    sheets, splits = first
    held = assignments_of(sheets, splits)
    divided(sheets, held)
    assert "divided anew" not in caplog.text
    other = Division({"train": 0.8, "validation": 0.1, "test": 0.1}, 4, 2, 5)
    again = divided(sheets, held, other)
    assert again["split"].tolist() == splits["split"].tolist()
    assert (
        "splits: train keeps 50 % of the sheets and would have 80 % if all were divided anew; "
        "data_engineering.resplit: true does so"
    ) in caplog.messages


def test_other_numbers_of_folds_start_anew_and_keep_the_splits(first):
    sheets, splits = first
    again = divided(sheets, assignments_of(sheets, splits), Division(SHARES, 5, 1, 5))
    assert again["split"].tolist() == splits["split"].tolist()
    assert sorted({fold for (fold,) in again["fold"]}) == [0, 1, 2, 3, 4]


def test_a_further_repeat_leaves_the_earlier_ones(first):
    sheets, splits = first
    again = divided(sheets, assignments_of(sheets, splits), Division(SHARES, 4, 3, 5))
    assert [fold[:2] for fold in again["fold"]] == splits["fold"].tolist()


def test_a_split_that_takes_no_more_sheets_is_dissolved(first):
    sheets, splits = first
    without = Division({"train": 0.8, "test": 0.2}, 4, 2, 5)
    again = divided(sheets, assignments_of(sheets, splits), without)
    stays = (splits["split"] != "validation").to_numpy()
    assert again["split"][stays].tolist() == splits["split"][stays].tolist()
    assert set(again["split"]) == {"train", "test"}


def test_groups_that_lay_in_two_splits_are_told_and_kept_together(first, caplog):
    sheets, splits = first
    train = splits.index[splits["split"] == "train"][0]
    test = splits.index[splits["split"] == "test"][0]
    joined = sheets_of(range(40), grouped={int(test): int(train)})
    again = divided(joined, assignments_of(sheets, splits))
    assert again["split"][train] == again["split"][test]
    first_of_both = joined["group_id"][train]
    assert caplog.messages[0] == (
        "splits: sheets of different splits turned out to be similar; 1 groups are divided anew, "
        f"such as that of {first_of_both}"
    )


def test_what_stays_is_told(first, caplog):
    caplog.set_level(logging.INFO)
    sheets, splits = first
    divided(sheets_of(range(45)), assignments_of(sheets, splits))
    assert caplog.messages == [
        "splits: 40 sheets stay where they were, 5 are new; resplit: true starts anew"
    ]


def test_the_seed_decides(first):
    sheets, splits = first
    pd.testing.assert_frame_equal(divided(sheets), splits)
    other = divided(sheets, division=Division(SHARES, 4, 2, seed=6))
    assert other["split"].tolist() != splits["split"].tolist()
    assert [fold[0] for fold in other["fold"]] == [fold[1] for fold in splits["fold"]]


def test_contents_are_listed_once():
    sheets = sheets_of([1, 2]).assign(sha256="a" * 64, group_id="001.jpg")
    assignments = assignments_of(sheets, divided(sheets))
    assert len(schemas.split_assignments.validate(assignments)) == 1
    assert assignments.index.tolist() == [0]


def test_contents_follow_the_sheets_not_their_order(first):
    sheets, splits = first
    turned = assignments_of(sheets.iloc[::-1], splits).set_index("sha256")["split"]
    assert turned[sheets["sha256"]].tolist() == splits["split"].tolist()


def test_earlier_splits_of_nothing():
    assert earlier_splits(pd.DataFrame(), SHARES) == {}
