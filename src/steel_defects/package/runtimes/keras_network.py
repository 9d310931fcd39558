"""Networks as they were trained, run by Keras."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import numpy as np

from steel_defects.package.folder import ModelPackage
from steel_defects.package.runtimes.network import (
    Outputs,
    Shape,
    Sheets,
    in_order,
    stream_in_threads,
)


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


class KerasNetwork:
    """Runs a Keras model; one batch at a time, on all cores."""

    parallel = 1

    def __init__(self, model: Any) -> None:
        """Take the model."""
        self._model = model
        self.inputs: list[Shape] = [tensor.shape for tensor in model.inputs]
        self.outputs: list[Shape] = [tensor.shape for tensor in model.outputs]
        self._lock = Lock()

    def predict(self, sheets: Sheets) -> Outputs:
        """Run the network; see :class:`Network`."""
        with self._lock:
            outputs = self._model.predict_on_batch(sheets.astype(np.float32))
        return in_order(outputs if isinstance(outputs, (list, tuple)) else [outputs])

    def stream(self, batches: Iterable[Sheets]) -> Iterator[Outputs]:
        """Run the network on one batch after the other; see :class:`Network`."""
        return stream_in_threads(self, batches)
