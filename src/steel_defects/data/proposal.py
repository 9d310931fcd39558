"""Which parameters a new data set needs, and why.

What is proposed is what the released models were found to need at such sizes and numbers
(docs/results.md), not the best that there is: it trains, and is a place to begin.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import yaml

from steel_defects.config import Config

Size = tuple[int, int]
Parameters = TypeVar("Parameters", bound=Config)

_FEW_SHEETS = 1000  # under which folds tell more than one split
_FEWEST_CLEAN = 8  # that a gate can be trained, tuned and tested with
_LARGEST_INPUT = 256 * 1600  # pixels that a gate sees at once
_LARGEST_WITHOUT_GPU = 128 * 800
_SMALL_UNET = (12, 24, 48, 96)
_TILE = 256  # pixels, the side of a tile
_LEAST_OVERLAP = 0.125  # of a tile with the next
_STEP = 32  # pixels; what networks halve five times


@dataclass(frozen=True)
class DataFacts:
    """What a new data set is like.

    Attributes:
        sizes: Number of pictures of each height and width, pixels.
        class_names: As the labels have them.
        clean: Number of sheets without a defect.
        defective: Number of sheets with one.
        unlabelled: Number of pictures that nobody finished.
        set_aside: Number of pictures that can't be used, or whose labels can't be trusted.
        mask_values: Class of each value of masks, where values are not the classes.
        mask_threshold: Least value of a defect, where masks are soft.
        without_mask: Number of pictures without a file in a folder of masks.
        accelerator: Whether the machine has a GPU or its like to train on.
    """

    sizes: Mapping[Size, int]
    class_names: Sequence[str]
    clean: int
    defective: int
    unlabelled: int = 0
    set_aside: int = 0
    mask_values: Mapping[int, int] | None = None
    mask_threshold: int | None = None
    without_mask: int = 0
    accelerator: bool = True

    @property
    def sheets(self) -> int:
        """Number of sheets that can be learned from."""
        return self.clean + self.defective

    @property
    def smallest(self) -> Size:
        """Least height and least width, pixels."""
        return min(height for height, _ in self.sizes), min(width for _, width in self.sizes)

    @property
    def usual(self) -> Size:
        """The size that most pictures have."""
        return max(self.sizes, key=lambda size: self.sizes[size])


@dataclass(frozen=True)
class Setting:
    """A parameter, such as ``data_engineering.tile_size``, its value, and why."""

    name: str
    value: Any
    reason: str


@dataclass(frozen=True)
class Proposal:
    """Parameters for a data set, and what stands above them in the file."""

    settings: Sequence[Setting]
    heading: Sequence[str] = field(default=())

    def value(self, name: str, otherwise: Any = None) -> Any:
        """Return the value of a parameter; ``otherwise`` where none is proposed."""
        return next((one.value for one in self.settings if one.name == name), otherwise)

    def over(self, group: str, config: Parameters) -> Parameters:
        """Return a group of parameters with what is proposed for it."""
        proposed = {
            one.name.removeprefix(f"{group}."): one.value
            for one in self.settings
            if one.name.rpartition(".")[0] == group
        }
        return type(config).model_validate(config.model_dump() | proposed)

    def as_yaml(self) -> str:
        """Write a file of parameters, the reason beside each."""
        lines = [f"# {line}" for line in self.heading]
        group = ""
        for setting in self.settings:
            above, _, name = setting.name.rpartition(".")
            lines += _headings(above, group)
            group = above
            value = yaml.safe_dump(setting.value, default_flow_style=True, allow_unicode=True,
                                   sort_keys=False, width=math.inf)  # fmt: skip
            value = value.removesuffix("...\n").strip()
            indent = "  " * len(above.split(".")) if above else ""
            lines += [f"{indent}# {setting.reason}", f"{indent}{name}: {value}"]
        return "\n".join(lines) + "\n"


def _headings(above: str, group: str) -> Iterator[str]:
    """Yield the keys of groups that begin here; groups of one file differ in the first."""
    if above and above != group:
        yield from (f"{'  ' * depth}{key}:" for depth, key in enumerate(above.split(".")))


def propose(facts: DataFacts) -> list[Setting]:
    """Return the parameters that a data set must set, those of a group together."""
    return [
        *_of_data(facts),
        *_of_tiles(facts),
        *_of_gate(facts),
        *_of_segmenter(facts),
    ]


def _of_data(facts: DataFacts) -> Iterator[Setting]:
    group = "data_engineering"
    reason = "as the labels have them; give numbers the names that your mill uses"
    yield Setting(f"{group}.class_names", list(facts.class_names), reason)
    if len(facts.sizes) == 1:
        reason = "all pictures have it; others will be set aside"
        yield Setting(f"{group}.expected_size", list(facts.usual), reason)
    else:
        yield Setting(f"{group}.expected_size", None, f"{len(facts.sizes):,} sizes occur")
    if facts.mask_values:
        values = ", ".join(map(str, facts.mask_values))
        yield Setting(f"{group}.mask_values", dict(facts.mask_values), f"masks hold 0, {values}")
    if facts.mask_threshold:
        reason = "masks hold more values than there are classes, as soft masks do"
        yield Setting(f"{group}.mask_threshold", facts.mask_threshold, reason)
    if facts.without_mask:
        reason = f"{facts.without_mask:,} pictures have no mask; clean, if that says that they are"
        yield Setting(f"{group}.missing_mask", "refuse", reason)
    if facts.unlabelled:
        reason = f"nobody finished {facts.unlabelled:,} pictures; clean, if they are"
        yield Setting(f"{group}.unlabelled", "leave_out", reason)
    yield Setting(f"{group}.shares", *_shares(facts))


def _shares(facts: DataFacts) -> tuple[dict[str, float], str]:
    if not has_gate(facts):
        shares = {"train": 0.8, "validation": 0.1, "calibration": 0.0, "test": 0.1}
        return shares, "without a gate there are no thresholds to calibrate"
    if facts.sheets < _FEW_SHEETS:
        shares = {"train": 0.6, "validation": 0.14, "calibration": 0.1, "test": 0.16}
        return shares, f"{facts.sheets:,} sheets: a larger test split, or its figures say little"
    shares = {"train": 0.7, "validation": 0.1, "calibration": 0.1, "test": 0.1}
    return shares, f"{facts.sheets:,} sheets are enough for a tenth each"


def _of_tiles(facts: DataFacts) -> Iterator[Setting]:
    height, width = (min(_TILE, side) for side in facts.smallest)
    reason = f"fits the smallest picture, {facts.smallest[1]}×{facts.smallest[0]}"
    yield Setting("data_engineering.tile_size", [height, width], reason)
    stride = [_stride(*sides) for sides in zip(facts.usual, (height, width), strict=True)]
    reason = "tiles cover a sheet, with some overlap where one is not enough"
    yield Setting("data_engineering.tile_stride", stride, reason)


def _stride(side: int, tile: int) -> int:
    """Return the distance of the fewest tiles that cover a side and overlap enough."""
    if side <= tile:
        return tile
    gaps = math.ceil((side - tile) / (tile * (1 - _LEAST_OVERLAP)))
    return math.ceil((side - tile) / gaps)


def has_gate(facts: DataFacts) -> bool:
    """Say whether there are enough clean sheets for a gate that clears them."""
    return facts.clean >= _FEWEST_CLEAN


def _of_gate(facts: DataFacts) -> Iterator[Setting]:
    if not has_gate(facts):
        reason = f"{facts.clean:,} clean sheets: there is next to nothing for a gate to clear"
        yield Setting("backbones", [], reason)
        return
    reason = "the fastest first; resnet50, vgg16, efficientnet_b0 can be compared with it"
    yield Setting("backbones", ["mobilenet_v2"], reason)
    yield Setting("classification.input_size", *_input_size(facts))
    if not facts.accelerator:
        yield Setting("classification.epochs", 16, "no GPU here: fewer than the 40 of conf/base")
    if facts.sheets < _FEW_SHEETS:
        reason = f"scores of all {facts.sheets:,} sheets, each from a fold that did not see it"
        yield Setting("cross_validation.repeats", 1, reason)
        yield Setting("cross_validation.models", ["mobilenet_v2"], "the same")


def _input_size(facts: DataFacts) -> tuple[list[int], str]:
    size, largest = facts.usual, _LARGEST_INPUT if facts.accelerator else _LARGEST_WITHOUT_GPU
    shrink = max(1.0, math.sqrt(size[0] * size[1] / largest))
    sides = [max(_STEP, round(side / shrink / _STEP) * _STEP) for side in size]
    if shrink == 1:
        return sides, "the sheet as it is: small defects are lost first when it shrinks"
    return sides, f"the sheet, {shrink:.1f} times smaller, to be read in reasonable time"


def _of_segmenter(facts: DataFacts) -> Iterator[Setting]:
    yield Setting("architectures", ["unet"], "the reference; fpn and deeplab_v3_plus rival it")
    height, width = facts.smallest
    tile = min(_TILE, height) * min(_TILE, width)
    tiles = math.ceil(facts.sheets * facts.usual[0] * facts.usual[1] / tile)
    steps = min(800, max(24, math.ceil(0.7 * tiles / 16)))
    reason = "batches of 16 show about as many tiles as there are to train on"
    yield Setting("segmentation.steps_per_epoch", steps, reason)
    if not facts.accelerator:
        yield Setting("segmentation.epochs", 20, "no GPU here: fewer than the 60 of conf/base")
    if facts.sheets < _FEW_SHEETS:
        reason = "few sheets: defects are pasted onto others"
        yield Setting("segmentation.copy_paste_share", 0.35, reason)
        yield Setting("segmenter_prediction.map_shrink", 1, "few sheets take little disk")
    if not facts.accelerator:
        reason = "no GPU here: a small network, to see results; the full one outlines better"
        yield Setting("unet.network.filters", list(_SMALL_UNET), reason)
