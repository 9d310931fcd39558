"""Limits and severities of regions, by class, and which classes count at all."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from steel_defects.config import Config
from steel_defects.decision.regions import Region
from steel_defects.errors import SteelDefectsError, shown

#: A class by its number, from 1, or by its name.
ClassKey = Annotated[int | str, BeforeValidator(lambda key: int(key) if _is_whole(key) else key)]


def _is_whole(key: Any) -> bool:
    return isinstance(key, str) and key.isdecimal()


def class_number(key: ClassKey, class_names: Sequence[str]) -> int:
    """Return the number of a class that is given by number or name.

    Raises:
        SteelDefectsError: There is no such class.
    """
    numbers = {name: number for number, name in enumerate(class_names, start=1)}
    number = numbers.get(key, 0) if isinstance(key, str) else key
    if not 1 <= number <= len(class_names):
        there = ", ".join(f"{number} {shown(name)}" for name, number in numbers.items())
        raise SteelDefectsError(
            f"the parameters of inspection name a class {shown(str(key))}; the package has {there}"
        )
    return number


def _as_many(value: Any) -> Any:
    """Take one class for a list of one, as the command line gives it."""
    return (value,) if isinstance(value, int | str) else value


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
        limits: Limits of each class, by its number or name; a class without an entry has an area
            limit of 0, so that any region that post-processing keeps rejects the sheet.
        ignore_classes: Classes, by number or name, whose regions are counted apart and reject no
            sheet.
        severity_area_px: Names of severities and the area, pixels, from which a region has them.
        severity_by_class: Other limits for some classes, by number or name of the class and name of
            the severity.
    """

    limits: dict[ClassKey, RegionLimits] = Field(default_factory=dict)
    ignore_classes: Annotated[tuple[ClassKey, ...], BeforeValidator(_as_many)] = ()
    severity_area_px: dict[str, int] = Field(min_length=1)
    severity_by_class: dict[ClassKey, dict[str, SeverityLimits]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known_severities(self) -> Self:
        for limits in self.severity_by_class.values():
            if unknown := set(limits) - set(self.severity_area_px):
                raise ValueError(f"severity_area_px names no severity {', '.join(sorted(unknown))}")
        return self

    def for_classes(self, class_names: Sequence[str]) -> Self:
        """Return the same with each class by its number.

        Raises:
            SteelDefectsError: A class is not among these names.
        """
        number = partial(class_number, class_names=class_names)
        changes = {
            "limits": {number(key): limits for key, limits in self.limits.items()},
            "ignore_classes": tuple(sorted(set(map(number, self.ignore_classes)))),
            "severity_by_class": {
                number(k): values for k, values in self.severity_by_class.items()
            },
        }
        return self.model_copy(update=changes)

    def limits_of(self, class_id: int) -> RegionLimits:
        """Return the limits of a class."""
        return self.limits.get(class_id, RegionLimits(area_px=0))

    @property
    def ignored_numbers(self) -> list[int]:
        """Numbers of the ignored classes, of rules that :meth:`for_classes` returned."""
        return [key for key in self.ignore_classes if isinstance(key, int)]

    def counted(self, regions: Sequence[Region]) -> list[Region]:
        """Return the regions whose class is not ignored."""
        return [region for region in regions if region.class_id not in self.ignore_classes]

    @property
    def severities(self) -> list[str]:
        """Names of severities, the highest last."""
        return sorted(self.severity_area_px, key=lambda name: self.severity_area_px[name])


def exceeds(region: Region, config: VerdictConfig) -> bool:
    """Say whether a region is larger or longer than its class may be."""
    limits = config.limits_of(region.class_id)
    return any(value > limit for value, limit in _measured(region, 0, limits))


def severity(region: Region, config: VerdictConfig, count: int = 1) -> str:
    """Name the highest severity that a region reaches, or the lowest of all.

    In the spirit of EN 10163-1, which classes discontinuities by their size and number.

    Args:
        region: The region.
        config: Limits of area, length and number; those for its class, where it has any.
        count: Regions of its class on the sheet.
    """
    own = config.severity_by_class.get(region.class_id)

    def reaches(name: str) -> bool:
        if not own:
            return region.area_px >= config.severity_area_px[name]
        measured = _measured(region, count, own[name]) if name in own else []
        return any(value >= limit for value, limit in measured)

    ranked = config.severities
    return next(filter(reaches, reversed(ranked)), ranked[0])


def _measured(
    region: Region, count: int, limits: RegionLimits | SeverityLimits
) -> list[tuple[float, float]]:
    """Set what a region measures beside the limits that are given."""
    pairs = (
        (region.area_px, limits.area_px),
        (region.length_px, limits.length_px),
        (count, limits.count),
    )
    return [(value, limit) for value, limit in pairs if limit is not None]
