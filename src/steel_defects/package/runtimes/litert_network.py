"""Networks run by LiteRT, for small devices."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from steel_defects.errors import SteelDefectsError
from steel_defects.package.runtimes.config import ExecutionConfig
from steel_defects.package.runtimes.network import (
    Outputs,
    Pool,
    Shape,
    Sheets,
    in_order,
    shape_of,
    stream_in_threads,
)
from steel_defects.threads import core_count


class LiteRTNetwork:
    """Runs a LiteRT model; an interpreter answers one call at a time, so that there are several."""

    def __init__(self, path: Path, model: bytes, execution: ExecutionConfig) -> None:
        """Load the model, of which the path is only shown."""
        cores = execution.threads or core_count()
        self.parallel = execution.streams or cores
        threads = max(1, cores // self.parallel)
        self._interpreters = Pool(lambda: _Interpreter(path, model, threads))
        first = self._interpreters.take()  # a broken file is told at once
        self.inputs, self.outputs = first.shapes()
        self._interpreters.give_back(first)

    def predict(self, sheets: Sheets) -> Outputs:
        """Run the network; see :class:`Network`."""
        interpreter = self._interpreters.take()
        try:
            return interpreter.run(sheets)
        finally:
            self._interpreters.give_back(interpreter)

    def stream(self, batches: Iterable[Sheets]) -> Iterator[Outputs]:
        """Run the network on one batch after the other; see :class:`Network`."""
        return stream_in_threads(self, batches)


class _Interpreter:
    """An interpreter, prepared for the shape of its last input."""

    def __init__(self, path: Path, model: bytes, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(model_content=model, num_threads=threads)
        except (ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise SteelDefectsError(f"LiteRT cannot run {path}: {reason}") from error
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._shape: tuple[int, ...] = ()

    def shapes(self) -> tuple[list[Shape], list[Shape]]:
        """Return the shapes of inputs and of outputs."""
        details = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        known = ([one["shape_signature"].tolist() for one in some] for some in details)
        inputs, outputs = (
            [tuple(n if n >= 0 else None for n in s) for s in some] for some in known
        )
        return inputs, outputs

    def run(self, sheets: Sheets) -> Outputs:
        interpreter = self._interpreter
        if sheets.shape != self._shape:
            interpreter.resize_tensor_input(self._input, shape_of(sheets))
            interpreter.allocate_tensors()
            self._shape = sheets.shape
        interpreter.set_tensor(self._input, sheets)
        interpreter.invoke()
        details = interpreter.get_output_details()
        return in_order(interpreter.get_tensor(one["index"]) for one in details)
