"""What ``package.json`` holds, and which of it is refused."""

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt, ValidationError, model_validator

from steel_defects.config import Config, Share
from steel_defects.decision.fusion import StackedScore
from steel_defects.decision.operating_point import Thresholds
from steel_defects.decision.postprocessing import ClassPostprocessing
from steel_defects.decision.recall_table import RecallTable
from steel_defects.decision.verdict import Policy
from steel_defects.errors import shown
from steel_defects.models.config import STRIDE
from steel_defects.prediction.inference import TestTimeAugmentation

MANIFEST = "package.json"
#: What the reference calls the number of its sheets.
SHEETS = "sheets"
#: What the reference calls the scores of defective and of clean sheets.
SCORES_BY_CLASS = ("gate_score_defective", "gate_score_clean")

_LONGEST_NAME = 200  # bytes; file systems take 255
_LARGEST_NUMBER = 2**53  # from here on floating point skips whole numbers


def _plain_name(name: str) -> str:
    plain = name.isprintable() and not set("/\\") & set(name)
    short = 0 < len(name.encode()) <= _LONGEST_NAME
    if not (plain and short) or name.startswith((".", MANIFEST)):
        raise ValueError("this is not a name that a file of a package can have")
    return name


def _rising(quantiles: list[float]) -> list[float]:
    if quantiles != sorted(quantiles):
        raise ValueError("quantiles must not fall")
    return quantiles


FileName = Annotated[str, AfterValidator(_plain_name)]
Quantiles = Annotated[list[float], Field(min_length=1), AfterValidator(_rising)]
Size = tuple[PositiveInt, PositiveInt]


class GateSpec(Config):
    """The classifier of a package.

    Attributes:
        name: Its backbone.
        input_size: Height and width that sheets are resized to, pixels.
        temperature: Divides the logits of its output.
        bias: Is then added to them.
        lower_threshold: Sheets whose calibrated score is below are cleared.
        upper_threshold: From here on a sheet without a region is suspicious in itself.
    """

    name: str
    file: FileName
    input_size: Size
    temperature: float = Field(gt=0)
    bias: float = 0.0
    lower_threshold: Share
    upper_threshold: Share

    @property
    def thresholds(self) -> Thresholds:
        """The lower and the upper one."""
        return Thresholds(self.lower_threshold, self.upper_threshold)

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> "GateSpec":
        if self.lower_threshold > self.upper_threshold:
            raise ValueError("lower_threshold is above upper_threshold")
        return self


class SegmenterSpec(Config):
    """The segmenter of a package.

    Attributes:
        name: Its architecture.
        postprocessing: Settings of classes 1, 2, ….
        tta: Orientations over which predictions are averaged; settings were tuned with it.
        stride: What the sides of its input must be multiples of, pixels.
    """

    name: str
    file: FileName
    postprocessing: tuple[ClassPostprocessing, ...]
    tta: TestTimeAugmentation = "none"
    stride: int = Field(default=STRIDE, gt=0, le=2 * STRIDE)


NetworkName = Literal["gate", "segmenter"]
ExportRuntime = Literal["openvino", "onnx", "litert"]
Precision = Literal["fp32", "bf16", "fp16", "int8"]


class ParityResult(Config):
    """How close an export came to the trained network; see ``deployment.parity``.

    Attributes:
        sheets: Sheets that were compared.
        max_difference: Largest difference of a probability.
        tolerance: What ``max_difference`` may be at most; None where verdicts and Dice count.
        changed_verdicts: Sheets that are judged otherwise with it.
        dice_change: By how much the mean Dice changed with it.
    """

    passed: bool
    sheets: int = Field(ge=0)
    max_difference: float
    tolerance: float | None
    changed_verdicts: int = Field(ge=0)
    dice_change: float


class ExportSpec(Config):
    """A network of a package in the form that another runtime takes.

    Its graph goes from gray sheets, ``(batch, height, width, 1)``, uint8, to the network's own
    output, float32: what comes before is in the graph, calibration and post-processing are not.

    Attributes:
        precision: What it computes in. OpenVINO takes ``bf16`` at run time, from the file of
            ``fp32``.
        files: Its files in the package; the runtime opens the first, which names the others.
        sheet_size: Height and width of the sheets that the graph takes, pixels; None for any.
        parity: How close it is to the trained network; None before that was looked at.
        ms_per_sheet: Median time of a sheet on the machine that exported it, one after the other.
    """

    network: NetworkName
    runtime: ExportRuntime
    precision: Precision
    files: tuple[FileName, ...] = Field(min_length=1)
    sheet_size: Size | None = None
    parity: ParityResult | None = None
    ms_per_sheet: float | None = Field(default=None, gt=0)

    @property
    def name(self) -> str:
        """Runtime and precision, such as ``openvino_int8``."""
        return f"{self.runtime}_{self.precision}"


