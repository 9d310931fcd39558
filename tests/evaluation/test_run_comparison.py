"""Two versions on four sheets of 10 × 10 pixels: ``a`` and ``b`` defective, ``c`` and ``d`` not."""

import numpy as np
import pandas as pd
import pytest
from tests.support.operating_points import operating_point

from steel_defects.decision.fusion import StackedScore, Stacking
from steel_defects.decision.operating_point import OperatingPointConfig
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.paired_figures import Truth
from steel_defects.evaluation.resampling import paired_ratios
from steel_defects.evaluation.run_comparison import RunTables, changed_verdicts, compare_runs

CONFIG = OperatingPointConfig(target_recall=0.9, target_false_positive_rate=0.1)
SHEETS = list("abcd")
TRUTH = Truth(
    pd.DataFrame(
        {
            "sheet_id": SHEETS,
            "group_id": SHEETS,
            "width": 10,
            "height": 10,
            "has_defect": [1, 1, 0, 0],
        }
    ).astype({"has_defect": bool}),
    pd.DataFrame({"sheet_id": ["a", "b"], "class_id": [1, 2], "rle": ["1 10", "1 4"]}),
    pd.DataFrame({"sheet_id": SHEETS, "group_id": SHEETS}),
)


def scores(values: list[float], repeat: int | None = None, ids: list[str] = SHEETS) -> pd.DataFrame:
    table = pd.DataFrame({"sheet_id": ids, "score": values, "output": values}).assign(
        split="test", repeat=repeat, fold=None if repeat is None else 0, threshold=0.5,
        has_defect=[True, True, False, False][: len(ids)],
    )  # fmt: skip
    return table.astype({"repeat": "Int64", "fold": "Int64"})


def masks(found: dict[tuple[str, int], str], repeat: int | None = None) -> pd.DataFrame:
    rows = [(name, k, found.get((name, k), "")) for name in SHEETS for k in (1, 2)]
    table = pd.DataFrame(rows, columns=["sheet_id", "class_id", "rle"]).assign(
        split="test", repeat=repeat, fold=None if repeat is None else 0,
        score=lambda t: np.where(t["rle"] == "", 0.1, 0.9),
    )  # fmt: skip
    return table.astype({"repeat": "Int64", "fold": "Int64"})


BEFORE = RunTables(
    scores([0.9, 0.4, 0.6, 0.2]), operating_point(lower_threshold=0.3, target_recall=0.9),
    masks({("a", 1): "6 10", ("c", 1): "1 5"}),
)  # fmt: skip
AFTER = RunTables(
    scores([0.9, 0.6, 0.4, 0.1]), operating_point(lower_threshold=0.5, target_recall=0.9),
    masks({("a", 1): "1 10", ("b", 2): "20 4"}),
)  # fmt: skip


@pytest.fixture(scope="module")
def compared() -> tuple[pd.DataFrame, pd.DataFrame]:
    return compare_runs(BEFORE, AFTER, TRUTH, CONFIG)


def figure(table: pd.DataFrame, part: str, metric: str, evaluation: str = "test") -> pd.Series:
    kept = table[(table["part"] == part) & (table["metric"] == metric)]
    return kept[kept["evaluation"] == evaluation].iloc[0]


@pytest.mark.parametrize(
    ("part", "metric", "before", "after"),
    [
        ("gate", "accuracy", 0.5, 1.0),
        ("gate", "roc_auc", 0.75, 1.0),
        # At the operating points: a, b and c pass 0.3 before; a and b pass 0.5 after.
        ("gate", "recall", 1.0, 1.0),
        ("gate", "false_positive_rate", 0.5, 0.0),
        # Dice before: of a's class 1 it is 2 * 5 / 20, of b's class 2 and c's class 1 it is 0.
        ("segmenter", "mean_dice", 5.5 / 8, 7 / 8),
        ("segmenter", "dice_on_positives", 0.25, 0.5),
        ("segmenter", "detection_rate", 0.5, 0.5),
        ("verdicts", "accuracy", 0.75, 1.0),
        ("verdicts", "recall", 1.0, 1.0),
        ("verdicts", "false_positive_rate", 0.5, 0.0),
    ],
)
def test_figures_are_those_worked_out_by_hand(compared, part, metric, before, after):
    row = figure(compared[0], part, metric)
    assert (row["before"], row["after"]) == pytest.approx((before, after))
    assert row["difference"] == pytest.approx(after - before)
    assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    assert (row["sheets"], row["left_out"]) == (4, 0)


def test_verdicts_that_changed_and_whether_for_the_better(compared):
    _, changed = compared
    # b had no mask and went to review; c had one behind a score that now clears it.
    assert changed.to_dict("list") == {
        "sheet_id": ["b", "c"],
        "has_defect": [True, False],
        "verdict_before": ["review", "reject"],
        "verdict_after": ["reject", "accept"],
        "better": [True, True],
    }


