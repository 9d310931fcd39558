"""Running a package's networks."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from steel_defects.evaluation.calibration import scale_scores
from steel_defects.inspection.package import ModelPackage
from steel_defects.models.inference import probability_map
from steel_defects.sheets.reading import resize


class Runtime(Protocol):
    """What inspection needs of a package's networks."""

    def gate_score(self, image: NDArray[np.uint8]) -> float | None:
        """Return the calibrated probability of a defect; None without a gate."""

    def probabilities(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the map of each class, ``(height, width, classes)``, uint8, 255 for certain."""


class KerasRuntime:
    """Runs the ``.keras`` files of a package."""

    def __init__(self, package: ModelPackage) -> None:
        """Load the networks."""
        from steel_defects.models.files import load_model

        self._gate_spec = package.manifest.gate
        self._gate = load_model(package.path(self._gate_spec.file)) if self._gate_spec else None
        self._segmenter = load_model(package.path(package.manifest.segmenter.file))

    def gate_score(self, image: NDArray[np.uint8]) -> float | None:
        """Return the calibrated probability of a defect; None without a gate."""
        if self._gate is None or self._gate_spec is None:
            return None
        sheet = resize(image, self._gate_spec.input_size).astype(np.float32)
        output = np.asarray(self._gate.predict_on_batch(sheet[None, ..., None]), np.float64)
        return float(scale_scores(output.reshape(1), self._gate_spec.temperature)[0])

    def probabilities(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the map of each class, ``(height, width, classes)``, uint8, 255 for certain."""
        return probability_map(self._segmenter.predict_on_batch, image)
