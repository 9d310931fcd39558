"""Networks run by ONNX Runtime."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from steel_defects.errors import SteelDefectsError
from steel_defects.inspection.runtimes.config import ExecutionConfig
from steel_defects.inspection.runtimes.network import (
    Outputs,
    Sheets,
    in_order,
    stream_in_threads,
)

_ERRORS_ALONE = 3  # severity from which ONNX Runtime logs


class ONNXNetwork:
    """Runs an ONNX model, on the first of the wanted execution providers that is installed."""

    def __init__(self, path: Path, execution: ExecutionConfig) -> None:
        """Load the model."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ALONE
        cores = execution.threads or len(os.sched_getaffinity(0))
        self.parallel = execution.streams or cores
        options.intra_op_num_threads = max(1, cores // self.parallel)
        there = onnxruntime.get_available_providers()
        self.providers = [name for name in execution.providers if name in there]
        if not self.providers:
            raise SteelDefectsError(
                f"ONNX Runtime has none of the providers {', '.join(execution.providers)} here; "
                f"it has {', '.join(there)}"
            )
        try:
            self._session = onnxruntime.InferenceSession(path, options, self.providers)
        except Exception as error:  # it raises classes of its own, derived from Exception alone
            reason = str(error).splitlines()[0]
            raise SteelDefectsError(f"ONNX Runtime cannot run {path}: {reason}") from error
        self._input = self._session.get_inputs()[0].name

    def predict(self, sheets: Sheets) -> Outputs:
        """Run the network; see :class:`Network`."""
        return in_order(self._session.run(None, {self._input: sheets}))

    def stream(self, batches: Iterable[Sheets]) -> Iterator[Outputs]:
        """Run the network on one batch after the other; see :class:`Network`."""
        return stream_in_threads(self, batches)
