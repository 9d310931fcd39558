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
from steel_defects.package import manifest
from steel_defects.package.manifest import GateSpec, Manifest, SegmenterSpec
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
        kept = {"temperature", "bias", "lower_threshold", "upper_threshold"}
        values = self.operating_point.model_dump(include=kept)
        return GateSpec(name=self.name, file="gate.keras", input_size=self.input_size, **values)


def build_manifest(
    segmenter: SegmenterSpec,
    gate: GateParts | None,
    comparison: pd.DataFrame,
    pictures: Iterable[NDArray[np.uint8]],
    fingerprint_of: Sequence[str],
    class_names: Sequence[str],
    mm_per_px: float | None,
) -> Manifest:
    """Describe a package, with a gate or without.

    Metrics come from ``segmentation_comparison``, the reference from pictures that no model was
    fitted to, and the fingerprint from the SHA-256 of every sheet of the data set.
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

    Pictures are gray, ``(height, width)``, uint8; of ``sheet_scores``, which is None without a
    gate, those of validation and calibration count.
    """
    frames = pd.DataFrame([frame_statistics(image) for image in pictures])
    values = {name: frames[name] for name in ("brightness", "contrast", "sharpness") if len(frames)}
    if gate_scores is not None:
        unseen = gate_scores["split"].isin(["validation", "calibration"])
        held_out = gate_scores[unseen & gate_scores["repeat"].isna()]
        values["gate_score"] = held_out["score"]
        for name, defective in zip(manifest.SCORES_BY_CLASS, (True, False), strict=True):
            values[name] = held_out[held_out["has_defect"] == defective]["score"]
    # Values of sheets, none between: a few sheets are steps, and parts are compared with these.
    return {manifest.SHEETS: [float(len(frames))]} | {
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
