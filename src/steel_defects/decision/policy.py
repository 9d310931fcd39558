"""What the cascade makes of the answers of its networks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steel_defects.decision.answers import SheetPrediction
from steel_defects.decision.fusion import StackedScore
from steel_defects.decision.limits import VerdictConfig
from steel_defects.decision.operating_point import Thresholds
from steel_defects.decision.postprocessing import ClassPostprocessing, class_presence, sheet_masks
from steel_defects.decision.regions import Region, find_regions
from steel_defects.decision.rules import Verdict, clears, judge

Masks = tuple[NDArray[np.uint8], ...]


@dataclass(frozen=True)
class Policy:
    """What a package decides by.

    Attributes:
        thresholds: The gate's; None without a gate.
        postprocessing: Settings of each class, in order.
        stacked: What decides about sheets that both networks saw; None where regions alone do.
    """

    thresholds: Thresholds | None
    postprocessing: tuple[ClassPostprocessing, ...]
    stacked: StackedScore | None = None


@dataclass(frozen=True)
class Decision:
    """The verdict on a sheet, its defects, and the mask of each class; no mask where cleared."""

    verdict: Verdict
    regions: tuple[Region, ...] = ()
    masks: Masks = ()


def decide(
    policy: Policy,
    limits: VerdictConfig,
    gate_score: float | None,
    segment: Callable[[], SheetPrediction],
) -> Decision:
    """Judge a sheet.

    Args:
        policy: Thresholds and post-processing of the package.
        limits: The limits of each class.
        gate_score: Calibrated score of the gate; None without a gate.
        segment: Asks the segmenter, which is spared the sheets that the gate clears.
    """
    thresholds, settings = policy.thresholds, policy.postprocessing
    if clears(gate_score, thresholds):
        return Decision(judge(gate_score, thresholds, [], limits))
    found = segment()
    presence = class_presence(found.maps, found.presence, settings, gate_score)
    if _clears_after_all(policy.stacked, gate_score, presence):
        return Decision(judge(gate_score, thresholds, [], limits, cleared_by_both=True))
    masks = tuple(sheet_masks(found.maps, presence, settings, gate_score))
    regions = tuple(find_regions(masks, found.maps))
    return Decision(judge(gate_score, thresholds, regions, limits), regions, masks)


def _clears_after_all(
    stacked: StackedScore | None, gate_score: float | None, presence: NDArray[np.float32]
) -> bool:
    if stacked is None or gate_score is None:
        return False
    return stacked.clears(gate_score, float(presence.max()))
