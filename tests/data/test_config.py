import pytest
from pydantic import ValidationError

from steel_defects.data.config import DataEngineeringConfig, PositionsConfig

GOOD = {
    "seed": 1,
    "class_names": ["pits", "cracks"],
    "shares": {"train": 0.6, "validation": 0.2, "test": 0.2},
    "tile_size": [256, 400],
    "tile_stride": [256, 400],
}


def test_good_values_pass_and_classes_are_counted():
    assert DataEngineeringConfig(**GOOD).classes == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shares", {"train": 0.0, "test": 0.0}),
        ("shares", {"train": 0.6, "test": -0.2}),
        ("shares", {"train": float("nan"), "test": 0.5}),
        ("shares", {"train": 0.6, "holdout": 0.4}),
        ("tile_stride", [256, 401]),
        ("tile_size", [0, 400]),
        ("class_names", []),
        ("class_names", ["pits", "pits"]),
        ("unknown", 1),
    ],
)
def test_values_that_cannot_work_are_refused(name, value):
    with pytest.raises(ValidationError, match=name):
        DataEngineeringConfig(**GOOD | {name: value})


@pytest.mark.parametrize(
    "pattern", [None, r"(?P<coil_id>\w+)_(?P<position_mm>\d+)", r"(a|b)(?P<position_mm>\d+)"]
)
def test_patterns_with_the_known_groups_pass(pattern):
    assert PositionsConfig(pattern=pattern).pattern == pattern


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(?P<coil_id>", "not a regular expression"),
        (r"\w+_(\d+)", "no group named coil_id or position_mm"),
        ("", "no group named coil_id or position_mm"),
        (r"(?P<coil_id>\w)(?P<mm>\d)(?P<line>\d)", "no group may be named line, mm"),
    ],
)
def test_patterns_that_tell_nothing_are_refused(pattern, reason):
    with pytest.raises(ValidationError, match=reason) as caught:
        PositionsConfig(pattern=pattern)
    assert "\n" not in caught.value.errors()[0]["msg"]
