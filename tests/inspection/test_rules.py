import pytest

from steel_defects.inspection.regions import Region
from steel_defects.inspection.rules import Thresholds, exceeds, judge, severity

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
