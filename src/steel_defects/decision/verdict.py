"""From scores and regions to a verdict: the rules, their limits, and whom the cascade asks."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from steel_defects.config import Config
from steel_defects.decision.fusion import StackedScore
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

#: The reason of sheets that the segmenter never sees.
CLEARED = "cleared by the gate"
#: The reason of sheets that neither network finds suspicious enough, though the gate alone did.
CLEARED_BY_BOTH = "cleared by gate and segmenter together"


class RegionLimits(Config):
    """What regions of a class may be before their sheet is rejected; what is not given, is free.

    Attributes:
        area_px: Largest area of a region, pixels.
        length_px: Longest length of a region, pixels.
        count: Most regions of the class on a sheet.
    """

    area_px: int | None = Field(default=None, ge=0)
    length_px: float | None = Field(default=None, ge=0)
    count: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.area_px is None and self.length_px is None and self.count is None:
            raise ValueError("give area_px, length_px or count")
        return self


class SeverityLimits(Config):
    """From where on regions have a severity; any one that is given is enough.

    Attributes:
        area_px: Area of the region, pixels.
        length_px: Its length, pixels.
        count: Regions of its class on the sheet.
    """

    area_px: int | None = Field(default=None, ge=0)
    length_px: float | None = Field(default=None, ge=0)
    count: int | None = Field(default=None, ge=1)


class VerdictConfig(Config):
    """How regions decide on their sheet.

    Attributes:
        limits: Limits of each class, by its number; a class without an entry has an area limit of
            0, so that any region that post-processing keeps rejects the sheet.
        severity_area_px: Names of severities and the area, pixels, from which a region has them.
        severity_by_class: Other limits for some classes, by number and name of the severity.
    """

    limits: dict[int, RegionLimits] = Field(default_factory=dict)
    severity_area_px: dict[str, int] = Field(min_length=1)
    severity_by_class: dict[int, dict[str, SeverityLimits]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known_severities(self) -> Self:
        for limits in self.severity_by_class.values():
            if unknown := set(limits) - set(self.severity_area_px):
                raise ValueError(f"severity_area_px names no severity {', '.join(sorted(unknown))}")
        return self

    def limits_of(self, class_id: int) -> RegionLimits:
        """Return the limits of a class."""
        return self.limits.get(class_id, RegionLimits(area_px=0))


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
class Verdict:
    """What becomes of a sheet, and why."""

    verdict: VerdictName
    reason: str


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
    thresholds, settings, stacked = policy.thresholds, policy.postprocessing, policy.stacked
    if clears(gate_score, thresholds):
        return Decision(judge(gate_score, thresholds, [], limits))
    prediction = segment()
    presence = class_presence(prediction, settings, gate_score)
    highest = float(presence.max())
    if stacked and gate_score is not None and stacked.clears(gate_score, highest):
        return Decision(Verdict("accept", CLEARED_BY_BOTH))
    masks = tuple(sheet_masks(prediction.maps, presence, settings, gate_score))
    regions = tuple(find_regions(masks, prediction.maps))
    return Decision(judge(gate_score, thresholds, regions, limits), regions, masks)


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
        return Verdict("accept", CLEARED)
    if problem := _problem_of(regions, config):
        return Verdict("reject", problem)
    if regions:
        return Verdict("accept", f"within limits: {_count(len(regions), 'region')}")
    if gate_score is None or thresholds is None:
        return Verdict("accept", "no region")
    if gate_score >= thresholds.upper:
        return Verdict("review", "gate without region")
    return Verdict("review", "doubtful: gate between its thresholds, no region")


def exceeds(region: Region, config: VerdictConfig) -> bool:
    """Say whether a region is larger or longer than its class may be."""
    limits = config.limits_of(region.class_id)
    return any(value > limit for value, limit in _measured(region, 0, limits))


def _problem_of(regions: Sequence[Region], config: VerdictConfig) -> str:
    """Say which regions are over the limits of their classes, or of which there are too many."""
    over = [region for region in regions if exceeds(region, config)]
    if over:
        classes = ", ".join(str(k) for k in sorted({region.class_id for region in over}))
        return f"{_count(len(over), 'region')} over limits, class {classes}"
    for class_id, count in sorted(Counter(region.class_id for region in regions).items()):
        most = config.limits_of(class_id).count
        if most is not None and count > most:
            return f"{_count(count, 'region')} of class {class_id}, more than {most}"
    return ""


def severity(region: Region, config: VerdictConfig, count: int = 1) -> str:
    """Name the highest severity that a region reaches, or the lowest of all.

    In the spirit of EN 10163-1, which classes discontinuities by their size and number.

    Args:
        region: The region.
        config: Limits of area, length and number; those for its class, where it has any.
        count: Regions of its class on the sheet.
    """
    ranked = sorted(config.severity_area_px.items(), key=lambda item: item[1])
    limits: Mapping[str, SeverityLimits] = config.severity_by_class.get(region.class_id) or {
        name: SeverityLimits(area_px=area) for name, area in ranked
    }
    reached = ranked[0][0]
    for name in [name for name, _ in ranked if name in limits]:
        if any(value >= limit for value, limit in _measured(region, count, limits[name])):
            reached = name
    return reached


def _measured(
    region: Region, count: int, limits: RegionLimits | SeverityLimits
) -> list[tuple[float, float]]:
    """Set what a region measures beside the limits that are given."""
    values = {"area_px": region.area_px, "length_px": region.length_px, "count": count}
    return [(values[name], limit) for name, limit in limits if limit is not None]


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
