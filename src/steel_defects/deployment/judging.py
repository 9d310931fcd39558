"""What the cascade says of a sheet, with any two answers of its networks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steel_defects.evaluation.segmentation import dice
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.decision import decide
from steel_defects.inspection.package import Manifest, SegmenterSpec
from steel_defects.models.inference import SheetPrediction

Masks = list[NDArray[np.uint8]]


@dataclass(frozen=True)
class Judged:
    """The verdict on a sheet, and the mask of each class."""

    verdict: str
    masks: Masks


class Judge:
    """Judges sheets as inspection does, from what the networks say of them."""

    def __init__(self, manifest: Manifest, inspection: InspectionConfig) -> None:
        """Take thresholds and limits."""
        self._manifest, self._inspection = manifest, inspection

    def judge(self, gate_score: float | None, found: SheetPrediction, shift: float = 0.0) -> Judged:
        """Judge a sheet.

        Args:
            gate_score: Calibrated score of the gate; None without a gate.
            found: What the segmenter says, also of sheets that the gate clears.
            shift: Is added to every threshold.
        """
        decision = decide(
            _shifted(self._manifest, shift), self._inspection, gate_score, lambda: found
        )
        empty = np.zeros(found.maps.shape[:2], np.uint8)
        masks = list(decision.masks) or [empty] * len(self._manifest.class_names)
        return Judged(decision.verdict.verdict, masks)


def _shifted(manifest: Manifest, shift: float) -> Manifest:
    """Move every threshold of a package."""
    if not shift:
        return manifest
    changes: dict[str, object] = {"segmenter": _shifted_segmenter(manifest.segmenter, shift)}
    if gate := manifest.gate:
        lower, upper = gate.lower_threshold + shift, gate.upper_threshold + shift
        moved = {"lower_threshold": lower, "upper_threshold": upper}
        changes["gate"] = gate.model_copy(update=moved)
    if stacked := manifest.stacked:
        moved = {"threshold": stacked.threshold + shift}
        changes["stacked"] = stacked.model_copy(update=moved)
    return manifest.model_copy(update=changes)


def _shifted_segmenter(segmenter: SegmenterSpec, shift: float) -> SegmenterSpec:
    def moved(value: float, lowest: float) -> float:
        return min(max(value + shift, lowest), 1 - 1e-6)

    settings = tuple(
        values.model_copy(
            update={
                "threshold": moved(values.threshold, 1e-6),
                "presence_cut": moved(values.presence_cut, 0.0) if values.presence_cut else 0.0,
            }
        )
        for values in segmenter.postprocessing
    )
    return segmenter.model_copy(update={"postprocessing": settings})


def mean_dice(truth: Masks, masks: Masks) -> float:
    """Return the mean over classes of the Dice coefficient; 1 for a class that is empty in both."""
    pairs = zip(truth, masks, strict=True)
    return float(np.mean([dice(int((a & b).sum()), int(a.sum()), int(b.sum())) for a, b in pairs]))
