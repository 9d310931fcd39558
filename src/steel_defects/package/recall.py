"""Asking a package for a recall, and saying which one its verdicts stand on."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from steel_defects.config import Record
from steel_defects.decision.intervals import CONFIDENCE, needed_trials
from steel_defects.decision.operating_point import Evidence
from steel_defects.decision.recall_table import RecallStep, RecallTable
from steel_defects.errors import SteelDefectsError
from steel_defects.package.folder import ModelPackage
from steel_defects.package.manifest import GateSpec, Manifest

_WORDS: dict[Evidence, str] = {"out_of_fold": "out of fold", "calibration": "held out"}


class RecallInForce(Record):
    """The share of defective sheets that are not cleared, as far as that is proven.

    Attributes:
        target_recall: What was asked for: at inspection, or else when the package was built.
        recall_bound: What is proven, with a confidence of 95 %.
        holds_for: What clears sheets so that the bound holds; ``gate alone`` where gate and
            segmenter clear sheets together, too, and the package does not say what that proves.
        evidence_from: Where the scores come from that prove it.
        defective_sheets: How many defective sheets do.
    """

    target_recall: float
    recall_bound: float
    holds_for: Literal["gate", "gate and segmenter", "gate alone"]
    evidence_from: Evidence
    defective_sheets: int

    @property
    def in_words(self) -> str:
        """One line for a log."""
        return (
            f"at least {100 * self.recall_bound:.1f} % of defective sheets are not cleared by the "
            f"{self.holds_for}, with {100 * CONFIDENCE:.0f} % confidence "
            f"({100 * self.target_recall:g} % were asked for; {self.defective_sheets} defective "
            f"sheets, {_WORDS[self.evidence_from]})"
        )


def at_recall(package: ModelPackage, target: float | None) -> ModelPackage:
    """Return a package with the thresholds that prove a recall and clear most sheets.

    Args:
        package: Holds a table of recalls.
        target: The recall, 0 to 1; None leaves the thresholds as they are.

    Raises:
        SteelDefectsError: The package has no gate or no table, or its data cannot prove as much.
    """
    if target is None:
        return package
    manifest, start = package.manifest, f"inspection.target_recall is {target:g}, but the package "
    if manifest.gate is None:
        raise SteelDefectsError(
            f"{start}{package.folder} has no gate that could clear sheets; leave the parameter out"
        )
    if manifest.recalls is None:
        raise SteelDefectsError(
            f"{start}{package.folder} has no table of recalls: an earlier release built it, or no "
            "defective sheet proves any; leave the parameter out, for the recall that it was built "
            "for, or build it again where it was trained with "
            "kedro run --pipelines=segmentation --nodes=build_package"
        )
    step = manifest.recalls.step_for(target)
    if step is None:
        raise SteelDefectsError(f"{start}{package.folder} {_too_much(manifest.recalls, target)}")
    return replace(package, manifest=_changed(manifest, manifest.gate, step), target_recall=target)


def _too_much(recalls: RecallTable, target: float) -> str:
    needed = needed_trials(0, target, CONFIDENCE)
    return (
        f"proves at most {recalls.highest:.3f} by its {recalls.defective_sheets} defective sheets; "
        f"ask for that, or build a package with {needed:,} of them"
    )


def _changed(manifest: Manifest, gate: GateSpec, step: RecallStep) -> Manifest:
    lower = step.lower_threshold
    upper = max(lower, gate.upper_threshold)
    thresholds = {"lower_threshold": lower, "upper_threshold": upper}
    joint = {"threshold": step.joint_threshold}
    stacked = manifest.stacked.model_copy(update=joint) if manifest.stacked else None
    return manifest.model_copy(
        update={"gate": gate.model_copy(update=thresholds), "stacked": stacked}
    )


def recall_in_force(package: ModelPackage) -> RecallInForce | None:
    """Say which recall a package's thresholds prove; None without a gate, or where nobody noted."""
    manifest, target = package.manifest, package.target_recall
    if target is not None and manifest.recalls and (step := manifest.recalls.step_for(target)):
        return RecallInForce(
            target_recall=target,
            recall_bound=step.recall_bound,
            holds_for="gate and segmenter" if manifest.stacked else "gate",
            evidence_from=manifest.recalls.evidence_from,
            defective_sheets=manifest.recalls.defective_sheets,
        )
    gate, cascade = manifest.metrics.get("gate"), manifest.metrics.get("cascade")
    if manifest.gate is None or not gate:
        return None
    together = "gate and segmenter" if cascade else "gate alone"
    holds_for = together if manifest.stacked else "gate"
    noted = [_noted(point, holds_for) for point in (gate, cascade) if point]
    return min(filter(None, noted), key=lambda recall: recall.recall_bound, default=None)


def _noted(point: Mapping[str, Any], holds_for: str) -> RecallInForce | None:
    """Read what a package says of an operating point; None where it does not say enough."""
    try:
        return RecallInForce.model_validate({**point, "holds_for": holds_for})
    except ValueError:
        return None
