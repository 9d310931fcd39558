"""Parameters of deployment, and the sheets that they choose; free of Keras."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, PositiveInt

from steel_defects.config import Config
from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.images.reading import UnreadableSheet
from steel_defects.labels.masks import masks_by_sheet
from steel_defects.models.config import split_names
from steel_defects.package.manifest import ExportRuntime, Precision

#: Every runtime with every precision that it has.
CELLS: tuple[tuple[ExportRuntime, Precision], ...] = (
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
    ("onnx", "fp32"),
    ("onnx", "int8"),
    ("litert", "fp32"),
    ("litert", "fp16"),
    ("litert", "int8"),
)


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
        latency_repeats: Sheets that are timed.
    """

    runtimes: Annotated[tuple[ExportRuntime, ...], BeforeValidator(split_names)] = Field(
        min_length=1
    )
    sheets: Literal["splits", "folder"]
    parity_sheets: PositiveInt
    calibration_sheets: PositiveInt
    latency_repeats: PositiveInt


# === Sheets ===


_SEED = 20


@dataclass(frozen=True)
class DeploymentSheets:
    """Sheets by their ids.

    Attributes:
        parity: Those that exports are compared on.
        calibration: Those that 8-bit exports are calibrated on.
        masks: Encoded masks by sheet and class; None where no one has marked the defects.
    """

    folder: SheetFolder
    parity: Sequence[str]
    calibration: Sequence[str]
    masks: dict[str, dict[int, str]] | None

    def read(self, sheet_ids: Sequence[str]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        """Read sheets one by one; those that can't be read are passed over."""
        for sheet_id in sheet_ids:
            try:
                yield sheet_id, self.folder.decode(self.folder.read_file(sheet_id))
            except UnreadableSheet:
                continue

    @property
    def first_size(self) -> tuple[int, int]:
        """Height and width of the first of them that can be read, pixels."""
        for _, image in self.read(self.parity):
            return (image.shape[0], image.shape[1])
        raise SteelDefectsError(f"no picture in {self.folder.picture_folder} can be read")

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width that all of them have, pixels; None where they differ."""
        sizes = {image.shape for _, image in self.read(self.parity)}
        return (*sizes.pop(),) if len(sizes) == 1 else None


def choose_sheets(
    config: DeploymentConfig,
    raw_dir: Path,
    sheets_dir: Path,
    splits: pd.DataFrame,
    annotations: pd.DataFrame,
    bit_depth: int | None = None,
) -> DeploymentSheets:
    """Draw sheets from the splits of the catalog, or from a folder.

    ``bit_depth`` is as in :func:`steel_defects.images.reading.decode_gray`.

    Raises:
        SteelDefectsError: There are none.
    """
    if config.sheets == "folder":
        folder = SheetFolder(sheets_dir, bit_depth=bit_depth)
        ids = folder.sheet_ids
        if not ids:
            raise SteelDefectsError(f"there are no pictures in {folder.picture_folder}")
        parity, calibration = config.parity_sheets, config.calibration_sheets
        return DeploymentSheets(folder, _draw(ids, parity), _draw(ids, calibration), None)
    if splits.empty:
        raise SteelDefectsError(
            "there are no splits to take sheets from; run the pipeline data_engineering first, or "
            "give a folder of sheets with --params deployment.sheets=folder,sheets_dir=PATH"
        )

    def ids_of(*names: str) -> list[str]:
        return splits.loc[splits["split"].isin(names), "sheet_id"].tolist()

    unseen = ids_of("validation", "calibration")
    # Two forms of one network are compared, for which seen sheets are as good; test stays unread.
    compared = _draw(unseen, config.parity_sheets)
    compared += _draw(ids_of("train"), config.parity_sheets - len(compared))
    folder = SheetFolder(raw_dir, bit_depth=bit_depth)
    if not any(folder.path_of(sheet_id).is_file() for sheet_id in compared):
        raise SteelDefectsError(
            f"none of the sheets of the splits is in {folder.picture_folder}; give their folder "
            "with --params raw_dir=PATH"
        )
    calibration_ids = _draw(ids_of("validation") or unseen, config.calibration_sheets)
    return DeploymentSheets(folder, compared, calibration_ids, masks_by_sheet(annotations))


def _draw(ids: Sequence[str], most: int) -> list[str]:
    """Draw sheets at their own mix; they stay in their order."""
    if len(ids) <= most:
        return list(ids)
    drawn = np.random.default_rng(_SEED).choice(len(ids), most, replace=False)
    return [ids[index] for index in sorted(drawn)]