def test_a_stricter_verdict_is_better_on_a_defective_sheet_alone():
    table = pd.DataFrame(
        [
            ("a", True, "reject", "review"),
            ("b", True, "accept", "review"),
            ("c", False, "accept", "review"),
            ("d", False, "reject", "review"),
            ("e", False, "review", "review"),
        ],
        columns=["sheet_id", "has_defect", "verdict_before", "verdict_after"],
    )
    changed = changed_verdicts(table)
    assert changed["sheet_id"].tolist() == ["a", "c", "b", "d"]
    assert changed["better"].tolist() == [False, False, True, True]


def test_the_interval_is_that_of_resampled_groups():
    gain = (np.array([1.0, 0.0]), np.ones(2))
    none = (np.zeros(2), np.ones(2))
    # Of two groups, drawn twice, the mean gain is 0, 0.5 or 1 with 1/4, 1/2, 1/4.
    apart = paired_ratios("x", gain, none, np.array([0, 1]))
    assert (apart.difference, apart.low, apart.high) == (0.5, 0.0, 1.0)
    together = paired_ratios("x", gain, none, np.array([0, 0]))
    assert (together.difference, together.low, together.high) == (0.5, 0.5, 0.5)
    nothing = paired_ratios("x", (np.zeros(2), np.zeros(2)), none, np.array([0, 1]))
    assert np.isnan([nothing.first, nothing.difference, nothing.low]).all()


def test_repeats_are_averaged_and_the_first_gives_the_verdicts():
    tables = [BEFORE.scores, scores([0.9, 0.9, 0.1, 0.1], 0), scores([0.1, 0.9, 0.1, 0.1], 1)]
    before = RunTables(pd.concat(tables), BEFORE.point)
    after = RunTables(pd.concat([AFTER.scores, scores([0.9, 0.1, 0.1, 0.1], 0)]), AFTER.point)
    table, changed = compare_runs(before, after, TRUTH, CONFIG)
    assert figure(table, "gate", "accuracy", "out_of_fold")["before"] == pytest.approx(0.875)
    assert figure(table, "verdicts", "accuracy", "out_of_fold")["before"] == 1
    assert changed["sheet_id"].tolist() == ["b"]
    assert changed["verdict_after"].tolist() == ["accept"]


def test_both_networks_together_clear_a_sheet():
    stacked = StackedScore(gate_weight=0, segmenter_weight=1, bias=0, threshold=0.5)
    after = RunTables(BEFORE.scores, BEFORE.point, BEFORE.predictions, Stacking(stacked=stacked))
    _, changed = compare_runs(BEFORE, after, TRUTH, CONFIG)
    # b is the only sheet past the gate of which the segmenter sees nothing.
    assert changed["sheet_id"].tolist() == ["b"]
    assert changed["verdict_after"].tolist() == ["accept"]
    assert not changed["better"].any()


def test_a_model_that_the_earlier_version_lacks_is_left_out():
    table, changed = compare_runs(RunTables(BEFORE.scores, BEFORE.point), AFTER, TRUTH, CONFIG)
    assert table["part"].unique().tolist() == ["gate", "verdicts"]
    assert changed["verdict_after"].tolist() == ["accept"]  # c; no mask turns a review into more
    table, changed = compare_runs(RunTables(predictions=BEFORE.predictions), AFTER, TRUTH, CONFIG)
    assert table["part"].unique().tolist() == ["segmenter", "verdicts"]
    assert changed["verdict_before"].tolist() == ["accept", "reject"]  # without a gate, no review


def test_sheets_that_one_version_lacks_are_left_out_and_counted():
    before = RunTables(scores([0.9, 0.4, 0.6], ids=["a", "b", "c"]), BEFORE.point)
    after = RunTables(scores([0.6, 0.4, 0.1], ids=["b", "c", "d"]), AFTER.point)
    table, _ = compare_runs(before, after, TRUTH, CONFIG)
    assert table["sheets"].unique().tolist() == [2]
    assert table["left_out"].unique().tolist() == [2]


def test_labels_of_today_count_for_both():
    relabelled = TRUTH.sheets.assign(has_defect=[True, True, True, False])
    truth = Truth(relabelled, TRUTH.annotations, TRUTH.splits)
    table, changed = compare_runs(BEFORE, AFTER, truth, CONFIG)
    assert figure(table, "gate", "accuracy")["before"] == 0.75
    assert changed["better"].tolist() == [False, True]


def test_versions_without_a_common_sheet_are_refused():
    before = RunTables(scores([0.9, 0.4], ids=["a", "b"]), BEFORE.point)
    after = RunTables(scores([0.9, 0.4], ids=["c", "d"]), AFTER.point)
    with pytest.raises(SteelDefectsError, match="0 sheets in common.*test: 2 and 2"):
        compare_runs(before, after, TRUTH, CONFIG)


def test_versions_without_a_common_model_are_refused():
    with pytest.raises(SteelDefectsError, match="neither the gate nor the segmenter"):
        compare_runs(RunTables(), AFTER, TRUTH, CONFIG)
