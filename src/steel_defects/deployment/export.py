"""Exporting the networks of a package for every runtime and precision."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from steel_defects.deployment.config import DeploymentConfig
from steel_defects.deployment.graphs import gate_graph, segmenter_graph
from steel_defects.deployment.litert_export import export_litert
from steel_defects.deployment.onnx_export import export_onnx, quantise_onnx
from steel_defects.deployment.openvino_export import (
    export_openvino,
    multiplies_bfloat16,
    quantise_openvino,
)
from steel_defects.deployment.sheets import DeploymentSheets
from steel_defects.package.folder import ModelPackage
from steel_defects.package.manifest import (
    ExportRuntime,
    ExportSpec,
    NetworkName,
    Precision,
    SegmenterSpec,
)
from steel_defects.package.runtimes.choice import is_installed
from steel_defects.package.runtimes.keras_network import load_keras
from steel_defects.prediction.inference import sheet_batch

logger = logging.getLogger(__name__)

Batches = Sequence[NDArray[np.uint8]]

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
_ENDINGS = {"openvino": "xml", "onnx": "onnx", "litert": "tflite"}
#: What an export takes beside the runtime itself.
_TOOLS = {("onnx", "fp32"): "tf2onnx", ("openvino", "int8"): "nncf"}
_SENTENCE = 200


@dataclass(frozen=True)
class Candidate:
    """A cell of the table of exports: a network, a runtime and a precision.

    Attributes:
        network: The network.
        runtime: The runtime.
        precision: The precision.
        spec: What was exported; None where nothing was.
        reason: Why nothing was.
    """

    network: NetworkName
    runtime: ExportRuntime
    precision: Precision
    spec: ExportSpec | None = None
    reason: str = ""


def export_networks(
    package: ModelPackage, sheets: DeploymentSheets, config: DeploymentConfig, folder: Path
) -> Iterator[Candidate]:
    """Export each network of a package, and say of each cell what came of it.

    Args:
        package: The package.
        sheets: Those for calibration, and the size that sheets have.
        config: Which runtimes.
        folder: Where the files go.
    """
    images = [image for _, image in sheets.read(sheets.calibration)]
    shown: dict[NetworkName, Batches] = {
        "gate": [image[None, ..., None] for image in images],
        "segmenter": calibration_batches(images, package.manifest.segmenter),
    }
    gate, size = package.manifest.gate, None
    graphs: dict[NetworkName, Any] = {}
    if gate:
        size = fitting_size(sheets.size, gate.input_size)
        graphs["gate"] = gate_graph(load_keras(package, gate.file), gate.input_size, size)
    segmenter = load_keras(package, package.manifest.segmenter.file)
    graphs["segmenter"] = segmenter_graph(segmenter)
    names: tuple[NetworkName, ...] = ("gate", "segmenter")
    for network in names:
        for runtime, precision in CELLS:
            cell = Candidate(network, runtime, precision)
            if network not in graphs:
                yield _without(cell, "the package has no gate")
            elif runtime not in config.runtimes:
                yield _without(cell, "not among deployment.runtimes")
            else:
                fixed = size if network == "gate" else None
                yield _export(cell, graphs[network], folder, shown[network], fixed)


def calibration_batches(images: Sequence[NDArray[np.uint8]], spec: SegmenterSpec) -> Batches:
    """Return sheets as the segmenter is shown them, ``(1, height, width, 1)`` each.

    One after the other stands in each of the orientations that predictions are averaged over: the
    ranges of activations are then those of inspection, and calibration takes no longer.
    """
    seen = [sheet_batch(image, spec.tta, spec.stride) for image in images]
    return [batch[[number % len(batch)]] for number, batch in enumerate(seen)]


def fitting_size(
    sheets: tuple[int, int] | None, input_size: tuple[int, int]
) -> tuple[int, int] | None:
    """Return the size of sheets that a gate's graph takes: theirs if it is a whole multiple."""
    if sheets is None or any(s % i for s, i in zip(sheets, input_size, strict=True)):
        return None
    return sheets


def _without(cell: Candidate, reason: str) -> Candidate:
    return Candidate(cell.network, cell.runtime, cell.precision, reason=reason)


def _export(
    cell: Candidate, graph: Any, folder: Path, batches: Batches, size: tuple[int, int] | None
) -> Candidate:
    obstacle = _obstacle(cell, batches)
    if obstacle:
        return _without(cell, obstacle)
    logger.info("exporting the %s for %s, %s", cell.network, cell.runtime, cell.precision)
    try:
        files = _write(cell, graph, folder, batches)
    except Exception as error:  # each converter raises whatever its libraries do
        reason = " ".join(str(error).split())[:_SENTENCE] or type(error).__name__
        return _without(cell, f"cannot be exported: {reason}")
    spec = ExportSpec(
        network=cell.network, runtime=cell.runtime, precision=cell.precision, files=files,
        sheet_size=size,
    )  # fmt: skip
    return Candidate(cell.network, cell.runtime, cell.precision, spec)


def _obstacle(cell: Candidate, batches: Batches) -> str:
    """Say what an export lacks; empty where it can be tried."""
    from importlib.util import find_spec

    tool = _TOOLS.get((cell.runtime, cell.precision))
    if not is_installed(cell.runtime):
        return f"the library of {cell.runtime} is not installed"
    if tool and find_spec(tool) is None:
        return f"{tool} is not installed"
    if keras.config.backend() != "tensorflow":
        return f"Keras exports from TensorFlow, not from {keras.config.backend()}"
    if cell.precision == "bf16" and not multiplies_bfloat16():
        return "this processor does not multiply in bfloat16"
    return "there are no sheets to calibrate on" if cell.precision == "int8" and not batches else ""


def _write(cell: Candidate, graph: Any, folder: Path, batches: Batches) -> tuple[str, ...]:
    ending = _ENDINGS[cell.runtime]
    whole = folder / f"{cell.network}.{cell.runtime}_fp32.{ending}"
    path = folder / f"{cell.network}.{cell.runtime}_{cell.precision}.{ending}"
    match cell.runtime, cell.precision:
        case "litert", precision:
            return export_litert(graph, path, precision, batches)
        case "openvino", "fp32":
            return export_openvino(graph, path)
        case "openvino", "bf16":
            if not whole.is_file():  # it is a hint at run time, no file of its own
                raise FileNotFoundError("there is no export in FP32, whose file it is")
            return whole.name, whole.with_suffix(".bin").name
        case "openvino", _:
            # The gate says one number of a sheet, and every sheet waits for it.
            return quantise_openvino(whole, path, batches)
        case _, "fp32":
            return export_onnx(graph, path)
        case _:
            return quantise_onnx(whole, path, batches)
