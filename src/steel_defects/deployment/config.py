"""Parameters of deployment; free of Keras."""

from typing import Literal

from pydantic import Field, PositiveInt, field_validator

from steel_defects.config import Config
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

    runtimes: tuple[ExportRuntime, ...] = Field(min_length=1)
    sheets: Literal["splits", "folder"]
    parity_sheets: PositiveInt
    calibration_sheets: PositiveInt
    latency_repeats: PositiveInt

    @field_validator("runtimes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Take names with spaces between them, which a command line can say."""
        return tuple(value.split()) if isinstance(value, str) else value
