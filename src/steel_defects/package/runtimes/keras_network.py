"""Networks as they were trained, run by Keras."""

from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import numpy as np

from steel_defects.package.folder import ModelPackage
from steel_defects.package.runtimes.network import Network, Outputs, Sheets, in_order


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
