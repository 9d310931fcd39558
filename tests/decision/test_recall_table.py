"""Thresholds for other recalls than the one that was asked for, and whether their bounds hold."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import norm
from tests.decision.test_fusion import drawn

from steel_defects.decision.fusion import stack_scores
from steel_defects.decision.intervals import lower_bound
from steel_defects.decision.operating_point import OperatingPointConfig
from steel_defects.decision.recall_table import RecallTable, recall_table
from steel_defects.evaluation.gate import operating_point_of

TARGETS = OperatingPointConfig(target_recall=0.9, target_false_positive_rate=0.05)


def gate_scores(sheets: int = 200, seed: int = 0, repeat: int | None = None) -> pd.DataFrame:
    """Every other sheet is defective; logits of the two kinds are two standard deviations apart."""
    defective = np.arange(sheets) % 2 == 0
    logits = np.random.default_rng(seed).normal(np.where(defective, 2, 0))
    return pd.DataFrame(
        {
            "sheet_id": [f"{n:04}.jpg" for n in range(sheets)],
            "group_id": [f"{n:04}.jpg" for n in range(sheets)],
            "split": "calibration", "repeat": repeat, "has_defect": defective,
            "score": expit(logits),
        }
    ).astype({"repeat": "Int64"})  # fmt: skip


def table_of(scores: pd.DataFrame, config=TARGETS, **joint) -> RecallTable:
    groups = scores.drop_duplicates("sheet_id")[["sheet_id", "group_id"]]
    return recall_table(scores.drop(columns="group_id"), groups, config, **joint)


def test_steps_are_what_so_many_misses_prove():
    scores = gate_scores()
    table = table_of(scores)
    ordered = np.sort(scores.loc[scores["has_defect"], "score"])
    bounds = [lower_bound(100 - k, 100, 0.95) for k in range(20)]
    for step in table.steps:
        missed = int((ordered < step.lower_threshold).sum())
        assert step.recall_bound == pytest.approx(bounds[missed])
        assert step.recall == pytest.approx(1 - missed / 100)
        assert step.joint_threshold is None
    assert (table.evidence_from, table.defective_sheets) == ("calibration", 100)
    assert table.highest == 0.970  # 0.05 ** (1 / 100) is 0.9705
    thresholds = [step.lower_threshold for step in table.steps]
    assert thresholds == sorted(thresholds, reverse=True)
    assert table.steps[-1].lower_threshold == ordered[0]


def test_a_recall_gets_the_thresholds_that_clear_most_and_still_prove_it():
    table = table_of(gate_scores())
    for target in (0.5, 0.801, 0.9, 0.935, table.highest):
        step = table.step_for(target)
        assert step.recall_bound >= target
        looser = [s for s in table.steps if s.lower_threshold > step.lower_threshold]
        assert all(s.recall_bound < target for s in looser)
    assert table.step_for(0.971) is None


def test_the_own_recall_gets_the_operating_point():
    config = TARGETS.model_copy(update={"target_recall": 0.887})
    scores = gate_scores(seed=4)
    point = operating_point_of(scores, config, scores[["sheet_id", "group_id"]])
    step = table_of(scores, config).step_for(0.887)
    assert (step.lower_threshold, step.recall_bound) == (point.lower_threshold, point.recall_bound)


def test_out_of_fold_scores_come_first_unless_calibration_is_asked_for():
    scores = pd.concat([gate_scores(40), *(gate_scores(200, n, n) for n in range(2))])
    assert table_of(scores).evidence_from == "out_of_fold"
    assert table_of(scores).defective_sheets == 100
    asked = TARGETS.model_copy(update={"evidence": "calibration"})
    assert table_of(scores, asked).defective_sheets == 20


def test_look_alikes_and_test_sheets_prove_nothing():
    scores = gate_scores(200, repeat=0)
    scores.loc[scores.index >= 160, "split"] = "test"
    scores["group_id"] = (scores.index // 4).astype(str)
    assert table_of(scores).defective_sheets == 40
    assert table_of(gate_scores().assign(has_defect=False)) is None


def test_both_thresholds_together_miss_what_the_bound_says():
    evidence = drawn(sheets=300, repeats=1).assign(split="train")
    stacked = stack_scores(evidence, TARGETS).stacked
    scores = evidence.rename(columns={"gate": "score"})
    table = table_of(scores, stacked=stacked, evidence=evidence)
    defective = evidence[evidence["has_defect"]]
    joint = stacked.score(defective["gate"].to_numpy(), defective["presence"].to_numpy())
    for step in table.steps:
        cleared = (defective["gate"] < step.lower_threshold) | (joint < step.joint_threshold)
        missed = int(cleared.sum())
        assert step.recall_bound == pytest.approx(
            lower_bound(len(defective) - missed, len(defective), 0.95)
        )
    assert (table.joint_evidence_from, table.defective_sheets) == ("out_of_fold", len(defective))
    # The gate's own misses are known better where it was scored more often, and the joint count.
    worse = evidence.assign(gate=np.where(evidence["has_defect"], evidence["gate"] / 9, 0.9))
    assert table_of(scores, stacked=stacked, evidence=worse).highest < table.highest


def test_the_highest_recall_is_that_of_the_fewer_sheets():
    evidence = drawn(sheets=300).assign(split="calibration")
    stacked = stack_scores(evidence, TARGETS).stacked
    few = evidence.head(50).rename(columns={"gate": "score"})
    table = table_of(few, stacked=stacked, evidence=evidence)
    assert table.defective_sheets == few["has_defect"].sum() < evidence["has_defect"].sum()
    assert table.steps[-1].recall_bound == pytest.approx(0.05 ** (1 / table.defective_sheets))


@pytest.mark.slow
def test_bounds_hold_for_sheets_to_come():
    """Of 100 tables at most 5 % may state too much, at any recall: 13 with odds of 1:1000."""
    wrong = dict.fromkeys((0.8, 0.9, 0.95), 0)
    for seed in range(100):
        table = table_of(gate_scores(140, seed))
        for target in wrong:
            step = table.step_for(target)
            true = norm.sf(np.log(step.lower_threshold / (1 - step.lower_threshold)), 2)
            wrong[target] += true < step.recall_bound
    assert max(wrong.values()) <= 13
    assert sum(wrong.values()) > 0


def test_each_stated_recall_holds_in_the_fold_left_out():
    evidence = drawn(sheets=400, repeats=1).assign(split="train")
    folds = np.arange(400) % 5
    missed = dict.fromkeys((0.8, 0.9, 0.95), 0)
    bounds = {target: [] for target in missed}
    for fold in range(5):
        others, left_out = evidence[folds != fold], evidence[folds == fold]
        left_out = left_out[left_out["has_defect"]]
        stacked = stack_scores(others, TARGETS).stacked
        scores = others.rename(columns={"gate": "score"})
        table = table_of(scores, stacked=stacked, evidence=others)
        joint = stacked.score(left_out["gate"].to_numpy(), left_out["presence"].to_numpy())
        for target in missed:
            step = table.step_for(target)
            cleared = (left_out["gate"] < step.lower_threshold) | (joint < step.joint_threshold)
            missed[target] += int(cleared.sum())
            bounds[target].append(step.recall_bound)
    for target, misses in missed.items():
        assert 1 - misses / evidence["has_defect"].sum() >= np.mean(bounds[target])