Range = tuple[PositiveInt, PositiveInt]
BitDepth = Literal[8, 10, 12, 14, 16]


class LearnedPictures(Config):
    """What the pictures were like that the networks learned from.

    Attributes:
        height: Least and greatest, pixels.
        width: Least and greatest, pixels.
        bits: Of a channel that cameras used: 8, or where they stored 16, how many of them.
    """

    height: Range
    width: Range
    bits: BitDepth = 8


class Manifest(Config):
    """What ``package.json`` holds.

    Attributes:
        format: Version of this layout.
        version: Of the run that built it, such as ``2026-11-26T05.52.16.188Z``; empty in those of
            earlier releases.
        class_names: Names of classes 1, 2, ….
        gate: The classifier; None where every sheet goes to the segmenter.
        segmenter: The segmenter.
        stacked: What decides about sheets that both networks saw; None where the segmenter's
            regions alone do.
        recalls: The recalls that can be asked for; None where nobody looked, or nothing is proven.
        networks: Digests of the trained networks by what they compute, not by their files; empty
            in packages of earlier releases.
        exports: The same networks for other runtimes.
        mm_per_px: Length of a pixel on the strip; None where it is not known.
        metrics: What the models reached on the test split.
        learned: What pictures may be like; None in packages of earlier releases, which take any.
        reference: Quantiles of what sheets looked like and scored, for the drift alarm.
        versions: Of the libraries that trained it.
        data_fingerprint: Digest of the sheets it was trained on.
        files: SHA-256 of every other file.
    """

    format: Literal[1] = 1
    version: str = ""
    class_names: tuple[str, ...] = Field(min_length=1)
    gate: GateSpec | None
    segmenter: SegmenterSpec
    stacked: StackedScore | None = None
    recalls: RecallTable | None = None
    networks: dict[NetworkName, str] = Field(default_factory=dict)
    exports: tuple[ExportSpec, ...] = ()
    mm_per_px: float | None = Field(default=None, gt=0)
    metrics: dict[str, dict[str, float | int | str | None]] = Field(default_factory=dict)
    learned: LearnedPictures | None = None
    reference: dict[str, Quantiles] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    data_fingerprint: str = ""
    files: dict[FileName, str] = Field(default_factory=dict)

    @property
    def policy(self) -> Policy:
        """What the package decides by."""
        thresholds = self.gate.thresholds if self.gate else None
        return Policy(thresholds, self.segmenter.postprocessing, self.stacked)

    @model_validator(mode="after")
    def _fits_together(self) -> "Manifest":
        settings, classes = len(self.segmenter.postprocessing), len(self.class_names)
        if settings != classes:
            raise ValueError(
                f"segmenter.postprocessing has {settings} entries for {classes} classes"
            )
        if self.recalls:
            joint = {step.joint_threshold is not None for step in self.recalls.steps}
            if self.gate is None or joint != {self.stacked is not None}:
                raise ValueError("recalls has thresholds of other networks than there are")
        unit = self.gate.input_size if self.gate else (1, 1)
        for export in self.exports:
            size = export.sheet_size if export.network == "gate" else None
            if size and any(side % one for side, one in zip(size, unit, strict=True)):
                raise ValueError(f"sheet_size of {export.name} is no multiple of gate.input_size")
        return self


def parse_manifest(data: bytes) -> Manifest:
    """Read the content of ``package.json``.

    Raises:
        ValueError: It cannot be used; says why in one line.
    """
    try:
        json.loads(
            data, object_pairs_hook=_unique, parse_float=_check_number, parse_int=_check_number,
            parse_constant=_check_number,
        )  # fmt: skip
        return Manifest.model_validate_json(data, strict=True)
    except ValidationError as error:
        problem = error.errors()[0]
        place = shown(".".join(str(part) for part in problem["loc"] if part != "[key]"))
        reason = f"{place}: {problem['msg'].removeprefix('Value error, ')}"
        raise ValueError(reason.removeprefix(": ")) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in values if names.count(name) > 1)
        raise ValueError(f"{shown(twice)} is given twice")
    return values


def _check_number(text: str) -> float:
    if not abs(float(text)) < _LARGEST_NUMBER:  # nor is NaN
        raise ValueError(f"{shown(text, 20)} is not a number below 2^53")
    return float(text)
