"""An operating point of a gate, as the report reads it."""

from typing import Any

from steel_defects.decision.operating_point import OperatingPoint, Rates

_POINT = {
    "lower_threshold": 0.1234, "upper_threshold": 0.6, "allowed_misses": 0,
    "rejected_clean_bound": 0.1, "recall": 0.98, "recall_bound": 0.95,
    "false_positive_rate": 0.1, "false_positive_bound": 0.2, "defective_sheets": 100,
    "clean_sheets": 90, "accept_share": 0.4, "review_share": 0.1, "reject_share": 0.5,
    "target_recall": 0.99, "confidence": 0.95, "proven": False, "needed_defective_sheets": 299,
    "more_defective_sheets": 199, "more_with_these_misses": 199,
}  # fmt: skip


def operating_point(**changes: Any) -> OperatingPoint:
    """Return one that proves nothing, with some values changed."""
    return OperatingPoint(**_POINT | changes)


def rates(**changes: Any) -> Rates:
    """Return what thresholds do to some sheets, with some values changed."""
    names = Rates.model_fields
    return Rates(**{name: value for name, value in (_POINT | changes).items() if name in names})
