"""Parameters of inspection; free of Keras."""

from pydantic import Field

from steel_defects.config import Config


class RegionLimits(Config):
    """What a region of a class may measure before its sheet is rejected."""

    area_px: int = Field(default=0, ge=0)
    length_px: float = Field(default=0.0, ge=0)


class InspectionConfig(Config):
    """How sheets are judged.

    Attributes:
        limits: Limits of each class, by its number; a class without an entry has limits of 0, so
            that any region that post-processing keeps rejects the sheet.
        severity_area_px: Names of severities and the area, pixels, from which a region has them.
        black_share: Share of black pixels from which a frame counts as black.
        saturated_share: Share of white pixels from which a frame counts as saturated.
        focus_share: Sharpness, as a share of the least sharp reference sheets', under which a frame
            counts as out of focus.
        accepted_overlays: How many accepted sheets are drawn beside all others.
    """

    limits: dict[int, RegionLimits] = Field(default_factory=dict)
    severity_area_px: dict[str, int] = Field(min_length=1)
    black_share: float = Field(gt=0, le=1)
    saturated_share: float = Field(gt=0, le=1)
    focus_share: float = Field(ge=0, le=1)
    accepted_overlays: int = Field(ge=0)
