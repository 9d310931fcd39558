"""Networks run by ONNX Runtime."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from steel_defects.errors import SteelDefectsError
from steel_defects.package.runtimes.config import ExecutionConfig
from steel_defects.package.runtimes.network import (
    Outputs,
    Shape,
    Sheets,
    in_order,
    stream_in_threads,
)
from steel_defects.threads import core_count

_ERRORS_ALONE = 3  # severity from which ONNX Runtime logs
_FOLDER_OF_WEIGHTS = "session.model_external_initializers_file_folder_path"


class ONNXNetwork:
    """Runs an ONNX model, on the first of the wanted execution providers that is installed."""

    def __init__(self, path: Path, model: bytes, execution: ExecutionConfig) -> None:
        """Load the model, of which the path is only shown."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ALONE
        # A model may name files that hold its weights. Those would not be compared with a checksum.
        options.add_session_config_entry(_FOLDER_OF_WEIGHTS, os.devnull)
        cores = execution.threads or core_count()
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
            self._session = onnxruntime.InferenceSession(model, options, self.providers)
        except Exception as error:  # it raises classes of its own, derived from Exception alone
            reason = str(error).splitlines()[0]
            raise SteelDefectsError(f"ONNX Runtime cannot run {path}: {reason}") from error
        self._input = self._session.get_inputs()[0].name
        self.inputs = [_shape(one) for one in self._session.get_inputs()]
        self.outputs = [_shape(one) for one in self._session.get_outputs()]

    def predict(self, sheets: Sheets) -> Outputs:
        """Run the network; see :class:`Network`."""
        return in_order(self._session.run(None, {self._input: sheets}))

    def stream(self, batches: Iterable[Sheets]) -> Iterator[Outputs]:
        """Run the network on one batch after the other; see :class:`Network`."""
        return stream_in_threads(self, batches)


def _shape(value: Any) -> Shape:
    """Return a shape; sides that are open have a name instead of a length."""
    return tuple(side if isinstance(side, int) else None for side in value.shape or ())
