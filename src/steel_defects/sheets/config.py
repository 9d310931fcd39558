"""Parameters of reading, checking, splitting and drawing sheets."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from steel_defects.config import Config


class SampleDataConfig(Config):
    """Synthetic sheets to draw."""

    seed: int = Field(ge=0)
    sheets: int = Field(ge=8)
    new_sheets: int = Field(ge=1)
    width: int = Field(default=1600, ge=256)
    height: int = Field(default=256, ge=64)


class DataEngineeringConfig(Config):
    """What sheets must be like, and how they are divided.

    Attributes:
        seed: Decides the splits.
        class_names: Names of classes 1, 2, …
        expected_size: Height and width, pixels, that every sheet must have; None takes any.
        mask_values: Class of each value in a folder of masks; None for values that are classes.
        duplicate_similarity: Correlation of thumbnails from which sheets look alike.
        shares: Share of the sheets that each split gets.
        tile_size: Height and width of a tile, pixels.
        tile_stride: Distance of tiles, down and across, pixels.
    """

    seed: int = Field(ge=0)
    class_names: tuple[str, ...] = Field(min_length=1)
    expected_size: tuple[PositiveInt, PositiveInt] | None = None
    mask_values: dict[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = None
    duplicate_similarity: float = Field(gt=0, le=1.01)
    shares: dict[
        Literal["train", "validation", "calibration", "test"],
        Annotated[float, Field(ge=0, allow_inf_nan=False)],
    ]
    tile_size: tuple[PositiveInt, PositiveInt]
    tile_stride: tuple[PositiveInt, PositiveInt]

    @model_validator(mode="after")
    def _can_work(self) -> Self:
        if not self.shares.get("train"):
            raise ValueError("shares leave nothing to train on")
        if any(s > t for s, t in zip(self.tile_stride, self.tile_size, strict=True)):
            raise ValueError("tile_stride is larger than tile_size and would leave gaps")
        if self.mask_values and max(self.mask_values.values()) > self.classes:
            raise ValueError("mask_values names a class that class_names does not")
        return self

    @property
    def classes(self) -> int:
        """Number of defect classes."""
        return len(self.class_names)
