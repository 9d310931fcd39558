"""Whether a model is fit for the line."""

import pandas as pd
import pytest
from tests.support.operating_points import operating_point, rates

from steel_defects.models.trained import ModelSelection
from steel_defects.reporting.context import DataFindings, ReportContext
from steel_defects.reporting.decision import decide

GOOD = {
    "recall": 0.995, "recall_bound": 0.991, "target_recall": 0.99, "proven": True,
    "false_positive_rate": 0.05, "false_positive_bound": 0.08, "defective_sheets": 900,
    "clean_sheets": 900, "confidence": 0.95, "evidence_from": "calibration",
}  # fmt: skip
POINT = operating_point(**GOOD)
GATES = pd.DataFrame(
    {"backbone": ["vgg16"], "evaluation": ["test"], "sheets": [1000], "defective_sheets": [500],
     "accuracy": [0.95], "accuracy_low": [0.93], "accuracy_high": [0.96]}
)  # fmt: skip
SEGMENTERS = pd.DataFrame(
    {"architecture": ["unet"], "evaluation": ["out_of_fold"], "sheets": [1000],
     "mean_dice": [0.92], "mean_dice_error": [0.01], "all_empty_dice": [0.86]}
)  # fmt: skip
LOOKUP = pd.DataFrame({"division": ["at random", "by group"], "mean_dice": [0.99, 0.84]})


def status_of(point=POINT, cascade=None, gates=GATES, segmenters=SEGMENTERS, most=0.1):
    return decide(
        ReportContext(
            classification_comparison=gates,
            segmentation_comparison=segmenters,
            gate=ModelSelection(name="vgg16", reason=""),
            segmenter=ModelSelection(name="unet", reason=""),
            operating_points={"vgg16": point},
            cascade_point=cascade,
            false_alarm_target=most,
            data=DataFindings(lookup_baseline=LOOKUP),
        )
    )


def test_fit_only_where_every_bound_reaches_its_target():
    decision = status_of()
    assert decision.status == "met" and decision.answer.startswith("Fit for the line")
    assert {c.status for c in decision.criteria} == {"met"} and len(decision.criteria) == 5


@pytest.mark.parametrize(
    ("change", "status", "named"),
    [
        ({"proven": False}, "not proven", "escape rate"),
        ({"proven": False, "recall": 0.98}, "not met", "escape rate"),
        ({"recall": None, "proven": False}, "not known", "escape rate"),
        ({"false_positive_bound": 0.12}, "not proven", "false alarms"),
        ({"false_positive_rate": 0.11, "false_positive_bound": 0.2}, "not met", "false alarms"),
        ({"evidence_from": "out_of_fold"}, "not proven", "false alarms"),
    ],
)
def test_what_is_missing_is_named(change, status, named):
    decision = status_of(operating_point(**GOOD | change))
    assert decision.status == status and named in decision.reason


def test_false_alarms_are_held_against_the_whole_cascade():
    worse = {"false_positive_rate": 0.4, "false_positive_bound": 0.5}
    gate = operating_point(**GOOD | worse)
    assert status_of(gate).status == "not met"
    decision = status_of(gate, cascade=operating_point(**GOOD, test=rates(**GOOD)))
    assert decision.status == "met"
    alarms = "False alarms of the gate alone"
    assert [c.status for c in decision.criteria if c.name == alarms] == ["no target"]


def test_sheets_that_a_score_was_fitted_to_do_not_prove_it_alone():
    decision = status_of(cascade=POINT)
    assert decision.status == "not proven"
    assert "escape rate of gate and segmenter together" in decision.reason
    assert "false alarms of gate and segmenter together" in decision.reason
    basis = next(c.basis for c in decision.criteria if "together" in c.name)
    assert basis.startswith("900 defective validation and calibration sheets")
    few = {"recall": 1.0, "recall_bound": 0.95, "defective_sheets": 60, "clean_sheets": 60}
    few |= {"false_positive_rate": 0.0, "false_positive_bound": 0.05}
    decision = status_of(cascade=operating_point(**GOOD, test=rates(**few)))
    assert [c.status for c in decision.criteria if "together" in c.name] == ["not proven", "met"]


def test_dice_is_held_against_both_baselines():
    below = SEGMENTERS.assign(mean_dice=0.85)
    decision = status_of(segmenters=below)
    assert decision.status == "not met" and "finding nothing" in decision.reason
    assert "similar training sheet" not in decision.reason
    assert status_of(segmenters=SEGMENTERS.assign(mean_dice_error=0.05)).status == "not proven"


def test_sheets_of_one_kind_decide_nothing():
    clean = SEGMENTERS.assign(mean_dice=1.0, all_empty_dice=1.0)
    decision = status_of(segmenters=clean, gates=GATES.assign(accuracy=1.0, defective_sheets=0))
    assert decision.status == "not known"
    assert "finding nothing" in decision.reason and "accuracy" in decision.reason
    assert status_of(segmenters=clean.assign(mean_dice=0.99)).status == "not met"


def test_accuracy_is_held_against_the_more_frequent_kind():
    assert status_of(gates=GATES.assign(defective_sheets=960)).status == "not met"
    assert status_of(gates=GATES.assign(defective_sheets=60)).status == "not proven"


def test_without_anything_nothing_is_decided():
    assert decide(ReportContext()).status == "not known"
