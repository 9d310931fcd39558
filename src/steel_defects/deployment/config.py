"""Parameters of deployment; free of Keras."""

from typing import Literal

from pydantic import Field, PositiveInt, field_validator

from steel_defects.config import Config
from steel_defects.inspection.package import ExportRuntime


class Tolerance(Config):
    """How far an export may be from the trained network.

    Attributes:
        probability: Largest difference of a probability, for exports in ``fp32``.
        score: Largest difference of the gate's calibrated score, for its other exports. Most sheets
            lie far from any threshold; a score that moves far decides otherwise on some other day.
        changed_share: Share of sheets that may be judged otherwise; one sheet always may.
        threshold_distance: How near to a threshold a sheet has to be whose verdict changes: the
            trained networks must give the new verdict with thresholds moved by this much.
        dice: By how much the mean Dice may change.
    """

    probability: float = Field(gt=0)
    score: float = Field(gt=0, le=1)
    changed_share: float = Field(ge=0, le=1)
    threshold_distance: float = Field(ge=0, le=1)
    dice: float = Field(ge=0, le=1)


class DeploymentConfig(Config):
    """What is exported, and how it is checked.

    Attributes:
        runtimes: Which runtimes are exported for.
        sheets: Where the sheets come from that exports are calibrated on and compared on:
            ``splits`` takes validation and calibration sheets of the catalog, with their masks, and
            compares on training sheets, too, where these are few; ``folder`` takes all of
            ``sheets_dir``, without any masks.
        parity_sheets: Most sheets to compare on.
        calibration_sheets: Most sheets, validation ones from ``splits``, that 8-bit exports see.
        seed: Of which sheets these are.
        tolerance: What is refused.
        latency_repeats: Sheets that are timed.
    """

    runtimes: tuple[ExportRuntime, ...] = Field(min_length=1)
    sheets: Literal["splits", "folder"]
    parity_sheets: PositiveInt
    calibration_sheets: PositiveInt
    seed: int
    tolerance: Tolerance
    latency_repeats: PositiveInt

    @field_validator("runtimes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Take names with spaces between them, which a command line can say."""
        return tuple(value.split()) if isinstance(value, str) else value
