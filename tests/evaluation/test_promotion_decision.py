"""Whether a candidate is taken, on figures made by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from steel_defects.evaluation.comparable_sheets import (
    LEAST_SHEETS,
    PackageFacts,
    comparable_sheets,
    digest_of_test,
    incomparable,
    too_few,
)
from steel_defects.evaluation.paired_figures import Truth
from steel_defects.evaluation.promotion import (
    ComparedFigure,
    JudgedSheets,
    Outcome,
    compare,
    faults,
    reads_of,
    recall_interval,
    without_comparison,
)
from steel_defects.labels import rle as run_length

SHEETS = 120
MASK = "1 4"  # one column of a 4×4 sheet


@pytest.fixture
def truth() -> Truth:
    ids = [f"{number:03}.png" for number in range(SHEETS)]
    labels = np.arange(SHEETS) % 2 == 0
    groups = [f"{number // 2 * 2:03}.png" for number in range(SHEETS)]
    sheets = pd.DataFrame(
        {"sheet_id": ids, "group_id": groups, "width": 4, "height": 4, "has_defect": labels}
    )
    defective = sheets.loc[labels, ["sheet_id"]].assign(class_id=1, rle=MASK)
    return Truth(sheets, defective, sheets[["sheet_id", "group_id"]].assign(split="test"))


def judged(truth: Truth, misses: int = 0, alarms: int = 0, rle: str = MASK) -> JudgedSheets:
    """Clear the first defective sheets, and reject the first clean ones."""
    sheets = truth.sheets
    order = sheets.groupby("has_defect").cumcount()
    stopped = np.where(sheets["has_defect"], order >= misses, order < alarms)
    verdicts = sheets[["sheet_id"]].assign(
        verdict=np.where(stopped, "reject", "accept"), cleared=~stopped
    )
    masks = sheets[["sheet_id"]].assign(class_id=1, rle=np.where(stopped, rle, ""))
    return JudgedSheets(verdicts, masks)


def facts(version: str = "new", **changes: object) -> PackageFacts:
    known = PackageFacts(version, f"m-{version}", "t", ("pit",), frozenset(), None)
    return replace(known, **changes)


def outcome(truth: Truth, candidate: JudgedSheets, promoted: JudgedSheets, **changes) -> Outcome:
    old = facts("old", target_recall=changes.get("target_recall"))
    return compare((facts(**changes), candidate), (old, promoted), truth)


def test_a_better_one_is_taken(truth):
    found = outcome(truth, judged(truth, misses=1), judged(truth, misses=15, alarms=9))
    assert found.taken and found.sheets == SHEETS
    figures = {figure.metric: figure for figure in found.figures}
    assert list(figures) == [
        "accuracy", "recall", "false_positive_rate", "mean_dice", "dice_on_positives",
        "detection_rate",
    ]  # fmt: skip
    recall = figures["recall"]
    assert (recall.candidate, recall.promoted) == (round(59 / 60, 6), 0.75)
    assert recall.low > 0 and figures["false_positive_rate"].high < 0
    assert found.why == "no figure is worse on 120 sheets that neither learned from"


def test_an_equal_one_is_taken(truth):
    found = outcome(truth, judged(truth, misses=3, alarms=2), judged(truth, misses=3, alarms=2))
    assert found.taken
    assert {(figure.difference, figure.low, figure.high) for figure in found.figures} == {(0, 0, 0)}


def test_a_difference_that_may_be_chance_is_taken(truth):
    assert outcome(truth, judged(truth, misses=2), judged(truth, misses=1)).taken


@pytest.mark.parametrize(
    ("worse", "metrics"),
    [
        ({"misses": 15}, {"accuracy", "recall", "mean_dice", "dice_on_positives", "detection"}),
        ({"alarms": 15}, {"accuracy", "false_positive_rate", "mean_dice"}),
        ({"rle": "1 1"}, {"mean_dice", "dice_on_positives"}),
        ({"rle": "16 1"}, {"mean_dice", "dice_on_positives", "detection_rate"}),
    ],
)
def test_a_worse_one_is_refused_and_says_in_what(truth, worse, metrics):
    found = outcome(truth, judged(truth, **worse), judged(truth))
    assert not found.taken
    assert all(metric in found.why for metric in metrics)
    names = {figure.metric for figure in found.figures if figure.worse}
    assert all(any(name.startswith(metric) for name in names) for metric in metrics)
    assert len(names) == len(metrics)
    if "alarms" in worse:
        assert "false_positive_rate 0.250 instead of 0.000 (difference +0.250, 95 %" in found.why


def test_look_alikes_are_no_evidence_of_their_own(truth):
    one_group = truth.splits.assign(group_id="000.png")
    alike = Truth(truth.sheets, truth.annotations, one_group)
    found = recall_interval(judged(truth, misses=1), alike)
    assert found[0] == 0 and 0.9 < found[1] < 1
    apart = recall_interval(judged(truth, misses=1), truth)
    assert 0.9 < apart[0] < 59 / 60 < apart[1] < 1


def test_figures_without_sheets_of_their_kind_decide_nothing(truth):
    defective = replace(truth, sheets=truth.sheets[truth.sheets["has_defect"]])
    found = outcome(defective, judged(defective), judged(defective))
    rate = next(figure for figure in found.figures if figure.metric == "false_positive_rate")
    assert (rate.candidate, rate.low) == (None, None) and not rate.worse
    assert found.taken


# === The operating point ===

SAME = [ComparedFigure(metric="recall", candidate=1, promoted=1, difference=0, low=0, high=0)]


def test_thresholds_that_aim_at_less_are_refused():
    modest, strict = facts(target_recall=0.9), facts(target_recall=0.95)
    assert faults(SAME, modest, strict, (0.9, 1.0)) == [
        "its thresholds aim at a recall of 0.9, not 0.95"
    ]
    assert faults(SAME, strict, modest, (0.9, 1.0)) == []
    assert faults(SAME, facts(), strict, (0.0, 0.1)) == []


def test_a_lower_recall_that_is_below_its_own_target_is_refused(truth):
    poor, less_poor = judged(truth, misses=12), judged(truth, misses=11)
    found = outcome(truth, poor, less_poor, target_recall=0.95)
    assert not found.taken
    assert found.why == "its recall on these sheets is at most 0.892, below its target, 0.95"
    assert outcome(truth, poor, less_poor, target_recall=0.85).taken
    # Where no package holds it, an equal one is no worse.
    assert outcome(truth, poor, poor, target_recall=0.95).taken


def test_void_pixels_count_neither_for_nor_against(truth):
    """A package that outlines what nobody can tell, too, is no worse."""
    clean = ~truth.sheets["has_defect"]
    whole = run_length.encode(np.ones((4, 4)))
    void = run_length.encode(1 - run_length.decode(MASK, 4, 4))
    sheets = truth.sheets.assign(void=np.where(clean, "", void))
    known = Truth(sheets, truth.annotations, truth.splits)
    exact, careless = judged(known), judged(known, rle=whole)
    assert outcome(known, careless, exact).taken
    assert not outcome(truth, careless, exact).taken


# === Which sheets ===


def tables(test: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sheets of a test split in groups of two, and as many others."""
    ids = [f"{number:03}.png" for number in range(2 * test)]
    digests = [f"{number:064x}"[::-1] for number in range(2 * test)]
    splits = pd.DataFrame(
        {
            "sheet_id": ids,
            "group_id": [f"{number // 2}" for number in range(2 * test)],
            "split": ["test"] * test + ["train"] * test,
        }
    )
    return pd.DataFrame({"sheet_id": ids, "sha256": digests}), splits


