"""Describing trained models for a package."""

import hashlib
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.data.appearance import frame_statistics
from steel_defects.decision.fusion import StackedScore
from steel_defects.decision.operating_point import OperatingPoint
from steel_defects.package.manifest import (
    SCORES_BY_CLASS,
    SHEETS,
    GateSpec,
    Manifest,
    SegmenterSpec,
)
from steel_defects.tables.columns import TIME_COLUMNS

_QUANTILES = np.linspace(0, 1, 101)
_LIBRARIES = ("keras", "tensorflow", "numpy", "opencv-python-headless", "steel_defects")


@dataclass(frozen=True)
class GateParts:
    """A gate, as training left it, with its ``sheet_scores``.

    ``input_size`` is height and width, pixels; ``operating_point`` holds thresholds, temperature
    and bias; ``stacked`` decides about sheets that both networks saw.
    """

    name: str
    input_size: tuple[int, int]
    operating_point: OperatingPoint
    scores: pd.DataFrame
    stacked: StackedScore | None = None

    @property
    def spec(self) -> GateSpec:
        """What the package says of it."""
        decides = self.operating_point.model_dump(include=set(GateSpec.model_fields))
        return GateSpec(name=self.name, file="gate.keras", input_size=self.input_size, **decides)


def build_manifest(
    segmenter: SegmenterSpec,
    gate: GateParts | None,
    comparison: pd.DataFrame,
    pictures: Iterable[NDArray[np.uint8]],
    fingerprint_of: Sequence[str],
    class_names: Sequence[str],
    mm_per_px: float | None,
) -> Manifest:
    """Describe a package.

    Args:
        segmenter: The segmenter.
        gate: The gate; None for a package without.
        comparison: ``segmentation_comparison``, for the metrics.
        pictures: Reference sheets: those that no model was fitted to.
        fingerprint_of: SHA-256 of every sheet of the data set.
        class_names: Names of classes 1, 2, ….
        mm_per_px: Length of a pixel on the strip, where it is known.
    """
    return Manifest(
        class_names=tuple(class_names),
        gate=gate and gate.spec,
        segmenter=segmenter,
        stacked=gate and gate.stacked,
        mm_per_px=mm_per_px,
        metrics=_metrics(comparison, segmenter.name, gate),
        reference=reference_quantiles(pictures, gate and gate.scores),
        versions=_versions(),
        data_fingerprint=hashlib.sha256("".join(sorted(fingerprint_of)).encode()).hexdigest(),
    )


def _metrics(
    comparison: pd.DataFrame, segmenter: str, gate: GateParts | None
) -> dict[str, dict[str, Any]]:
    row = comparison[comparison["architecture"] == segmenter].iloc[0]  # on test sheets
    figures = {
        str(key): value
        for key, value in row.drop(list(TIME_COLUMNS), errors="ignore").to_dict().items()
        if value == value  # noqa: PLR0124 (NaN, which JSON lacks, differs from itself)
    }
    if gate is None:
        return {"segmenter": figures}
    point = gate.operating_point.model_dump(exclude={"test", "models"})
    test = gate.operating_point.test.model_dump() if gate.operating_point.test else {}
    return {"segmenter": figures, "gate": point, "gate_test": test}


def reference_quantiles(
    pictures: Iterable[NDArray[np.uint8]], gate_scores: pd.DataFrame | None
) -> dict[str, list[float]]:
    """Return percentiles of what reference sheets look like and score, also by their class.

    Args:
        pictures: Gray pictures of shape ``(height, width)``, uint8.
        gate_scores: ``sheet_scores``, of which those of validation and calibration count; None
            without a gate.
    """
    frames = pd.DataFrame([frame_statistics(image) for image in pictures])
    values = {name: frames[name] for name in ("brightness", "contrast", "sharpness") if len(frames)}
    if gate_scores is not None:
        unseen = gate_scores["split"].isin(["validation", "calibration"])
        held_out = gate_scores[unseen & gate_scores["repeat"].isna()]
        values["gate_score"] = held_out["score"]
        for name, defective in zip(SCORES_BY_CLASS, (True, False), strict=True):
            values[name] = held_out[held_out["has_defect"] == defective]["score"]
    # Values of sheets, none between: a few sheets are steps, and parts are compared with these.
    return {SHEETS: [float(len(frames))]} | {
        name: [round(float(q), 6) for q in np.quantile(series, _QUANTILES, method="inverted_cdf")]
        for name, series in values.items()
        if len(series)
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:  # a machine without TensorFlow trains on another backend
            continue
    return versions
