"""Which sheets go to the people who label."""

from datetime import date

import pandas as pd
import pytest

from steel_defects.data.labelling import (
    LABELLED,
    NEW,
    Candidate,
    Candidates,
    choose,
    doubtful_labels,
    job_name,
    labelling_sheets,
    odd_sheets,
    reviewed_sheets,
    sheets_of_job,
)


def some(prefix: str, number: int, why: str) -> list[Candidate]:
    return [Candidate(f"{prefix}{n}", why) for n in range(number)]


def test_lists_take_turns_and_a_short_one_leaves_its_turns():
    candidates = Candidates([some("a", 1, "doubt"), some("b", 4, "odd")], [some("c", 5, "review")])
    chosen = choose(candidates, 6)
    assert list(chosen) == [
        (LABELLED, "a0"), (LABELLED, "b0"), (NEW, "c0"), (LABELLED, "b1"), (NEW, "c1"),
        (LABELLED, "b2"),
    ]  # fmt: skip
    assert len(choose(candidates, 100)) == 10


def test_a_sheet_of_two_lists_is_sent_once_with_both_reasons():
    candidates = Candidates([some("a", 2, "doubt"), some("a", 2, "odd")], [some("a", 1, "review")])
    assert choose(candidates, 9) == {
        (LABELLED, "a0"): "doubt; odd",
        (NEW, "a0"): "review",  # another picture of the same name
        (LABELLED, "a1"): "doubt; odd",
    }


def test_doubts_of_one_sheet_are_one_candidate():
    issues = pd.DataFrame(
        {
            "sheet_id": ["b", "a", "b", "a"],
            "kind": ["missing_mask", "other_place", "extra_mask", "other_class"],
            "class_name": ["crack", "scale", "scale", "crack"],
            "predicted_class_name": [None, None, None, "scratch"],
        }
    )
    assert doubtful_labels(issues) == [
        Candidate(
            "b",
            "label in doubt: crack may be there and is not labelled, scale is labelled and "
            "not seen",
        ),
        Candidate("a", "label in doubt: scale is seen elsewhere, crack looks like scratch"),
    ]
    assert doubtful_labels(issues.iloc[:0]) == []


def test_one_odd_sheet_of_a_group_is_enough():
    oddest = pd.DataFrame(
        {"sheet_id": ["a", "b", "c"], "measure": ["mean_intensity", "contrast", "contrast"]}
    )
    assert odd_sheets(oddest, {"a": "g", "b": "g", "c": "h"}) == [
        Candidate("a", "odd: mean intensity"), Candidate("c", "odd: contrast")
    ]  # fmt: skip


def test_reviews_come_in_order_of_doubt_and_those_without_a_score_last():
    verdicts = pd.DataFrame(
        {
            "sheet_id": ["a", "b", "c", "d"],
            "verdict": ["review", "review", "accept", "review"],
            "margin": [None, -0.4, 0.0, 0.1],
            "reason": ["black", "doubtful", "", "no region"],
        }
    )
    verdicts["margin"] = verdicts["margin"].astype(float)
    assert [one.sheet_id for one in reviewed_sheets(verdicts)] == ["d", "b", "a"]
    assert reviewed_sheets(verdicts)[0].why == "review: no region"


LABELLED_SHEETS = pd.DataFrame(
    {"sheet_id": ["x.jpg"], "path": ["train_images/x.jpg"], "sha256": ["0" * 64],
     "split": ["train"]}
)  # fmt: skip


def test_each_origin_has_a_folder_of_its_own():
    new = pd.DataFrame({"sheet_id": ["x.jpg"], "path": ["x.jpg"], "sha256": ["1" * 64]})
    chosen = {(LABELLED, "x.jpg"): "odd", (NEW, "x.jpg"): "review"}
    rows = sheets_of_job(chosen, LABELLED_SHEETS, new, "2026-11-28")
    table = labelling_sheets(rows, ["0" * 16] * 2, "2026-11-28", pd.DataFrame())
    assert table["name"].tolist() == ["2026-11-28-labelled/x.jpg", "2026-11-28-new/x.jpg"]
    assert table["split"].tolist()[0] == "train" and pd.isna(table["split"][1])
    again = labelling_sheets(rows, ["1" * 16] * 2, "2026-11-28-2", table)
    assert len(again) == 4 and again["job"].tolist()[:2] == ["2026-11-28"] * 2


@pytest.mark.parametrize(
    "sheet_id",
    ["../x.jpg", "../../../../escape.jpg", "/home/a/x.jpg", "a/../x.jpg", "a//x.jpg", "a\\x.jpg",
     "..\\x.jpg", "./x.jpg"],
)  # fmt: skip
def test_no_name_leads_out_of_a_job(sheet_id: str):
    new = pd.DataFrame({"sheet_id": [sheet_id], "path": [sheet_id], "sha256": ["1" * 64]})
    [row] = sheets_of_job({(NEW, sheet_id): "review"}, LABELLED_SHEETS, new, "j")
    folder, name = row.name.split("/")
    assert folder == "j-new" and name.endswith(".jpg")
    assert not {"..", "", "."} & {name} and "\\" not in name and ".." not in name


def test_names_that_lead_out_stay_apart():
    ids = ["../x.jpg", "/x.jpg", "a/../x.jpg", "x.jpg"]
    new = pd.DataFrame({"sheet_id": ids, "path": ids, "sha256": ["1" * 64] * 4})
    rows = sheets_of_job(dict.fromkeys([(NEW, one) for one in ids], ""), LABELLED_SHEETS, new, "j")
    assert len({row.name for row in rows}) == 4


def test_a_job_has_a_name_of_its_own():
    day = date(2026, 11, 28)
    assert job_name(day, pd.DataFrame(), ["x.jpg"]) == "2026-11-28"
    assert job_name(day, pd.DataFrame({"job": ["2026-11-28"]}), []) == "2026-11-28-2"
    jobs = pd.DataFrame({"job": ["2026-11-28", "2026-11-28-2", "2026-11-27"]})
    assert job_name(day, jobs, []) == "2026-11-28-3"
    # New sheets of an earlier job may lie in a folder that is called like it.
    assert job_name(day, pd.DataFrame(), ["2026-11-28-new/x.jpg"]) == "2026-11-28-2"
