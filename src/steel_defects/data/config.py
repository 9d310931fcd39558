"""Parameters of reading, checking, splitting and drawing sheets."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from steel_defects.config import Config, Share


class SampleDataConfig(Config):
    """Synthetic sheets to draw.

    Attributes:
        seed: Decides everything that is drawn.
        sheets: Annotated sheets; half of them are clean.
        new_sheets: Sheets to inspect, without annotations.
        width: Of a sheet, pixels.
        height: Of a sheet, pixels.
    """

    seed: int = Field(ge=0)
    sheets: int = Field(ge=8)
    new_sheets: int = Field(ge=1)
    width: int = Field(default=1600, ge=256)
    height: int = Field(default=256, ge=64)


class TrustLimits(Config):
    """What may be lost before a run ends, each a share.

    Attributes:
        misnamed: Of the labels: those that name no picture, and would after a change of names.
        lost: Of the sheets of a class, of the clean and of the defective ones: those that are set
            aside for their labels.
        unusable: Of the same: those whose picture can't be used.
    """

    misnamed: Share = 0.01
    lost: Share = 0.1
    unusable: Share = 0.5


class DataEngineeringConfig(Config):
    """What sheets must be like, and how they are divided.

    Attributes:
        seed: Decides the splits.
        class_names: Of classes 1, 2, …
        labels: Format of the labels; ``auto`` finds out which one it is.
        label_map: Class, by its name, of each name in files of labels that is none of
            ``class_names``; null leaves out what has it.
        unlabelled: Whether a picture that nobody finished labelling is left out, or clean; in
            Severstal's CSV and folders of masks no picture is unlabelled.
        expected_size: Height and width, pixels, that every sheet must have; None takes any.
        mask_values: Class of each value in a folder of masks; None for values that are classes.
        mask_threshold: Least value of a defect in soft masks, 1 to 255, of a single class; None
            takes values as they are.
        missing_mask: Whether a picture without a mask file is clean, or set aside.
        limits: What labels may lose before a run ends.
        allow_suspect: Whether to go on where more than half of the masks look wrong.
        compare_parts: Search for pictures that share a quarter, too, as in stitched data sets.
        segmenter_only: A second data folder, whose sheets train segmenters and nothing else; None
            for none. Relative to the project.
        resplit: Divide all sheets anew, instead of keeping the splits of those divided before.
        shares: Share of the sheets that each split gets.
        tile_size: Height and width of a tile, pixels.
        tile_stride: Distance of tiles, down and across, pixels.
    """

    seed: int = Field(ge=0)
    class_names: tuple[str, ...] = Field(min_length=1)
    labels: Literal[
        "auto", "severstal", "masks", "coco", "cvat", "labelme", "label_studio", "supervisely",
        "voc", "yolo",
    ] = "auto"  # fmt: skip
    label_map: dict[str, str | None] = {}
    unlabelled: Literal["leave_out", "clean"] = "leave_out"
    expected_size: tuple[PositiveInt, PositiveInt] | None = None
    mask_values: dict[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = None
    mask_threshold: int | None = Field(default=None, ge=1, le=255)
    missing_mask: Literal["refuse", "clean"] = "refuse"
    limits: TrustLimits = TrustLimits()
    allow_suspect: bool = False
    compare_parts: bool = False
    segmenter_only: str | None = Field(default=None, min_length=1)
    resplit: bool = False
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
        if len(set(self.class_names)) < self.classes:
            raise ValueError("class_names calls two classes alike, and figures could not tell them")
        if unknown := set(filter(None, self.label_map.values())) - set(self.class_names):
            raise ValueError(f"label_map names {min(unknown)}, a class that class_names does not")
        if self.mask_values and max(self.mask_values.values()) > self.classes:
            raise ValueError("mask_values names a class that class_names does not")
        if self.mask_threshold and len(set((self.mask_values or {}).values())) > 1:
            raise ValueError("mask_threshold takes soft masks of one class; mask_values names two")
        return self

    @property
    def classes(self) -> int:
        """Number of defect classes."""
        return len(self.class_names)


class PositionsConfig(Config):
    """How names of sheets tell which coil they were taken from, and where along it.

    Attributes:
        pattern: Regular expression, searched in each sheet id, with groups named ``coil_id``,
            ``position_mm`` (millimetres) or both; None reads nothing from names.
    """

    pattern: str | None = None

    @field_validator("pattern")
    @classmethod
    def _has_the_groups(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = set(re.compile(pattern).groupindex)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        if unknown := groups - {"coil_id", "position_mm"}:
            raise ValueError(f"no group may be named {', '.join(sorted(unknown))}")
        if not groups:
            raise ValueError("it has no group named coil_id or position_mm, as in (?P<coil_id>…)")
        return pattern
