import pytest
from pydantic import ValidationError

from steel_defects.decision.limits import RegionLimits, SeverityLimits, exceeds, severity
from steel_defects.decision.operating_point import Thresholds
from steel_defects.decision.regions import Region
from steel_defects.decision.verdict import judge
from steel_defects.inspection.config import InspectionConfig

GATE = Thresholds(lower=0.2, upper=0.8)


def region(class_id: int, area_px: int, length_px: float = 10.0) -> Region:
    return Region(class_id, 0, 0, 5, 5, area_px, length_px, 0.0, 0.9)


SMALL, LARGE, LONG, OTHER = region(2, 50, 20.0), region(2, 51), region(2, 9, 20.5), region(1, 1)


@pytest.mark.parametrize(
    ("score", "thresholds", "regions", "verdict", "reason"),
    [
        # Cleared by the gate comes first, whatever else there is.
        (0.19, GATE, [LARGE], "accept", "cleared by the gate"),
        (0.2, GATE, [LARGE], "reject", "1 region over limits, class 2"),
        (0.9, GATE, [SMALL, OTHER, LARGE, LONG], "reject", "3 regions over limits, class 1, 2"),
        (0.9, GATE, [SMALL, SMALL], "accept", "within limits: 2 regions"),
        (0.5, GATE, [SMALL], "accept", "within limits: 1 region"),
        (0.8, GATE, [], "review", "gate without region"),
        (0.79, GATE, [], "review", "doubtful: gate between its thresholds, no region"),
        (0.2, GATE, [], "review", "doubtful: gate between its thresholds, no region"),
        (None, None, [], "accept", "no region"),
        (None, None, [SMALL], "accept", "within limits: 1 region"),
        (None, None, [OTHER], "reject", "1 region over limits, class 1"),
    ],
)
def test_first_rule_that_fits(config, score, thresholds, regions, verdict, reason):
    found = judge(score, thresholds, regions, config)
    assert (found.verdict, found.reason) == (verdict, reason)


def test_limits_of_area_and_length(config):
    assert [exceeds(r, config) for r in (SMALL, LARGE, LONG, OTHER)] == [False, True, True, True]


@pytest.mark.parametrize(
    ("area", "name"),
    [(1, "minor"), (10, "minor"), (39, "minor"), (40, "moderate"), (100, "severe")],
)
def test_severity(config, area, name):
    assert severity(region(1, area), config) == name


def test_what_is_not_limited_is_free(config):
    limited = config.model_copy(update={"limits": {2: RegionLimits(length_px=20)}})
    assert [exceeds(r, limited) for r in (SMALL, LARGE, LONG, OTHER)] == [False, False, True, True]
    with pytest.raises(ValidationError, match="give area_px, length_px or count"):
        RegionLimits()


@pytest.mark.parametrize(
    ("found", "verdict", "reason"),
    [
        ([SMALL] * 3, "accept", "within limits: 3 regions"),
        ([SMALL] * 4, "reject", "4 regions of class 2, more than 3"),
        ([SMALL] * 3 + [LARGE], "reject", "1 region over limits, class 2"),
    ],
)
def test_a_limit_of_the_number(config, found, verdict, reason):
    limits = {2: RegionLimits(area_px=50, count=3)}
    judged = judge(0.9, GATE, found, config.model_copy(update={"limits": limits}))
    assert (judged.verdict, judged.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("area", "length", "count", "name"),
    [
        (99, 10, 1, "minor"),  # class 2 knows nothing of the 40 pixels of all others
        (5, 30, 1, "moderate"),
        (5, 10, 3, "moderate"),
        (5, 10, 7, "severe"),
        (200, 30, 1, "severe"),
    ],
)
def test_severity_by_class(config, area, length, count, name):
    by_class = {
        2: {
            "moderate": SeverityLimits(length_px=30, count=3),
            "severe": SeverityLimits(area_px=200, count=7),
        }
    }
    changed = config.model_copy(update={"severity_by_class": by_class})
    assert severity(region(2, area, length), changed, count) == name
    assert severity(region(1, 40, length), changed, count) == "moderate"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"severity_by_class": {1: {"fatal": {"area_px": 1}}}}, "names no severity fatal"),
        ({"shard": 3, "shards": 2}, "shard 3 is not one of 2"),
        ({"follow": True, "shards": 2}, "watched by one machine"),
    ],
)
def test_what_can_t_work_is_refused(config, values, message):
    with pytest.raises(ValidationError, match=message):
        InspectionConfig(**config.model_dump() | values)
