"""From scores and regions to a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from steel_defects.inspection.config import InspectionConfig, RegionLimits
from steel_defects.inspection.regions import Region

VerdictName = Literal["accept", "review", "reject"]


@dataclass(frozen=True)
class Verdict:
    """What becomes of a sheet, and why."""

    verdict: VerdictName
    reason: str


@dataclass(frozen=True)
class Thresholds:
    """The gate's thresholds on its calibrated score; see ``evaluation.operating_point``."""

    lower: float
    upper: float


def clears(gate_score: float | None, thresholds: Thresholds | None) -> bool:
    """Say whether the gate lets a sheet pass without a look at its pixels."""
    return gate_score is not None and thresholds is not None and gate_score < thresholds.lower


def judge(
    gate_score: float | None,
    thresholds: Thresholds | None,
    regions: Sequence[Region],
    config: InspectionConfig,
) -> Verdict:
    """Apply the first rule that fits.

    Args:
        gate_score: Calibrated score of the gate; None where the package has none.
        thresholds: The gate's thresholds; None where the package has none.
        regions: The defects that the segmenter found; none where the gate cleared the sheet.
        config: The limits of each class.
    """
    if clears(gate_score, thresholds):
        return Verdict("accept", "cleared by the gate")
    over = [region for region in regions if exceeds(region, config)]
    if over:
        classes = ", ".join(str(k) for k in sorted({region.class_id for region in over}))
        return Verdict("reject", f"{_count(len(over), 'region')} over limits, class {classes}")
    if regions:
        return Verdict("accept", f"within limits: {_count(len(regions), 'region')}")
    if gate_score is None or thresholds is None:
        return Verdict("accept", "no region")
    if gate_score >= thresholds.upper:
        return Verdict("review", "gate without region")
    return Verdict("review", "doubtful: gate between its thresholds, no region")


def exceeds(region: Region, config: InspectionConfig) -> bool:
    """Say whether a region is over one of its class's limits."""
    limits = config.limits.get(region.class_id, RegionLimits())
    return region.area_px > limits.area_px or region.length_px > limits.length_px


def severity(region: Region, config: InspectionConfig) -> str:
    """Name the highest severity whose area a region reaches, or the lowest of all."""
    ranked = sorted(config.severity_area_px.items(), key=lambda item: item[1])
    reached = [name for name, area in ranked if region.area_px >= area]
    return reached[-1] if reached else ranked[0][0]


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
