"""From scores and regions to a verdict: the rules, and whom the cascade asks."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from steel_defects.decision import reasons
from steel_defects.decision.fusion import StackedScore
from steel_defects.decision.limits import VerdictConfig, exceeds
from steel_defects.decision.operating_point import Thresholds
from steel_defects.decision.postprocessing import (
    ClassPostprocessing,
    SheetPrediction,
    class_presence,
    sheet_masks,
)
from steel_defects.decision.regions import Region, find_regions

Masks = tuple[NDArray[np.uint8], ...]
VerdictName = Literal["accept", "review", "reject"]


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

    def margin(self, gate_score: float | None, joint_score: float | None) -> float | None:
        """Return how far above its threshold the score is that decided; None without a score.

        That is the joint score, where both networks were asked and decide together, else the
        gate's, against its lower threshold.
        """
        if joint_score is not None and self.stacked:
            return joint_score - self.stacked.threshold
        if gate_score is not None and self.thresholds:
            return gate_score - self.thresholds.lower
        return None


@dataclass(frozen=True)
class Verdict:
    """What becomes of a sheet, and why."""

    verdict: VerdictName
    reason: str


@dataclass(frozen=True)
class Decision:
    """The verdict on a sheet, its defects, and the mask of each class; no mask where cleared.

    Attributes:
        joint_score: Of gate and segmenter together, 0 to 1; None where they do not decide together.
        margin: See :meth:`Policy.margin`.
    """

    verdict: Verdict
    regions: tuple[Region, ...] = ()
    masks: Masks = ()
    joint_score: float | None = None
    margin: float | None = None


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
    thresholds, settings, stacked = policy.thresholds, policy.postprocessing, policy.stacked
    if clears(gate_score, thresholds):
        verdict = judge(gate_score, thresholds, [], limits)
        return Decision(verdict, margin=policy.margin(gate_score, None))
    prediction = segment()
    presence = class_presence(prediction, settings, gate_score)
    joint_score = None
    if stacked and gate_score is not None:
        highest = np.array([float(presence.max())])
        joint_score = float(stacked.score(np.array([gate_score]), highest)[0])
    margin = policy.margin(gate_score, joint_score)
    if joint_score is not None and stacked and joint_score < stacked.threshold:
        verdict = Verdict("accept", reasons.CLEARED_BY_BOTH)
        return Decision(verdict, joint_score=joint_score, margin=margin)
    masks = tuple(sheet_masks(prediction.maps, presence, settings, gate_score))
    regions = tuple(find_regions(masks, prediction.maps))
    verdict = judge(gate_score, thresholds, regions, limits)
    return Decision(verdict, regions, masks, joint_score, margin)


def clears(gate_score: float | None, thresholds: Thresholds | None) -> bool:
    """Say whether the gate lets a sheet pass without a look at its pixels."""
    return gate_score is not None and thresholds is not None and gate_score < thresholds.lower


def judge(
    gate_score: float | None,
    thresholds: Thresholds | None,
    regions: Sequence[Region],
    config: VerdictConfig,
) -> Verdict:
    """Apply the first rule that fits.

    Args:
        gate_score: Calibrated score of the gate; None where the package has none.
        thresholds: The gate's thresholds; None where the package has none.
        regions: The defects that the segmenter found; none where the gate cleared the sheet.
        config: The limits of each class.
    """
    if clears(gate_score, thresholds):
        return Verdict("accept", reasons.CLEARED)
    counted = config.counted(regions)
    if problem := _problem_of(counted, config):
        return Verdict("reject", problem)
    if regions:
        form = reasons.WITHIN_LIMITS if counted else reasons.IGNORED_ONLY
        number = len(counted) or len(regions)
        return Verdict("accept", form.format(regions=_count(number, "region")))
    if gate_score is None or thresholds is None:
        return Verdict("accept", reasons.NO_REGION)
    if gate_score >= thresholds.upper:
        return Verdict("review", reasons.GATE_WITHOUT_REGION)
    return Verdict("review", reasons.DOUBTFUL)


def judge_again(
    verdict: Verdict,
    gate_score: float | None,
    thresholds: Thresholds | None,
    regions: Sequence[Region],
    config: VerdictConfig,
) -> Verdict:
    """Apply other limits to a sheet whose regions are known; see :func:`judge`."""
    if reasons.before_regions(verdict.reason):
        return verdict
    return judge(gate_score, thresholds, regions, config)


def _problem_of(regions: Sequence[Region], config: VerdictConfig) -> str:
    """Say which regions are over the limits of their classes, or of which there are too many."""
    over = [region for region in regions if exceeds(region, config)]
    if over:
        classes = ", ".join(str(k) for k in sorted({region.class_id for region in over}))
        return reasons.OVER_LIMITS.format(regions=_count(len(over), "region"), classes=classes)
    for class_id, count in sorted(Counter(region.class_id for region in regions).items()):
        most = config.limits_of(class_id).count
        if most is not None and count > most:
            regions_of_class = _count(count, "region")
            return reasons.TOO_MANY.format(regions=regions_of_class, class_id=class_id, most=most)
    return ""


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
