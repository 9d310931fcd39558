"""Parameters of inspection; free of Keras."""

from typing import Self

from pydantic import Field, model_validator

from steel_defects.config import Config
from steel_defects.decision.limits import VerdictConfig
from steel_defects.package.manifest import BitDepth, Range
from steel_defects.package.networks import ExecutionConfig


class DriftConfig(Config):
    """When sheets count as unlike the package's reference.

    Attributes:
        false_alarm_rate: Share of parts that raise an alarm although their sheets are drawn from
            the reference; all tests of a part together.
        expected_defect_share: Of the line, for the gate's scores; None takes the reference's.
    """

    false_alarm_rate: float = Field(default=0.001, gt=0, lt=1)
    expected_defect_share: float | None = Field(default=None, ge=0, le=1)


class FollowConfig(Config):
    """How a folder is watched.

    Attributes:
        settle_seconds: A file that can't be read counts as being written until it has not changed
            for so long; then it is inspected as it is, and again if it changes.
        ignore: Names, with wildcards, of files that a camera has not finished.
    """

    settle_seconds: float = Field(default=5.0, ge=0)
    ignore: tuple[str, ...] = (".*", "~*", "*.tmp.*", "*.part.*")


class InspectionConfig(VerdictConfig):
    """How sheets are judged, and how the work is divided.

    Attributes:
        target_recall: Share of defective sheets that must not be cleared; the package's table of
            recalls has the thresholds. None takes those that the package was built with.
        black_share: Share of black pixels from which a frame counts as black.
        saturated_share: Share of white pixels from which a frame counts as saturated.
        focus_share: Sharpness, as a share of the least sharp reference sheets', under which a frame
            counts as out of focus.
        height: Least and greatest height of a sheet, pixels, that is judged; None for those that
            the package learned.
        width: The same for its width.
        bits: Bits of a channel that the camera uses; None for those that the package learned.
        overlays: How many sheets are drawn at most.
        sheets_to_check: How many sheets are listed to be checked again, at most.
        runtime: What runs the networks; ``auto`` takes the fastest that the package offers.
        execution: What the runtime may use.
        part_sheets: Sheets whose tables are written at a time.
        shard: Which share of the sheets this machine inspects, from 1.
        shards: Number of machines that share the work.
        judges: Sheets that are judged at a time; None for as many as the runtime can use.
        follow: Watch a folder, and inspect sheets as they come, until stopped.
        following: How it is watched.
        drift: When sheets count as unlike the package's reference.
    """

    target_recall: float | None = Field(default=None, gt=0, lt=1)
    black_share: float = Field(gt=0, le=1)
    saturated_share: float = Field(gt=0, le=1)
    focus_share: float = Field(ge=0, le=1)
    height: Range | None = None
    width: Range | None = None
    bits: BitDepth | None = None
    overlays: int = Field(default=1000, ge=0)
    sheets_to_check: int = Field(default=50, ge=0)
    runtime: str = "auto"
    execution: ExecutionConfig = ExecutionConfig()
    part_sheets: int = Field(default=200, ge=1)
    shard: int = Field(default=1, ge=1)
    shards: int = Field(default=1, ge=1)
    judges: int | None = Field(default=None, ge=1)
    follow: bool = False
    following: FollowConfig = FollowConfig()
    drift: DriftConfig = DriftConfig()

    @model_validator(mode="after")
    def _can_work(self) -> Self:
        if self.shard > self.shards:
            raise ValueError(f"shard {self.shard} is not one of {self.shards}")
        if self.follow and self.shards > 1:
            raise ValueError("a folder is watched by one machine: follow goes without shards")
        return self
