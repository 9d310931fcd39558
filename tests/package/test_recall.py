"""Asking a package for another recall."""

from dataclasses import replace

import pandas as pd
import pytest
from tests.support.sheet_jobs import BrightnessRuntime, config

from steel_defects.data.config import PositionsConfig
from steel_defects.decision.fusion import StackedScore
from steel_defects.decision.recall_table import RecallStep, RecallTable
from steel_defects.errors import SteelDefectsError
from steel_defects.inspection.cascade import Cascade
from steel_defects.inspection.job import Inspection
from steel_defects.inspection.places import Places
from steel_defects.inspection.sources import FolderSource
from steel_defects.package.folder import ModelPackage, read_package, write_package
from steel_defects.package.manifest import Manifest
from steel_defects.package.recall import at_recall, recall_in_force

STACKED = StackedScore(gate_weight=1, segmenter_weight=1, bias=0, threshold=0.5)
STEPS = tuple(
    RecallStep(recall_bound=bound, recall=1, lower_threshold=lower, joint_threshold=joint)
    for bound, lower, joint in ((0.91, 0.9, 0.4), (0.93, 0.15, 0.3), (0.966, 0.05, 0.2))
)
TABLE = RecallTable(
    evidence_from="out_of_fold", joint_evidence_from="out_of_fold", defective_sheets=86, steps=STEPS
)
GATE = {
    "target_recall": 0.9, "recall_bound": 0.912, "evidence_from": "calibration",
    "defective_sheets": 120,
}  # fmt: skip


@pytest.fixture
def asked(package, manifest: Manifest) -> ModelPackage:
    """A package with a table, of a gate with thresholds 0.2 and 0.8."""
    changed = manifest.model_copy(update={"stacked": STACKED, "recalls": TABLE})
    return replace(package, manifest=changed)


def with_metrics(package: ModelPackage, **metrics: dict) -> ModelPackage:
    return replace(package, manifest=package.manifest.model_copy(update={"metrics": metrics}))


def test_a_table_comes_back_from_disk(asked, tmp_path):
    files = ("gate.keras", "segmenter.keras")
    writers = {name: lambda path: path.write_bytes(b"network") for name in files}
    write_package(tmp_path / "other", asked.manifest, writers)
    assert read_package(tmp_path / "other").manifest.recalls == TABLE


def test_a_recall_brings_its_thresholds_and_they_their_id(asked):
    stricter = at_recall(asked, 0.92)
    assert stricter.manifest.gate.thresholds == (0.15, 0.8)
    assert stricter.manifest.stacked.threshold == 0.3
    assert stricter.manifest.policy.thresholds.lower == 0.15
    assert (stricter.model_id, stricter.folder) == (asked.model_id, asked.folder)
    ids = [one.thresholds_id for one in (asked, stricter, at_recall(asked, 0.95))]
    assert len(set(ids)) == 3
    assert at_recall(asked, 0.925).thresholds_id == stricter.thresholds_id
    # The upper threshold is never the lower of the two.
    assert at_recall(asked, 0.5).manifest.gate.thresholds == (0.9, 0.9)
    assert at_recall(asked, None) == asked


def test_other_thresholds_are_another_job(asked, tmp_path):
    def job_of(package: ModelPackage, target: float | None) -> str:
        settings, used = config(target_recall=target), at_recall(package, target)
        places = Places(pd.DataFrame(), PositionsConfig(), lambda sheet_id: True)
        cascade = Cascade(used, BrightnessRuntime(), settings)
        return Inspection(FolderSource(tmp_path), used, cascade, places, settings).job_id("sheets")

    assert job_of(asked, None) != job_of(asked, 0.92) != job_of(asked, 0.95)
    assert job_of(asked, 0.92) == job_of(asked, 0.925)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "proves at most 0.966 by its 86 defective sheets; ask for that, or build .* with 299"),
        ({"recalls": None}, "has no table of recalls: an earlier release .* --nodes=build_package"),
        ({"recalls": None, "gate": None}, "has no gate that could clear sheets"),
    ],
)
def test_a_recall_that_there_is_not_is_refused_in_one_line(asked, changes, reason):
    package = replace(asked, manifest=asked.manifest.model_copy(update=changes))
    start = rf"inspection.target_recall is 0.99, but the package {package.folder} "
    with pytest.raises(SteelDefectsError, match=start + reason) as error:
        at_recall(package, 0.99)
    assert "\n" not in str(error.value)


def test_the_recall_in_force_is_said(asked):
    recall = recall_in_force(at_recall(asked, 0.92))
    assert recall.in_words == (
        "at least 93.0 % of defective sheets are not cleared by the gate and segmenter, with 95 % "
        "confidence (92 % were asked for; 86 defective sheets, out of fold)"
    )
    cascade = GATE | {"recall_bound": 0.905, "evidence_from": "out_of_fold"}
    recall = recall_in_force(with_metrics(asked, gate=GATE, cascade=cascade))
    assert (recall.target_recall, recall.recall_bound, recall.evidence_from) == (
        0.9, 0.905, "out_of_fold",
    )  # fmt: skip
    assert recall.holds_for == "gate and segmenter"


def test_what_a_package_of_an_earlier_release_says_of_its_recall(asked, package):
    recall = recall_in_force(with_metrics(asked, gate=GATE))
    assert (recall.holds_for, recall.recall_bound) == ("gate alone", 0.912)
    assert recall_in_force(with_metrics(package, gate=GATE)).holds_for == "gate"
    for noted in ({"recall": 0.9}, GATE | {"recall_bound": "high"}, {}):
        assert recall_in_force(with_metrics(package, gate=noted)) is None
    gateless = package.manifest.model_copy(update={"gate": None, "metrics": {"gate": GATE}})
    assert recall_in_force(replace(package, manifest=gateless)) is None


@pytest.mark.parametrize("changes", [{"gate": None}, {"stacked": None}])
def test_a_table_of_other_networks_is_refused(asked, changes):
    values = asked.manifest.model_dump() | changes
    with pytest.raises(ValueError, match="recalls has thresholds of other networks"):
        Manifest.model_validate(values)
