"""A network, whatever runs it: Keras, OpenVINO, ONNX Runtime or LiteRT, imported when used."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from steel_defects.config import Config
from steel_defects.errors import SteelDefectsError
from steel_defects.package.folder import ModelPackage
from steel_defects.package.manifest import ExportRuntime, ExportSpec, Precision
from steel_defects.threads import core_count

Sheets = NDArray[np.uint8]
Outputs = list[NDArray[np.float32]]
#: Sides of an array, the batch first; None for one that is open, and empty if the rank is.
Shape = tuple[int | None, ...]
T = TypeVar("T")


class ExecutionConfig(Config):
    """What a runtime may use.

    Attributes:
        streams: Sheets that are worked on at a time; 1 gives a single sheet all cores, 0 as many as
            the runtime thinks best for throughput.
        threads: Cores in all; 0 for every one.
        device: OpenVINO's name of the device, such as ``CPU``, ``GPU`` or ``AUTO``.
        providers: ONNX Runtime's execution providers, the preferred one first; those that are not
            installed are passed over.
    """

    streams: int = Field(default=0, ge=0)
    threads: int = Field(default=0, ge=0)
    device: str = "CPU"
    providers: tuple[str, ...] = Field(default=("CPUExecutionProvider",), min_length=1)


class Network(ABC):
    """A network, whatever runs it.

    Attributes:
        parallel: Calls that it answers at a time; more of them wait.
        inputs: Shape of each input.
        outputs: Shape of each output.
    """

    parallel: int
    inputs: list[Shape]
    outputs: list[Shape]

    @abstractmethod
    def predict(self, sheets: Sheets) -> Outputs:
        """Run the network on gray sheets, ``(batch, height, width, 1)``; safe in several threads.

        It returns its outputs, float32, maps before what holds for the sheet as a whole.
        """


class Pool(Generic[T]):
    """Objects that answer one call at a time: made when none is free, and used again."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._free: SimpleQueue[T] = SimpleQueue()

    @contextmanager
    def borrowed(self) -> Iterator[T]:
        """Take one for as long as the block lasts."""
        one = self._make() if self._free.empty() else self._free.get()
        try:
            yield one
        finally:
            self._free.put(one)


def in_order(outputs: Iterable[Any]) -> Outputs:
    """Put maps before what holds for the sheet as a whole; runtimes may have them otherwise."""
    return sorted((np.asarray(one) for one in outputs), key=lambda one: -one.ndim)


class KerasNetwork(Network):
    """Runs a Keras model; one batch at a time, on all cores."""

    parallel = 1

    def __init__(self, model: Any) -> None:
        self.model = model
        self.inputs = [tensor.shape for tensor in model.inputs]
        self.outputs = [tensor.shape for tensor in model.outputs]
        self._lock = Lock()

    def predict(self, sheets: Sheets) -> Outputs:
        """Run the network."""
        with self._lock:
            outputs = self.model.predict_on_batch(sheets.astype(np.float32))
        return in_order(outputs if isinstance(outputs, (list, tuple)) else [outputs])


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
        # Its bindings load NumPy's types at their first use; two threads that come there at once
        # would wait for each other, one for the GIL and one for the other, for ever.
        openvino.Tensor(np.zeros(1, np.float32)).element_type.to_dtype()
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
            streams, threads = str(self.parallel), str(self._cores)
            self._settings |= {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": threads}
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


_EXPORTED: dict[ExportRuntime, type[ExportedNetwork]] = {
    "openvino": OpenVINONetwork,
    "onnx": ONNXNetwork,
    "litert": LiteRTNetwork,
}


# === Loading ===


def load_network(
    package: ModelPackage, file: str, export: ExportSpec | None, execution: ExecutionConfig
) -> Network:
    """Load a network of a package from its ``.keras`` file, or an export of it; see load_keras."""
    if export is None:
        return KerasNetwork(load_keras(package, file))
    files = [package.read(name) for name in export.files]
    path = package.path(export.files[0])
    return _EXPORTED[export.runtime](path, files, export.precision, execution)


def load_keras(package: ModelPackage, file: str) -> Any:
    """Load a ``.keras`` file of a package, from a private copy that was compared with its checksum.

    Raises:
        SteelDefectsError: The file is not what was written, or holds no model that can be used.
    """
    from steel_defects.models.files import load_model

    with TemporaryDirectory(prefix="steel_defects_") as folder:
        copy = Path(folder, "network.keras")
        package.copy(file, copy)
        return load_model(copy, package.path(file))
