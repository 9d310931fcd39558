"""Running a package's networks."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from steel_defects.evaluation.calibration import scale_scores
from steel_defects.inspection.package import ModelPackage
from steel_defects.models.inference import SheetPrediction, predict_sheet
from steel_defects.sheets.reading import resize


class Runtime(Protocol):
    """What inspection needs of a package's networks."""

    def gate_score(self, image: NDArray[np.uint8]) -> float | None:
        """Return the calibrated probability of a defect; None without a gate."""

    def segment(self, image: NDArray[np.uint8]) -> SheetPrediction:
        """Return the map and the presence of each class."""


class KerasRuntime:
    """Runs the ``.keras`` files of a package."""

    def __init__(self, package: ModelPackage) -> None:
        """Load the networks."""
        from steel_defects.models.files import load_model

        self._gate_spec = package.manifest.gate
        self._gate = load_model(package.path(self._gate_spec.file)) if self._gate_spec else None
        self._segmenter = load_model(package.path(package.manifest.segmenter.file))
        self._tta = package.manifest.segmenter.tta

    def gate_score(self, image: NDArray[np.uint8]) -> float | None:
        """Return the calibrated probability of a defect; None without a gate."""
        if self._gate is None or self._gate_spec is None:
            return None
        sheet = resize(image, self._gate_spec.input_size).astype(np.float32)
        output = np.asarray(self._gate.predict_on_batch(sheet[None, ..., None]), np.float64)
        spec = self._gate_spec
        return float(scale_scores(output.reshape(1), spec.temperature, spec.bias)[0])

    def segment(self, image: NDArray[np.uint8]) -> SheetPrediction:
        """Return the map and the presence of each class, averaged as the package says."""
        return predict_sheet(self._segmenter.predict_on_batch, image, self._tta)
