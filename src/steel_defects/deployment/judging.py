"""What the cascade says of a sheet, with any two answers of its networks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steel_defects.decision.answers import SheetPrediction
from steel_defects.decision.limits import VerdictConfig
from steel_defects.decision.policy import Policy, decide
from steel_defects.decision.postprocessing import ClassPostprocessing
from steel_defects.decision.rules import Thresholds
from steel_defects.labels.overlap import dice
from steel_defects.package.manifest import Manifest

Masks = list[NDArray[np.uint8]]


@dataclass(frozen=True)
class Judged:
    """The verdict on a sheet, and the mask of each class."""

    verdict: str
    masks: Masks


class Judge:
    """Judges sheets as inspection does, from what the networks say of them."""

    def __init__(self, manifest: Manifest, inspection: VerdictConfig) -> None:
        """Take thresholds and limits."""
        self._manifest, self._inspection = manifest, inspection

    def judge(self, gate_score: float | None, found: SheetPrediction, shift: float = 0.0) -> Judged:
        """Judge a sheet.

        Args:
            gate_score: Calibrated score of the gate; None without a gate.
            found: What the segmenter says, also of sheets that the gate clears.
            shift: Is added to every threshold.
        """
        policy = _shifted(self._manifest.policy, shift)
        decision = decide(policy, self._inspection, gate_score, lambda: found)
        empty = np.zeros(found.maps.shape[:2], np.uint8)
        masks = list(decision.masks) or [empty] * len(self._manifest.class_names)
        return Judged(decision.verdict.verdict, masks)


def _shifted(policy: Policy, shift: float) -> Policy:
    """Move every threshold of a package."""
    if not shift:
        return policy
    gate, stacked = policy.thresholds, policy.stacked
    return Policy(
        thresholds=gate and Thresholds(gate.lower + shift, gate.upper + shift),
        postprocessing=tuple(_shifted_class(one, shift) for one in policy.postprocessing),
        stacked=stacked and stacked.model_copy(update={"threshold": stacked.threshold + shift}),
    )


def _shifted_class(settings: ClassPostprocessing, shift: float) -> ClassPostprocessing:
    def moved(value: float, lowest: float) -> float:
        return min(max(value + shift, lowest), 1 - 1e-6)

    cut = settings.presence_cut
    moves = {
        "threshold": moved(settings.threshold, 1e-6),
        "presence_cut": moved(cut, 0.0) if cut else 0.0,
    }
    return settings.model_copy(update=moves)


def mean_dice(truth: Masks, masks: Masks) -> float:
    """Return the mean over classes of the Dice coefficient; 1 for a class that is empty in both."""
    pairs = zip(truth, masks, strict=True)
    return float(np.mean([dice(int((a & b).sum()), int(a.sum()), int(b.sum())) for a, b in pairs]))
