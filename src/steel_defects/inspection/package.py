"""A model package: a folder with all that using a model takes."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from steel_defects.config import Config
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.postprocessing import ClassPostprocessing
from steel_defects.evaluation.stacking import StackedScore
from steel_defects.models.inference import STRIDE, TestTimeAugmentation

MANIFEST = "package.json"


class GateSpec(Config):
    """The classifier of a package.

    Attributes:
        name: Its backbone.
        file: Its file in the package.
        input_size: Height and width that sheets are resized to, pixels.
        temperature: Divides the logits of its output.
        bias: Is then added to them.
        lower_threshold: Sheets whose calibrated score is below are cleared.
        upper_threshold: From here on a sheet without a region is suspicious in itself.
    """

    name: str
    file: str
    input_size: tuple[int, int]
    temperature: float = Field(gt=0)
    bias: float = 0.0
    lower_threshold: float
    upper_threshold: float


class SegmenterSpec(Config):
    """The segmenter of a package.

    Attributes:
        name: Its architecture.
        file: Its file in the package.
        postprocessing: Settings of classes 1, 2, ….
        tta: Orientations over which predictions are averaged; settings were tuned with it.
        stride: What the sides of its input must be multiples of, pixels.
    """

    name: str
    file: str
    postprocessing: tuple[ClassPostprocessing, ...]
    tta: TestTimeAugmentation = "none"
    stride: int = Field(default=STRIDE, gt=0)


NetworkName = Literal["gate", "segmenter"]
ExportRuntime = Literal["openvino", "onnx", "litert"]
Precision = Literal["fp32", "bf16", "fp16", "int8"]


class ParityResult(Config):
    """How close an export came to the trained network; see ``deployment.parity``.

    Attributes:
        passed: Whether it is within its tolerance.
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
        network: Which network.
        runtime: What runs it.
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
    files: tuple[str, ...] = Field(min_length=1)
    sheet_size: tuple[int, int] | None = None
    parity: ParityResult | None = None
    ms_per_sheet: float | None = Field(default=None, gt=0)

    @property
    def name(self) -> str:
        """Runtime and precision, such as ``openvino_int8``."""
        return f"{self.runtime}_{self.precision}"


class Manifest(Config):
    """What ``package.json`` holds.

    Attributes:
        format: Version of this layout.
        class_names: Names of classes 1, 2, ….
        gate: The classifier; None where every sheet goes to the segmenter.
        segmenter: The segmenter.
        stacked: What decides about sheets that both networks saw; None where the segmenter's
            regions alone do.
        exports: The same networks for other runtimes.
        mm_per_px: Length of a pixel on the strip; None where it is not known.
        metrics: What the models reached on the test split.
        reference: Quantiles of what sheets looked like and scored, for the drift alarm.
        versions: Of the libraries that trained it.
        data_fingerprint: Digest of the sheets it was trained on.
        files: SHA-256 of every other file.
    """

    format: Literal[1] = 1
    class_names: tuple[str, ...]
    gate: GateSpec | None
    segmenter: SegmenterSpec
    stacked: StackedScore | None = None
    exports: tuple[ExportSpec, ...] = ()
    mm_per_px: float | None = Field(default=None, gt=0)
    metrics: dict[str, dict[str, float | int | str | None]] = Field(default_factory=dict)
    reference: dict[str, list[float]] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    data_fingerprint: str = ""
    files: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class ModelPackage:
    """A package on disk whose files were checked."""

    folder: Path
    manifest: Manifest

    @property
    def model_id(self) -> str:
        """Short digest of the trained networks; exports of them do not count."""
        exported = {name for export in self.manifest.exports for name in export.files}
        files = {k: v for k, v in self.manifest.files.items() if k not in exported}
        return _digest(json.dumps(files, sort_keys=True).encode())[:12]

    @property
    def thresholds_id(self) -> str:
        """Short digest of thresholds, calibration and post-processing."""
        gate = self.manifest.gate
        settings = [
            gate.model_dump(mode="json") if gate else None,
            self.manifest.segmenter.model_dump(mode="json"),
        ]
        if self.manifest.stacked:
            settings.append(self.manifest.stacked.model_dump(mode="json"))
        return _digest(json.dumps(settings, sort_keys=True).encode())[:12]

    def settings(self, runtimes: Iterable[str]) -> dict[str, Any]:
        """Return what else decides on results, in the form of JSON.

        Args:
            runtimes: Names of what runs the networks, such as ``openvino_int8``.
        """
        used = set(runtimes)
        exports = [export for export in self.manifest.exports if export.name in used]
        named = self.manifest.model_dump(
            mode="json", include={"class_names", "mm_per_px", "reference"}
        )
        digests = {name: self.manifest.files.get(name) for e in exports for name in e.files}
        return {**named, "exports": digests}

    def path(self, file: str) -> Path:
        """Return a file of the package."""
        return self.folder / file


def write_package(
    folder: Path, manifest: Manifest, writers: Mapping[str, Callable[[Path], None]]
) -> ModelPackage:
    """Write a package beside its place, then put it there whole.

    Args:
        folder: Where the package goes; an earlier one is replaced.
        manifest: All but ``files``, which are added.
        writers: For each file name a function that writes it to a path.
    """
    beside = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for name, write in writers.items():
        write(beside / name)
    files = {name: _digest_of_file(beside / name) for name in sorted(writers)}
    manifest = manifest.model_copy(update={"files": files})
    (beside / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    beside.replace(folder)
    return ModelPackage(folder, manifest)


def read_package(folder: Path) -> ModelPackage:
    """Open a package and compare every file with its checksum.

    Raises:
        SteelDefectsError: There is no package, or it is not what was written.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise SteelDefectsError(
            f"there is no model package at {folder} (no {MANIFEST}); run the pipelines "
            "classification and segmentation first, or give models_dir"
        )
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise SteelDefectsError(f"{path} is not a model package: {_first(error)}") from error
    for name, digest in manifest.files.items():
        if not _inside(folder, name) or not (folder / name).is_file():
            raise SteelDefectsError(f"the model package {folder} lacks its file {name}")
        if _digest_of_file(folder / name) != digest:
            raise SteelDefectsError(f"{folder / name} is damaged: its checksum differs")
    used = [manifest.segmenter.file, *([manifest.gate.file] if manifest.gate else [])]
    used += [name for export in manifest.exports for name in export.files]
    for name in used:
        if name not in manifest.files:
            raise SteelDefectsError(f"{path} names no checksum for {name}")
    return ModelPackage(folder, manifest)


def _inside(folder: Path, name: str) -> bool:
    return (folder / name).resolve().is_relative_to(folder.resolve())


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
