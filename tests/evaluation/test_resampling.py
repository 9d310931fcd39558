"""Figures with intervals, and pairs of models."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import norm
from sklearn import metrics

from steel_defects.decision.intervals import share_interval
from steel_defects.decision.score_tables import ScoredSheets, scored_sheets
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.resampling import (
    RECALLS,
    compare_out_of_fold,
    group_weights,
    metric_intervals,
    metrics_by_repeat,
    paired_differences,
    weighted_metrics,
)


def scored(labels, scores, groups=None, threshold=0.5, classes=None) -> ScoredSheets:
    labels, table = np.array(labels, bool), np.atleast_2d(np.array(scores, float))
    return ScoredSheets(
        tuple(f"{n}.jpg" for n in range(len(labels))),
        labels,
        np.arange(len(labels)) if groups is None else np.array(groups),
        table,
        np.full(table.shape, threshold),
        classes or {},
    )


def drawn(sheets: int, seed: int, apart: float = 1.5, rounded: bool = False) -> ScoredSheets:
    rng = np.random.default_rng(seed)
    labels = np.arange(sheets) < sheets // 2
    scores = expit(rng.normal(0, 1, sheets) + apart * labels)
    return scored(labels, np.round(scores, 1) if rounded else scores)


# === Figures ===


def figures_of(labels, scores) -> dict[str, float]:
    return {name: values[0] for name, values in metrics_by_repeat(scored(labels, scores)).items()}


def test_figures_by_hand():
    found = figures_of([True, True, True, False, False], [0.9, 0.5, 0.2, 0.6, 0.1])
    wanted = {
        "accuracy": 3 / 5,
        "balanced_accuracy": (2 / 3 + 1 / 2) / 2,
        "recall": 2 / 3,  # 0.5 counts as a defect
        "false_positive_rate": 1 / 2,
        "roc_auc": 4 / 6,  # of the six pairs, (0.5, 0.6) and (0.2, 0.6) are the wrong way
        "pr_auc": (1 / 1 + 2 / 3 + 3 / 4) / 3,
        "brier": (0.1**2 + 0.5**2 + 0.8**2 + 0.6**2 + 0.1**2) / 5,
        "log_loss": -math.log(0.9 * 0.5 * 0.2 * 0.4 * 0.9) / 5,
    }
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)


def test_defective_sheets_alone():
    result = figures_of([True] * 4, [0.9, 0.8, 0.7, 0.1])
    assert result["accuracy"] == result["recall"] == 0.75
    for name in ("false_positive_rate", "balanced_accuracy", "roc_auc", "pr_auc"):
        assert math.isnan(result[name]), name
    assert result["log_loss"] == pytest.approx(-math.log(0.9 * 0.8 * 0.7 * 0.1) / 4)


def test_clean_sheets_alone():
    result = figures_of([False] * 4, [0.9, 0.2, 0.3, 0.1])
    assert result["accuracy"] == 0.75
    assert result["false_positive_rate"] == 0.25
    for name in ("recall", "balanced_accuracy", "roc_auc", "pr_auc"):
        assert math.isnan(result[name]), name


def test_no_sheets_give_nan():
    result = figures_of([], [])
    assert all(math.isnan(value) for value in result.values())


def test_certain_and_wrong_has_a_finite_log_loss():
    result = figures_of([True, False], [0.0, 1.0])
    assert result["log_loss"] == pytest.approx(-math.log(1e-7))


@pytest.mark.parametrize("rounded", [False, True])
def test_figures_are_those_of_scikit_learn(rounded):
    sheets = drawn(80, 1, rounded=rounded)
    labels, scores = sheets.labels, sheets.scores[0]
    found = {name: values[0] for name, values in metrics_by_repeat(sheets).items()}
    decisions = scores >= 0.5
    wanted = {
        "accuracy": metrics.accuracy_score(labels, decisions),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, decisions),
        "recall": metrics.recall_score(labels, decisions),
        "false_positive_rate": 1 - metrics.recall_score(~labels, ~decisions),
        "roc_auc": metrics.roc_auc_score(labels, scores),
        "pr_auc": metrics.average_precision_score(labels, scores),
        "brier": metrics.brier_score_loss(labels, scores),
        "log_loss": metrics.log_loss(labels, np.clip(scores, 1e-7, 1 - 1e-7)),
    }
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name
    alarms, hits, _ = metrics.roc_curve(labels, scores, drop_intermediate=False)
    for name, recall in RECALLS.items():
        assert found[name] == pytest.approx(alarms[hits >= recall - 1e-9].min()), name


def test_weights_are_those_of_scikit_learn():
    sheets = drawn(60, 2, rounded=True)
    weights = np.random.default_rng(3).integers(0, 4, (5, 60)).astype(float)
    found = weighted_metrics(sheets, weights)
    for number, w in enumerate(weights):
        case = (sheets.labels, sheets.scores[0])
        assert found["roc_auc"][0, number] == pytest.approx(
            metrics.roc_auc_score(*case, sample_weight=w)
        )
        assert found["pr_auc"][0, number] == pytest.approx(
            metrics.average_precision_score(*case, sample_weight=w)
        )
        assert found["accuracy"][0, number] == pytest.approx(
            np.average((case[1] >= 0.5) == case[0], weights=w)
        )


def test_false_positives_at_a_recall_by_hand():
    # 20 defective: 19 keep 95 % and end at 0.5, above which two of four clean ones lie.
    sheets = scored([True] * 20 + [False] * 4, [0.9] * 18 + [0.5, 0.2] + [0.6, 0.5, 0.4, 0.1])
    found = metrics_by_repeat(sheets)
    assert found["fpr_at_recall_95"] == 0.5
    assert found["fpr_at_recall_98"] == found["fpr_at_recall_99"] == 0.75


def test_the_recall_of_a_class_stands_on_the_sheets_that_show_it():
    shown = {1: np.array([True, True, False, False]), 2: np.zeros(4, bool)}
    found = metrics_by_repeat(scored([1, 1, 1, 0], [0.9, 0.1, 0.1, 0.9], classes=shown))
    assert found["recall_class_1"] == 0.5
    assert np.isnan(found["recall_class_2"])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("labels", [[], [True], [False], [True, True], [False, False]])
def test_sheets_of_one_kind_have_no_auc_and_warn_of_nothing(labels):
    sheets = scored(labels, [0.4] * len(labels))
    found, intervals = metrics_by_repeat(sheets), metric_intervals(sheets)
    assert np.isnan(found["roc_auc"]) and np.isnan(found["pr_auc"])
    assert np.isnan(found["recall"]) == (not any(labels))
    assert all(low <= high for low, high in intervals.values() if not np.isnan(low))


# === Intervals ===


def test_groups_are_drawn_whole_and_as_many_as_there_are():
    groups = np.array([0, 0, 1, 2, 2, 2])
    weights = np.concatenate(list(group_weights(groups, 50)))
    assert weights.shape == (50, 6)
    assert (weights[:, 0] == weights[:, 1]).all() and (weights[:, 3] == weights[:, 5]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_copies_and_repeats_do_not_narrow_an_interval():
    sheets = drawn(40, 5)
    one = metric_intervals(sheets)
    copied = scored(
        np.repeat(sheets.labels, 3), np.repeat(sheets.scores, 3, axis=1), np.repeat(range(40), 3)
    )
    repeated = scored(sheets.labels, np.repeat(sheets.scores, 3, axis=0))
    for other in (copied, repeated):
        for name, interval in metric_intervals(other).items():
            assert interval == pytest.approx(one[name]), name


@pytest.mark.slow
def test_intervals_hold_the_true_auc_about_as_often_as_they_say():
    true = norm.cdf(1.0 / np.sqrt(2))
    held = []
    for seed in range(150):
        low, high = metric_intervals(drawn(60, seed, apart=1.0))["roc_auc"]
        held.append(low <= true <= high)
    assert 0.88 <= np.mean(held) <= 0.99


def test_a_faultless_gate_is_not_certain():
    found = metric_intervals(scored([True] * 20 + [False] * 30, [0.9] * 20 + [0.1] * 30))
    assert found["roc_auc"] == found["recall"] == pytest.approx(share_interval(20, 20))
    assert found["fpr_at_recall_95"] == pytest.approx(share_interval(0, 30))
    assert found["accuracy"] == pytest.approx(share_interval(50, 50))
    assert np.isnan(found["brier"]).all()  # equal everywhere, so that its spread is not known


# === Pairs ===


def table(scores: np.ndarray, labels: np.ndarray, repeats: int = 2) -> pd.DataFrame:
    ids = [f"{n:03}.jpg" for n in range(len(labels))]
    parts = [
        pd.DataFrame(
            {"sheet_id": ids, "repeat": r, "fold": np.arange(len(ids)) % 5, "has_defect": labels,
             "score": scores, "threshold": 0.5}
        )
        for r in range(repeats)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True).astype({"repeat": "Int64", "fold": "Int64"})


SPLITS = pd.DataFrame({"sheet_id": [f"{n:03}.jpg" for n in range(100)]})
SPLITS["group_id"] = SPLITS["sheet_id"]


def test_a_better_model_is_told_from_a_worse_one_on_the_same_folds():
    sheets = drawn(100, 7)
    better, worse = expit(4 * sheets.labels - 2.0), sheets.scores[0]
    found = compare_out_of_fold(
        table(better, sheets.labels), table(worse, sheets.labels), SPLITS
    ).set_index("metric")
    mistakes = ((worse >= 0.5) != sheets.labels).mean()
    assert found.loc["accuracy", "difference"] == pytest.approx(mistakes)
    assert (found["low"] > 0).all() and (found["share_above"] == 1).all()
    assert (found["first"] == 1).all()


def test_a_model_is_no_better_than_itself():
    sheets = drawn(100, 8)
    found = paired_differences(sheets, sheets, ["accuracy", "roc_auc", "brier"])
    assert all(row.difference == row.low == row.high == row.share_above == 0 for row in found)


def test_pairing_narrows_the_interval_of_two_that_agree():
    sheets = drawn(100, 9)
    other = scored(sheets.labels, np.clip(sheets.scores + 0.02 * np.sin(np.arange(100)), 0, 1))
    row = paired_differences(sheets, other, ["roc_auc"])[0]
    low, high = metric_intervals(sheets)["roc_auc"]
    assert row.high - row.low < (high - low) / 3
    assert row.low <= row.difference <= row.high


def test_other_folds_or_sheets_are_refused():
    sheets = drawn(100, 7)
    first = table(sheets.scores[0], sheets.labels)
    with pytest.raises(SteelDefectsError, match="different folds or repeats"):
        compare_out_of_fold(first, first.assign(fold=0), SPLITS)
    with pytest.raises(SteelDefectsError, match="different folds or repeats"):
        compare_out_of_fold(first, first[first["repeat"] == 0], SPLITS)
    with pytest.raises(SteelDefectsError, match="different sheets"):
        paired_differences(sheets, drawn(60, 7))


@pytest.mark.filterwarnings("error")
def test_nothing_is_compared_with_nothing():
    none = drawn(100, 7).labels[:0]
    found = compare_out_of_fold(table(none, none), table(none, none), SPLITS)
    assert found["difference"].isna().all()


# === Tables of scores ===


def test_a_repeat_that_lacks_a_sheet_is_told():
    sheets = drawn(100, 7)
    with pytest.raises(SteelDefectsError, match="lack some sheets in some repeats"):
        scored_sheets(table(sheets.scores[0], sheets.labels).iloc[:-1], SPLITS)


def test_sheets_of_a_group_and_classes_are_found_by_name():
    rows = table(np.array([0.1, 0.9, 0.8]), np.array([False, True, True]), repeats=1)
    groups = pd.DataFrame({"sheet_id": ["002.jpg", "001.jpg", "000.jpg"], "group_id": list("aab")})
    shown = pd.DataFrame({"sheet_id": ["002.jpg", "001.jpg", "002.jpg"], "class_id": [1, 3, 3]})
    found = scored_sheets(rows.iloc[::-1], groups, shown)
    assert found.sheet_ids == ("000.jpg", "001.jpg", "002.jpg")
    assert found.scores.tolist() == [[0.1, 0.9, 0.8]]
    assert found.groups[1] == found.groups[2] != found.groups[0]
    assert {k: v.tolist() for k, v in found.classes.items()} == {
        1: [False, False, True], 3: [False, True, True],
    }  # fmt: skip
