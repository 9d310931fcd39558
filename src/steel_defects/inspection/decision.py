"""What the cascade makes of the answers of its networks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steel_defects.evaluation.postprocessing import class_presence, sheet_masks
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.package import Manifest
from steel_defects.inspection.regions import Region, find_regions
from steel_defects.inspection.rules import Thresholds, Verdict, clears, judge
from steel_defects.models.inference import SheetPrediction

Masks = tuple[NDArray[np.uint8], ...]


@dataclass(frozen=True)
class Decision:
    """The verdict on a sheet, its defects, and the mask of each class; no mask where cleared."""

    verdict: Verdict
    regions: tuple[Region, ...] = ()
    masks: Masks = ()


def decide(
    manifest: Manifest,
    config: InspectionConfig,
    gate_score: float | None,
    segment: Callable[[], SheetPrediction],
) -> Decision:
    """Judge a sheet.

    Args:
        manifest: Thresholds and post-processing of the package.
        config: The limits of each class.
        gate_score: Calibrated score of the gate; None without a gate.
        segment: Asks the segmenter, which is spared the sheets that the gate clears.
    """
    gate = manifest.gate
    thresholds = Thresholds(gate.lower_threshold, gate.upper_threshold) if gate else None
    if clears(gate_score, thresholds):
        return Decision(judge(gate_score, thresholds, [], config))
    found, settings = segment(), manifest.segmenter.postprocessing
    presence = class_presence(found.maps, found.presence, settings, gate_score)
    if _clears_after_all(manifest, gate_score, presence):
        return Decision(judge(gate_score, thresholds, [], config, cleared_by_both=True))
    masks = tuple(sheet_masks(found.maps, presence, settings, gate_score))
    regions = tuple(find_regions(masks, found.maps))
    return Decision(judge(gate_score, thresholds, regions, config), regions, masks)


def _clears_after_all(
    manifest: Manifest, gate_score: float | None, presence: NDArray[np.float32]
) -> bool:
    stacked = manifest.stacked
    if stacked is None or gate_score is None:
        return False
    return stacked.clears(gate_score, float(presence.max()))
