import pytest
from pydantic import ValidationError

from steel_defects.sheets.config import DataEngineeringConfig

GOOD = {
    "seed": 1,
    "class_names": ["pits", "cracks"],
    "duplicate_similarity": 0.985,
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
        ("duplicate_similarity", 0.0),
        ("class_names", []),
        ("unknown", 1),
    ],
)
def test_values_that_cannot_work_are_refused(name, value):
    with pytest.raises(ValidationError, match=name):
        DataEngineeringConfig(**GOOD | {name: value})
