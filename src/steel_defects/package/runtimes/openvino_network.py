"""Networks run by OpenVINO."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from steel_defects.errors import SteelDefectsError
from steel_defects.package.folder import Precision
from steel_defects.package.runtimes.config import ExecutionConfig
from steel_defects.package.runtimes.network import (
    Outputs,
    Pool,
    Shape,
    Sheets,
    in_order,
    shape_of,
)
from steel_defects.threads import core_count

#: Shapes of input for which the network is compiled each by itself; others share one that takes
#: any shape, and is slower by a third.
_OWN_SHAPES = 4
# Batches that wait while the results of others are looked at.
_WAITING = 2


class OpenVINONetwork:
    """Runs an OpenVINO model.

    Without its precision hint OpenVINO computes in bfloat16 wherever the processor multiplies in
    it, which is 0.01 off in probability: ``fp32`` and ``int8`` therefore say float32.
    """

    def __init__(
        self,
        path: Path,
        model: bytes,
        weights: bytes,
        precision: Precision,
        execution: ExecutionConfig,
    ) -> None:
        """Read the model, of which the path is only shown; it is compiled for each shape later."""
        import openvino

        self._core, self._path = openvino.Core(), path
        if not model.lstrip().startswith(b"<"):  # other formats may name files to be read, too
            raise SteelDefectsError(f"OpenVINO cannot run {path}: it is no XML")
        with self._errors_in_one_line():
            self._model = self._core.read_model(model, weights)
        self.inputs = [_shape(one) for one in self._model.inputs]
        self.outputs = [_shape(one) for one in self._model.outputs]
        cores = execution.threads or core_count()
        self.parallel = execution.streams or cores
        self._device = execution.device
        self._settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "PERFORMANCE_HINT": "LATENCY" if self.parallel == 1 else "THROUGHPUT",
        }
        if self._device == "CPU":
            self._settings |= {
                "NUM_STREAMS": str(self.parallel),
                "INFERENCE_NUM_THREADS": str(cores),
            }
        self._compiled: dict[tuple[int, ...] | None, Pool[Any]] = {}
        self._lock = Lock()

    def predict(self, sheets: Sheets) -> Outputs:
        """Run the network; see :class:`Network`."""
        requests = self._requests(sheets)
        request = requests.take()
        try:
            request.infer({0: sheets}, share_inputs=True)
            return [one.copy() for one in _outputs(request)]
        finally:
            requests.give_back(request)

    def stream(self, batches: Iterable[Sheets]) -> Iterator[Outputs]:
        """Run the network on one batch after the other; see :class:`Network`."""
        # The batch is kept until its request is done, which reads from it.
        going: deque[tuple[Pool[Any], Any, Sheets]] = deque()
        try:
            for sheets in batches:
                requests = self._requests(sheets)
                request = requests.take()
                going.append((requests, request, sheets))
                request.start_async({0: sheets}, share_inputs=True)
                if len(going) >= self.parallel + _WAITING:
                    yield _finish(going[0][1])
                    _release(going)
            while going:
                yield _finish(going[0][1])
                _release(going)
        finally:
            for requests, request, _ in going:
                request.wait()
                requests.give_back(request)

    def _requests(self, sheets: Sheets) -> Pool[Any]:
        with self._lock:
            shape = tuple(shape_of(sheets))
            own = shape in self._compiled or len(self._compiled) < _OWN_SHAPES
            key = shape if own else None
            if key not in self._compiled:
                self._compiled[key] = self._compile(key)
            return self._compiled[key]

    def _compile(self, shape: tuple[int, ...] | None) -> Pool[Any]:
        with self._errors_in_one_line():
            model = self._model.clone()
            if shape:
                model.reshape(list(shape))
            compiled = self._core.compile_model(model, self._device, self._settings)
            return Pool(compiled.create_infer_request)

    @contextmanager
    def _errors_in_one_line(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            reason = [line for line in str(error).splitlines() if line.strip()][-1]
            raise SteelDefectsError(f"OpenVINO cannot run {self._path}: {reason}") from error


def _shape(value: Any) -> Shape:
    shape = value.partial_shape
    if shape.rank.is_dynamic:
        return ()
    return tuple(None if side.is_dynamic else side.get_length() for side in shape)


def _outputs(request: Any) -> Outputs:
    return in_order(tensor.data for tensor in request.output_tensors)


def _finish(request: Any) -> Outputs:
    request.wait()
    return _outputs(request)


def _release(going: deque[tuple[Pool[Any], Any, Sheets]]) -> None:
    requests, request, _ = going.popleft()
    requests.give_back(request)