def test_a_sheet_counts_if_no_look_alike_was_learned():
    sheets, splits = tables(60)
    digests = sheets["sha256"].str[:16]
    new = facts(learned=frozenset(digests[60:]))
    old = facts("old", learned=frozenset(digests[[0, 7]]))
    found = comparable_sheets(sheets, splits, new, old)
    assert found.sheet_ids == [f"{n:03}.png" for n in range(60) if n not in (0, 1, 6, 7)]
    assert (found.test_sheets, found.learned) == (60, (0, 4))
    assert found.test_split == digest_of_test(sheets, splits)
    assert too_few(found) == ""


def test_too_few_sheets_are_refused_with_the_numbers():
    sheets, splits = tables(60)
    digests = sheets["sha256"].str[:16]
    new, old = facts(learned=frozenset(digests[60:])), facts("old", learned=frozenset(digests[:12]))
    found = comparable_sheets(sheets, splits, new, old)
    assert len(found.sheet_ids) == 48 < LEAST_SHEETS
    assert too_few(found).startswith(
        "48 of 60 test sheets are new to both packages, and 50 are needed (the candidate learned 0 "
        "of them or their look-alikes, the promoted one 12)"
    )
    assert not too_few(replace(found, sheet_ids=[*found.sheet_ids, "a", "b"]))


def test_the_test_split_is_told_by_its_sheets():
    sheets, splits = tables(60)
    same = digest_of_test(sheets.iloc[::-1], splits.sample(frac=1, random_state=0))
    assert same == digest_of_test(sheets, splits)
    moved = splits.assign(split=splits["split"].where(splits.index != 3, "train"))
    assert digest_of_test(sheets, moved) != same


@pytest.mark.parametrize(
    ("new", "old", "words"),
    [
        (facts(class_names=("rust",)), facts("old"), "its classes are others .*: rust and pit; to"),
        (facts(learned=None), facts("old"), "the candidate can't say which sheets it learned"),
        (facts(), facts("old", learned=None), "the promoted package can't say .* move P away"),
        (facts(learned=None), facts("old", learned=None), "candidate and the promoted package can"),
        (facts(), facts("old"), "^$"),
    ],
)
def test_what_cannot_be_compared_is_refused(new, old, words):
    found = incomparable(new, old, "P")
    assert pd.Series([found]).str.contains(words).all(), found


# === Without a comparison ===

LOG = pd.DataFrame(
    {
        "decided_at": ["2026-11-26 05:52:16+00:00", "2026-11-27 05:52:16+00:00"],
        "candidate": ["new", "refused"],
        "model_id": ["m-new", "m-refused"],
        "thresholds_id": ["t", "t"],
        "taken": [True, False],
        "sheets": [0, 80],
        "test_split": ["abc", "abc"],
    }
)


def test_the_first_one_and_the_same_networks_need_no_comparison():
    first = without_comparison(facts(), None, pd.DataFrame())
    assert (first.taken, first.sheets) == (True, 0) and "first" in first.why
    same = without_comparison(facts(), facts("old", model_id="m-new"), pd.DataFrame())
    assert same.taken and "networks and thresholds" in same.why
    other = facts("old", model_id="m-new", thresholds_id="others")
    assert without_comparison(facts(), other, pd.DataFrame()) is None


def test_going_back_is_open_to_what_was_promoted_before():
    found = without_comparison(facts(), facts("old"), LOG)
    assert found.taken and "it was promoted before, on 2026-11-26" in found.why
    assert without_comparison(facts("refused"), facts("old"), LOG) is None
    assert without_comparison(facts(model_id="changed"), facts("old"), LOG) is None


def test_reads_of_the_test_split_are_counted():
    assert reads_of(pd.DataFrame(), "abc") == 0
    assert reads_of(LOG, "abc") == 1  # the other one read no sheet
    assert reads_of(LOG, "xyz") == 0
