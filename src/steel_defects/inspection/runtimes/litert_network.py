"""Networks run by LiteRT, for small devices."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Lock

from steel_defects.errors import SteelDefectsError
from steel_defects.inspection.runtimes.config import ExecutionConfig
from steel_defects.inspection.runtimes.network import (
    Outputs,
    Sheets,
    in_order,
    shape_of,
    stream_in_threads,
)


class LiteRTNetwork:
    """Runs a LiteRT model; one sheet at a time, on all cores."""

    parallel = 1

    def __init__(self, path: Path, execution: ExecutionConfig) -> None:
        """Load the model."""
        from ai_edge_litert.interpreter import Interpreter

        threads = execution.threads or len(os.sched_getaffinity(0))
        try:
            self._interpreter = Interpreter(str(path), num_threads=threads)
        except (ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise SteelDefectsError(f"LiteRT cannot run {path}: {reason}") from error
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._shape: tuple[int, ...] = ()
        self._lock = Lock()

    def predict(self, sheets: Sheets) -> Outputs:
        """Run the network; see :class:`Network`."""
        interpreter = self._interpreter
        with self._lock:
            if sheets.shape != self._shape:
                interpreter.resize_tensor_input(self._input, shape_of(sheets))
                interpreter.allocate_tensors()
                self._shape = sheets.shape
            interpreter.set_tensor(self._input, sheets)
            interpreter.invoke()
            details = interpreter.get_output_details()
            return in_order(interpreter.get_tensor(one["index"]) for one in details)

    def stream(self, batches: Iterable[Sheets]) -> Iterator[Outputs]:
        """Run the network on one batch after the other; see :class:`Network`."""
        return stream_in_threads(self, batches)
