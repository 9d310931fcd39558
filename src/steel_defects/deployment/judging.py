"""What the cascade says of a sheet, with any two answers of its networks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steel_defects.evaluation.postprocessing import ClassPostprocessing, sheet_masks
from steel_defects.evaluation.segmentation import dice
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.package import Manifest
from steel_defects.inspection.regions import find_regions
from steel_defects.inspection.rules import Thresholds, clears, judge
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
        self._gate, self._settings = manifest.gate, manifest.segmenter.postprocessing
        self._inspection = inspection

    def judge(self, gate_score: float | None, found: SheetPrediction, shift: float = 0.0) -> Judged:
        """Judge a sheet.

        Args:
            gate_score: Calibrated score of the gate; None without a gate.
            found: What the segmenter says, also of sheets that the gate clears.
            shift: Is added to every threshold.
        """
        thresholds = None
        if self._gate:
            gate = self._gate
            thresholds = Thresholds(gate.lower_threshold + shift, gate.upper_threshold + shift)
        masks: Masks = [np.zeros(found.maps.shape[:2], np.uint8)] * len(self._settings)
        if not clears(gate_score, thresholds):
            masks = sheet_masks(found.maps, found.presence, self._shifted(shift), gate_score)
        regions = find_regions(masks, found.maps)
        verdict = judge(gate_score, thresholds, regions, self._inspection)
        return Judged(verdict.verdict, masks)

    def _shifted(self, shift: float) -> Sequence[ClassPostprocessing]:
        def moved(value: float, lowest: float) -> float:
            return min(max(value + shift, lowest), 1 - 1e-6)

        return [
            values.model_copy(
                update={
                    "threshold": moved(values.threshold, 1e-6),
                    "presence_cut": moved(values.presence_cut, 0.0) if values.presence_cut else 0.0,
                }
            )
            for values in self._settings
        ]


def mean_dice(truth: Masks, masks: Masks) -> float:
    """Return the mean over classes of the Dice coefficient; 1 for a class that is empty in both."""
    pairs = zip(truth, masks, strict=True)
    return float(np.mean([dice(int((a & b).sum()), int(a.sum()), int(b.sum())) for a, b in pairs]))
