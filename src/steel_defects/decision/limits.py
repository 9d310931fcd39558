"""Limits of defects: what rejects a sheet, and how severe a defect is."""

from typing import Self

from pydantic import Field, model_validator

from steel_defects.config import Config


class RegionLimits(Config):
    """What regions of a class may be before their sheet is rejected; what is not given, is free.

    Attributes:
        area_px: Largest area of a region, pixels.
        length_px: Longest length of a region, pixels.
        count: Most regions of the class on a sheet.
    """

    area_px: int | None = Field(default=None, ge=0)
    length_px: float | None = Field(default=None, ge=0)
    count: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.area_px is None and self.length_px is None and self.count is None:
            raise ValueError("give area_px, length_px or count")
        return self


class SeverityLimits(Config):
    """From where on regions have a severity; any one that is given is enough.

    Attributes:
        area_px: Area of the region, pixels.
        length_px: Its length, pixels.
        count: Regions of its class on the sheet.
    """

    area_px: int | None = Field(default=None, ge=0)
    length_px: float | None = Field(default=None, ge=0)
    count: int | None = Field(default=None, ge=1)


class VerdictConfig(Config):
    """How regions decide on their sheet.

    Attributes:
        limits: Limits of each class, by its number; a class without an entry has an area limit of
            0, so that any region that post-processing keeps rejects the sheet.
        severity_area_px: Names of severities and the area, pixels, from which a region has them.
        severity_by_class: Other limits for some classes, by number and name of the severity.
    """

    limits: dict[int, RegionLimits] = Field(default_factory=dict)
    severity_area_px: dict[str, int] = Field(min_length=1)
    severity_by_class: dict[int, dict[str, SeverityLimits]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known_severities(self) -> Self:
        for limits in self.severity_by_class.values():
            if unknown := set(limits) - set(self.severity_area_px):
                raise ValueError(f"severity_area_px names no severity {', '.join(sorted(unknown))}")
        return self
