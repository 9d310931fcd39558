import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from steel_defects.decision.fusion import (
    StackedScore,
    Stacking,
    check_on_test,
    cleared_sheets,
    stack_scores,
)
from steel_defects.decision.operating_point import OperatingPointConfig

TARGETS = OperatingPointConfig(target_recall=0.9, target_false_positive_rate=0.05)


def drawn(sheets=400, repeats=None, seed=0, lower=0.0):
    """Two networks that err independently."""
    rng = np.random.default_rng(seed)
    parts = []
    labels = rng.random(sheets) < 0.5
    for repeat in [None] if repeats is None else range(repeats):
        evidence = [np.where(labels, 1.0, -1.0) + rng.normal(0, 1.5, sheets) for _ in range(2)]
        parts.append(
            pd.DataFrame(
                {
                    "sheet_id": [f"{n}.jpg" for n in range(sheets)],
                    "group_id": [f"{n}.jpg" for n in range(sheets)],
                    "repeat": repeat,
                    "has_defect": labels,
                    "gate": expit(evidence[0]),
                    "cleared": expit(evidence[0]) < lower,
                    "presence": expit(evidence[1]),
                }
            )
        )
    return pd.concat(parts, ignore_index=True).astype({"repeat": "Int64"})


def test_together_they_tell_more_than_either():
    fitted, fresh = drawn(), drawn(seed=1)
    stacked = stack_scores(fitted, TARGETS).stacked
    both = stacked.score(fresh["gate"].to_numpy(), fresh["presence"].to_numpy())
    alone = max(roc_auc_score(fresh["has_defect"], fresh[name]) for name in ("gate", "presence"))
    assert roc_auc_score(fresh["has_defect"], both) > alone + 0.03
    assert abs(both.mean() - fresh["has_defect"].mean()) < 0.06


def test_threshold_keeps_the_recall_of_the_whole_cascade():
    evidence = drawn(lower=0.1)
    result = stack_scores(evidence, TARGETS)
    kept = ~evidence["cleared"] & ~np.array(
        [
            result.stacked.clears(g, p)
            for g, p in evidence[["gate", "presence"]].itertuples(index=False)
        ]
    )
    defective = evidence["has_defect"]
    assert kept[defective].mean() == pytest.approx(result.operating_point.recall)
    assert result.operating_point.recall >= 0.9
    # The segmenter's evidence clears clean sheets that the gate alone can't.
    gate_alone = np.quantile(evidence.loc[defective, "gate"], 0.1)
    assert kept[~defective].mean() < (evidence.loc[~defective, "gate"] >= gate_alone).mean()


def test_out_of_fold_rows_decide_where_there_are_any():
    crossed = drawn(sheets=60, repeats=2)
    result = stack_scores(pd.concat([drawn(sheets=40, seed=5), crossed]), TARGETS)
    assert result.source == "out_of_fold"
    assert result.stacked == stack_scores(crossed, TARGETS).stacked
    assert result.operating_point.defective_sheets == crossed["has_defect"].sum() / 2


def test_a_few_sheets_are_too_few():
    few = drawn(sheets=60)
    few = few[~few["has_defect"] | (few["has_defect"].cumsum() < 10)]
    assert stack_scores(few, TARGETS).stacked is None


def test_a_segmenter_that_knows_nothing_has_no_say():
    evidence = drawn()
    evidence["presence"] = 1 - evidence["presence"]
    stacked = stack_scores(evidence, TARGETS).stacked
    assert stacked.segmenter_weight == 0


def test_score_by_hand():
    stacked = StackedScore(gate_weight=2, segmenter_weight=0.5, bias=-1, threshold=0.4)
    expected = 1 / (1 + np.exp(-(2 * np.log(0.7 / 0.3) + 0.5 * np.log(0.2 / 0.8) - 1)))
    assert stacked.score(np.array(0.7), np.array(0.2)) == pytest.approx(expected)
    assert stacked.clears(0.7, 0.2) == (expected < 0.4)
    assert stacked.clears(0.0, 0.0)
    assert not stacked.clears(1.0, 1.0)


def test_the_test_sheets_check_what_others_decided():
    fitted, test = stack_scores(drawn(lower=0.1), TARGETS), drawn(sheets=200, seed=1, lower=0.1)
    rates = check_on_test(fitted, test).operating_point.test
    rows = test[["gate", "presence"]].itertuples(index=False)
    cleared = test["cleared"] | np.array([fitted.stacked.clears(g, p) for g, p in rows])
    defective = test["has_defect"]
    assert rates.recall == pytest.approx((~cleared)[defective].mean())
    assert rates.false_positive_rate == pytest.approx((~cleared)[~defective].mean())
    assert rates.defective_sheets + rates.clean_sheets == 200
    assert fitted.operating_point.test is None
    assert check_on_test(Stacking(), test) == Stacking()
    assert check_on_test(fitted, test.head(0)) == fitted


def test_what_the_gate_alone_misses_is_not_made_up_for():
    evidence = drawn(sheets=200)
    worst = evidence["has_defect"] & (evidence["gate"].rank() < 60)
    evidence["cleared"] = worst
    missed = int(worst.sum())
    defective = int(evidence["has_defect"].sum())
    targets = OperatingPointConfig(target_recall=0.98, target_false_positive_rate=0.05)
    assert missed > 0.02 * defective
    result = stack_scores(evidence, targets)
    point = result.operating_point
    assert result.stacked.threshold == 0
    assert point.recall == pytest.approx(1 - missed / defective)
    assert point.recall_bound < point.recall
    assert (point.allowed_misses, point.proven) == (missed, False)
    assert point.accept_share == pytest.approx(missed / 200)
    test = check_on_test(result, evidence).operating_point.test
    assert test.recall == pytest.approx(1 - missed / defective)


def test_a_fold_is_decided_by_the_other_folds_of_its_repeat():
    evidence = drawn(sheets=200, repeats=2)
    number = evidence["sheet_id"].str.removesuffix(".jpg").astype(int)
    # The repeats are divided otherwise, and disagree: in the second the segmenter knows nothing.
    evidence["fold"] = np.where(evidence["repeat"] == 0, number % 2, (number // 2) % 2)
    second = evidence["repeat"] == 1
    evidence["presence"] = evidence["presence"].where(~second, 1 - evidence["presence"])
    cleared = cleared_sheets(evidence, None, TARGETS)
    for repeat in (0, 1):
        alone = evidence[evidence["repeat"] == repeat]
        expected = cleared_sheets(alone, None, TARGETS)
        np.testing.assert_array_equal(cleared[(evidence["repeat"] == repeat)], expected)
        assert 0 < expected.sum() < len(expected)
