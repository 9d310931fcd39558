"""From scores and regions to a verdict."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from steel_defects.decision.limits import RegionLimits, SeverityLimits, VerdictConfig
from steel_defects.decision.operating_point import Thresholds
from steel_defects.decision.regions import Region

VerdictName = Literal["accept", "review", "reject"]

#: The reason of sheets that the segmenter never sees.
CLEARED = "cleared by the gate"
#: The reason of sheets that neither network finds suspicious enough, though the gate alone did.
CLEARED_BY_BOTH = "cleared by gate and segmenter together"

_NOTHING = RegionLimits(area_px=0)


@dataclass(frozen=True)
class Verdict:
    """What becomes of a sheet, and why."""

    verdict: VerdictName
    reason: str


def clears(gate_score: float | None, thresholds: Thresholds | None) -> bool:
    """Say whether the gate lets a sheet pass without a look at its pixels."""
    return gate_score is not None and thresholds is not None and gate_score < thresholds.lower


def judge(
    gate_score: float | None,
    thresholds: Thresholds | None,
    regions: Sequence[Region],
    config: VerdictConfig,
    cleared_by_both: bool = False,
) -> Verdict:
    """Apply the first rule that fits.

    Args:
        gate_score: Calibrated score of the gate; None where the package has none.
        thresholds: The gate's thresholds; None where the package has none.
        regions: The defects that the segmenter found; none where the gate cleared the sheet.
        config: The limits of each class.
        cleared_by_both: Whether the stacked score of gate and segmenter is below its threshold; see
            ``decision.fusion``.
    """
    if cleared_by_both or clears(gate_score, thresholds):
        return Verdict("accept", CLEARED_BY_BOTH if cleared_by_both else CLEARED)
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
    limits = config.limits.get(region.class_id, _NOTHING)
    too_large = limits.area_px is not None and region.area_px > limits.area_px
    return too_large or (limits.length_px is not None and region.length_px > limits.length_px)


def _problem_of(regions: Sequence[Region], config: VerdictConfig) -> str:
    """Say which regions are over the limits of their classes, or of which there are too many."""
    over = [region for region in regions if exceeds(region, config)]
    if over:
        classes = ", ".join(str(k) for k in sorted({region.class_id for region in over}))
        return f"{_count(len(over), 'region')} over limits, class {classes}"
    for class_id, count in sorted(Counter(region.class_id for region in regions).items()):
        most = config.limits.get(class_id, _NOTHING).count
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
    reached = [
        name for name, _ in ranked if name in limits and _reaches(region, count, limits[name])
    ]
    return reached[-1] if reached else ranked[0][0]


def _reaches(region: Region, count: int, limits: SeverityLimits) -> bool:
    pairs = (
        (region.area_px, limits.area_px),
        (region.length_px, limits.length_px),
        (count, limits.count),
    )
    return any(limit is not None and value >= limit for value, limit in pairs)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
