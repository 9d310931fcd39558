"""Networks as they were trained, run by Keras."""

from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Any

import numpy as np

from steel_defects.inspection.runtimes.network import (
    Outputs,
    Sheets,
    in_order,
    stream_in_threads,
)


class KerasNetwork:
    """Runs a Keras model; one batch at a time, on all cores."""

    parallel = 1

    def __init__(self, model: Any) -> None:
        """Take the model."""
        self._model = model
        self._lock = Lock()

    def predict(self, sheets: Sheets) -> Outputs:
        """Run the network; see :class:`Network`."""
        with self._lock:
            outputs = self._model.predict_on_batch(sheets.astype(np.float32))
        return in_order(outputs if isinstance(outputs, (list, tuple)) else [outputs])

    def stream(self, batches: Iterable[Sheets]) -> Iterator[Outputs]:
        """Run the network on one batch after the other; see :class:`Network`."""
        return stream_in_threads(self, batches)
