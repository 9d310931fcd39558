"""Networks run by OpenVINO, ONNX Runtime and LiteRT, each imported when it is used."""

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from steel_defects.errors import SteelDefectsError
from steel_defects.package.manifest import ExportRuntime, Precision
from steel_defects.package.runtimes.network import (
    ExecutionConfig,
    Network,
    Outputs,
    Pool,
    Shape,
    Sheets,
    in_order,
)
from steel_defects.threads import core_count

# Shapes of input for which OpenVINO compiles a network of their own; the others share one that
# takes any shape, and is slower by a third.
_SEPARATE_SHAPES = 4
_ERRORS_ALONE = 3  # severity from which ONNX Runtime logs
_FOLDER_OF_WEIGHTS = "session.model_external_initializers_file_folder_path"


class ExportedNetwork(Network):
    """An export of a network, loaded from its model file and the files of its weights, if any.

    Attributes:
        path: The model file, for messages.
    """

    def __init__(
        self, path: Path, files: Sequence[bytes], precision: Precision, execution: ExecutionConfig
    ) -> None:
        self.path, self._precision, self._execution = path, precision, execution
        self._cores = execution.threads or core_count()
        self.parallel = execution.streams or self._cores
        self._load(files)

    @abstractmethod
    def _load(self, files: Sequence[bytes]) -> None: ...

    @contextmanager
    def _refusals(self, runtime: str, line: int = 0) -> Iterator[None]:
        """Say in one line what a runtime does not run; each raises exceptions of its own."""
        try:
            yield
        except Exception as error:
            lines = [text for text in str(error).splitlines() if text.strip()] or [""]
            raise SteelDefectsError(f"{runtime} cannot run {self.path}: {lines[line]}") from error


class OpenVINONetwork(ExportedNetwork):
    """Runs an OpenVINO model, compiled for each shape of input when it is first seen.

    Without its precision hint OpenVINO computes in bfloat16 wherever the processor multiplies in
    it, which is 0.01 off in probability: ``fp32`` and ``int8`` therefore say float32.
    """

    def _load(self, files: Sequence[bytes]) -> None:
        import openvino

        self._core, self._device = openvino.Core(), self._execution.device
        if not files[0].lstrip().startswith(b"<"):  # other formats may name files to be read, too
            raise SteelDefectsError(f"OpenVINO cannot run {self.path}: it is no XML")
        with self._refusals("OpenVINO", line=-1):
            self._model = self._core.read_model(files[0], b"".join(files[1:]))
        self.inputs = [_openvino_shape(one) for one in self._model.inputs]
        self.outputs = [_openvino_shape(one) for one in self._model.outputs]
        self._settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if self._precision == "bf16" else "f32",
            "PERFORMANCE_HINT": "LATENCY" if self.parallel == 1 else "THROUGHPUT",
        }
        if self._device == "CPU":
            self._settings |= {
                "NUM_STREAMS": str(self.parallel),
                "INFERENCE_NUM_THREADS": str(self._cores),
            }
        self._compiled: dict[tuple[int, ...] | None, Pool[Any]] = {}
        self._lock = Lock()

    def predict(self, sheets: Sheets) -> Outputs:
        """Run the network."""
        with self._requests(sheets).borrowed() as request:
            request.infer({0: sheets}, share_inputs=True)
            return in_order(tensor.data.copy() for tensor in request.output_tensors)

    def _requests(self, sheets: Sheets) -> Pool[Any]:
        with self._lock:
            separate = sheets.shape in self._compiled or len(self._compiled) < _SEPARATE_SHAPES
            key = sheets.shape if separate else None
            if key not in self._compiled:
                self._compiled[key] = self._compile(key)
            return self._compiled[key]

    def _compile(self, shape: tuple[int, ...] | None) -> Pool[Any]:
        with self._refusals("OpenVINO", line=-1):
            model = self._model.clone()
            if shape:
                model.reshape([int(side) for side in shape])
            compiled = self._core.compile_model(model, self._device, self._settings)
            return Pool(compiled.create_infer_request)


def _openvino_shape(value: Any) -> Shape:
    shape = value.partial_shape
    if shape.rank.is_dynamic:
        return ()
    return tuple(None if side.is_dynamic else side.get_length() for side in shape)


class ONNXNetwork(ExportedNetwork):
    """Runs an ONNX model, on the first of the wanted execution providers that is installed."""

    def _load(self, files: Sequence[bytes]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ALONE
        # A model may name files that hold its weights. Those would not be compared with a checksum.
        options.add_session_config_entry(_FOLDER_OF_WEIGHTS, os.devnull)
        options.intra_op_num_threads = max(1, self._cores // self.parallel)
        there = onnxruntime.get_available_providers()
        self.providers = [name for name in self._execution.providers if name in there]
        if not self.providers:
            raise SteelDefectsError(
                f"ONNX Runtime has none of the providers {', '.join(self._execution.providers)} "
                f"here; it has {', '.join(there)}"
            )
        with self._refusals("ONNX Runtime"):
            self._session = onnxruntime.InferenceSession(files[0], options, self.providers)
        self._input = self._session.get_inputs()[0].name
        self.inputs = [_onnx_shape(one) for one in self._session.get_inputs()]
        self.outputs = [_onnx_shape(one) for one in self._session.get_outputs()]

    def predict(self, sheets: Sheets) -> Outputs:
        """Run the network."""
        return in_order(self._session.run(None, {self._input: sheets}))


def _onnx_shape(value: Any) -> Shape:
    """Return a shape; sides that are open have a name instead of a length."""
    return tuple(side if isinstance(side, int) else None for side in value.shape or ())


@dataclass
class _Interpreter:
    """An interpreter, prepared for the shape of its last input."""

    interpreter: Any
    shape: tuple[int, ...] = ()


class LiteRTNetwork(ExportedNetwork):
    """Runs a LiteRT model; an interpreter answers one call at a time, so that there are several."""

    def _load(self, files: Sequence[bytes]) -> None:
        from ai_edge_litert.interpreter import Interpreter

        threads = max(1, self._cores // self.parallel)

        def make() -> _Interpreter:
            with self._refusals("LiteRT"):
                return _Interpreter(Interpreter(model_content=files[0], num_threads=threads))

        self._interpreters = Pool(make)
        with self._interpreters.borrowed() as first:  # a broken file is told at once
            self.inputs = [_litert_shape(one) for one in first.interpreter.get_input_details()]
            self.outputs = [_litert_shape(one) for one in first.interpreter.get_output_details()]

    def predict(self, sheets: Sheets) -> Outputs:
        """Run the network."""
        with self._interpreters.borrowed() as prepared:
            interpreter = prepared.interpreter
            place = interpreter.get_input_details()[0]["index"]
            if prepared.shape != sheets.shape:
                interpreter.resize_tensor_input(place, [int(side) for side in sheets.shape])
                interpreter.allocate_tensors()
                prepared.shape = sheets.shape
            interpreter.set_tensor(place, sheets)
            interpreter.invoke()
            details = interpreter.get_output_details()
            return in_order(interpreter.get_tensor(one["index"]) for one in details)


def _litert_shape(details: Any) -> Shape:
    return tuple(side if side >= 0 else None for side in details["shape_signature"].tolist())


#: What runs the exports for each runtime.
NETWORKS: dict[ExportRuntime, Callable[..., Network]] = {
    "openvino": OpenVINONetwork,
    "onnx": ONNXNetwork,
    "litert": LiteRTNetwork,
}
