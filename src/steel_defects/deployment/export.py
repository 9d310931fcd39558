"""Exporting the networks of a package, and putting the exports into a copy of it."""

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.deployment import converters
from steel_defects.deployment.config import CELLS, DeploymentConfig, DeploymentSheets
from steel_defects.deployment.converters import Batches
from steel_defects.deployment.graphs import gate_graph, segmenter_graph
from steel_defects.package.folder import ModelPackage
from steel_defects.package.manifest import (
    ExportRuntime,
    ExportSpec,
    Manifest,
    NetworkName,
    ParityResult,
    Precision,
    SegmenterSpec,
)
from steel_defects.package.networks import load_keras
from steel_defects.package.runtimes import is_installed
from steel_defects.prediction.inference import sheet_batch

logger = logging.getLogger(__name__)

Size = tuple[int, int]
Writers = dict[str, Callable[[Path], None]]

_ENDINGS = {"openvino": "xml", "onnx": "onnx", "litert": "tflite"}
# The package that an export takes besides the runtime itself.
_TOOLS = {("onnx", "fp32"): "tf2onnx", ("openvino", "int8"): "nncf"}
_SENTENCE = 200
_KEYS = ["network", "runtime", "precision"]


@dataclass(frozen=True)
class Candidate:
    """A cell of the table of exports: the export, or the reason why there is none."""

    network: NetworkName
    runtime: ExportRuntime
    precision: Precision
    spec: ExportSpec | None = None
    reason: str = ""


@dataclass(frozen=True)
class _Source:
    """A graph to export, its calibration sheets, and the size of sheets that it takes."""

    graph: Any
    batches: Batches
    size: Size | None = None


def export_networks(
    package: ModelPackage, sheets: DeploymentSheets, config: DeploymentConfig, folder: Path
) -> Iterator[Candidate]:
    """Export each network of a package into a folder, and say of each cell what came of it."""
    images = [image for _, image in sheets.read(sheets.calibration)]
    sources: dict[NetworkName, _Source] = {}
    gate, segmenter = package.manifest.gate, package.manifest.segmenter
    if gate:
        size = fitting_size(sheets.size, gate.input_size)
        graph = gate_graph(load_keras(package, gate.file), gate.input_size, size)
        sources["gate"] = _Source(graph, [image[None, ..., None] for image in images], size)
    graph = segmenter_graph(load_keras(package, segmenter.file))
    sources["segmenter"] = _Source(graph, calibration_batches(images, segmenter))
    for network in get_args(NetworkName):
        for runtime, precision in CELLS:
            cell = Candidate(network, runtime, precision)
            if network not in sources:
                yield replace(cell, reason="the package has no gate")
            elif runtime not in config.runtimes:
                yield replace(cell, reason="not among deployment.runtimes")
            else:
                yield _export(cell, sources[network], folder)


def calibration_batches(images: Sequence[NDArray[np.uint8]], spec: SegmenterSpec) -> Batches:
    """Return sheets as the segmenter is shown them, ``(1, height, width, 1)`` each.

    One after the other stands in each of the orientations that predictions are averaged over: the
    ranges of activations are then those of inspection, and calibration takes no longer.
    """
    batches = [sheet_batch(image, spec.tta, spec.stride) for image in images]
    return [batch[[number % len(batch)]] for number, batch in enumerate(batches)]


def fitting_size(sheets: Size | None, input_size: Size) -> Size | None:
    """Return the size of sheets that a gate's graph takes: theirs if it is a whole multiple."""
    if sheets is None or any(s % i for s, i in zip(sheets, input_size, strict=True)):
        return None
    return sheets


def _export(cell: Candidate, source: _Source, folder: Path) -> Candidate:
    if obstacle := _obstacle(cell, source.batches):
        return replace(cell, reason=obstacle)
    logger.info("exporting the %s for %s, %s", cell.network, cell.runtime, cell.precision)
    try:
        files = _write(cell, source, folder)
    except Exception as error:  # each converter raises whatever its libraries do
        return replace(cell, reason=f"cannot be exported: {one_line(error)}")
    spec = ExportSpec(
        network=cell.network, runtime=cell.runtime, precision=cell.precision, files=files,
        sheet_size=source.size,
    )  # fmt: skip
    return replace(cell, spec=spec)


def one_line(error: Exception) -> str:
    """Return the message of any library as one short line."""
    return " ".join(str(error).split())[:_SENTENCE] or type(error).__name__


def _obstacle(cell: Candidate, batches: Batches) -> str:
    """Say what an export lacks; empty where it can be tried."""
    tool = _TOOLS.get((cell.runtime, cell.precision))
    if not is_installed(cell.runtime):
        return f"the library of {cell.runtime} is not installed"
    if tool and find_spec(tool) is None:
        return f"{tool} is not installed"
    if keras.config.backend() != "tensorflow":
        return f"Keras exports from TensorFlow, not from {keras.config.backend()}"
    if cell.precision == "bf16" and not converters.multiplies_bfloat16():
        return "this processor does not multiply in bfloat16"
    return "there are no sheets to calibrate on" if cell.precision == "int8" and not batches else ""


def _write(cell: Candidate, source: _Source, folder: Path) -> tuple[str, ...]:
    start, ending = folder / f"{cell.network}.{cell.runtime}", _ENDINGS[cell.runtime]
    whole, path = (Path(f"{start}_{one}.{ending}") for one in ("fp32", cell.precision))
    match cell.runtime, cell.precision:
        case "litert", precision:
            return converters.export_litert(source.graph, path, precision, source.batches)
        case "openvino", "fp32":
            return converters.export_openvino(source.graph, path)
        case "openvino", "bf16":
            if not whole.is_file():  # it is a hint at run time, no file of its own
                raise FileNotFoundError("there is no export in FP32, whose file it is")
            return whole.name, whole.with_suffix(".bin").name
        case "openvino", _:
            return converters.quantise_openvino(whole, path, source.batches)
        case "onnx", "fp32":
            return converters.export_onnx(source.graph, path)
        case "onnx", _:
            return converters.quantise_onnx(whole, path, source.batches)
        case runtime, _:
            raise ValueError(f"nothing exports a network for {runtime}")


def with_exports(
    package: ModelPackage, exports: Sequence[ExportSpec], folder: Path
) -> tuple[Manifest, Writers]:
    """Return the manifest of a copy of a package that holds exports, and what writes each file.

    Their files come from ``folder``; exports that the package has already are left out.
    """
    earlier = {name for export in package.manifest.exports for name in export.files}
    trained = [name for name in package.manifest.files if name not in earlier]
    writers: Writers = {name: partial(package.copy, name) for name in trained}
    for export in exports:
        writers |= {name: partial(shutil.copyfile, folder / name) for name in export.files}
    return package.manifest.model_copy(update={"exports": tuple(exports)}), writers


def judged_exports(
    exports: Iterable[ExportSpec], parity: pd.DataFrame, latency: pd.DataFrame
) -> list[ExportSpec]:
    """Return the exports that ``export_parity`` passes, with how close and how fast they are."""
    measured = parity.merge(latency[[*_KEYS, "ms_p50"]], on=_KEYS, how="left").set_index(_KEYS)
    rows = measured.astype(object).where(measured.notna(), None).to_dict("index")
    judged = []
    for export in exports:
        row = rows[export.network, export.runtime, export.precision]
        if row["passed"]:
            parity_result = ParityResult(**{name: row[name] for name in ParityResult.model_fields})
            update = {"parity": parity_result, "ms_per_sheet": row["ms_p50"]}
            judged.append(export.model_copy(update=update))
    return judged
