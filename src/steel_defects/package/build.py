"""Describing trained models for a package."""

import hashlib
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.data.appearance import frame_statistics
from steel_defects.decision.fusion import StackedScore
from steel_defects.decision.operating_point import OperatingPoint
from steel_defects.decision.postprocessing import Postprocessing
from steel_defects.models.config import STRIDE
from steel_defects.package.folder import GateSpec, Manifest, SegmenterSpec
from steel_defects.package.manifest import SCORES_BY_CLASS, SHEETS
from steel_defects.prediction.inference import TestTimeAugmentation
from steel_defects.tables.columns import TIME_COLUMNS

_QUANTILES = np.linspace(0, 1, 101)
_LIBRARIES = ("keras", "tensorflow", "numpy", "opencv-python-headless", "steel_defects")


def build_manifest(
    *,
    gate_name: str | None,
    gate_input_size: tuple[int, int] | None,
    operating_point: OperatingPoint | None,
    gate_scores: pd.DataFrame | None,
    segmenter_name: str,
    postprocessing: Postprocessing,
    class_names: Sequence[str],
    mm_per_px: float | None,
    comparison: pd.DataFrame,
    pictures: Iterable[NDArray[np.uint8]],
    fingerprint_of: Sequence[str],
    tta: TestTimeAugmentation = "none",
    stacked: StackedScore | None = None,
    stride: int = STRIDE,
) -> Manifest:
    """Describe a package.

    Args:
        gate_name: Backbone of the gate; None for a package without.
        gate_input_size: Height and width of the gate's input, pixels.
        operating_point: Thresholds, temperature and bias of the gate.
        gate_scores: ``sheet_scores`` of the gate.
        segmenter_name: Architecture of the segmenter.
        postprocessing: Settings of each class.
        class_names: Names of classes 1, 2, ….
        mm_per_px: Length of a pixel on the strip, where it is known.
        comparison: ``segmentation_comparison``, for the metrics.
        pictures: Reference sheets: those that no model was fitted to.
        fingerprint_of: SHA-256 of every sheet of the data set.
        tta: Orientations over which the segmenter's predictions are averaged.
        stacked: What decides about sheets that both networks saw.
        stride: What the sides of the segmenter's input must be multiples of, pixels.
    """
    gate = None
    if gate_name and gate_input_size and operating_point:
        gate = GateSpec(
            name=gate_name,
            file="gate.keras",
            input_size=gate_input_size,
            temperature=operating_point.temperature,
            bias=operating_point.bias,
            lower_threshold=operating_point.lower_threshold,
            upper_threshold=operating_point.upper_threshold,
        )
    return Manifest(
        class_names=tuple(class_names),
        gate=gate,
        segmenter=SegmenterSpec(
            name=segmenter_name,
            file="segmenter.keras",
            postprocessing=postprocessing.classes,
            tta=tta,
            stride=stride,
        ),
        stacked=stacked if gate else None,
        mm_per_px=mm_per_px,
        metrics=_metrics(comparison, segmenter_name, operating_point),
        reference=_reference(pictures, gate_scores),
        versions=_versions(),
        data_fingerprint=hashlib.sha256("".join(sorted(fingerprint_of)).encode()).hexdigest(),
    )


def _metrics(
    comparison: pd.DataFrame, segmenter: str, operating_point: OperatingPoint | None
) -> dict[str, dict[str, Any]]:
    row = comparison[comparison["architecture"] == segmenter].iloc[0]  # on test sheets
    figures = {
        str(key): value
        for key, value in row.drop(list(TIME_COLUMNS), errors="ignore").to_dict().items()
        if value == value  # noqa: PLR0124 (NaN, which JSON lacks, differs from itself)
    }
    if not operating_point:
        return {"segmenter": figures}
    gate = operating_point.model_dump(exclude={"test", "models"})
    test = operating_point.test.model_dump() if operating_point.test else {}
    return {"segmenter": figures, "gate": gate, "gate_test": test}


def _reference(
    pictures: Iterable[NDArray[np.uint8]], gate_scores: pd.DataFrame | None
) -> dict[str, list[float]]:
    """Return percentiles of what reference sheets look like and score, also by their class."""
    frames = pd.DataFrame([frame_statistics(image) for image in pictures])
    values = {name: frames[name] for name in ("brightness", "contrast", "sharpness") if len(frames)}
    if gate_scores is not None:
        unseen = gate_scores["split"].isin(["validation", "calibration"])
        held_out = gate_scores[unseen & gate_scores["repeat"].isna()]
        values["gate_score"] = held_out["score"]
        for name, defective in zip(SCORES_BY_CLASS, (True, False), strict=True):
            values[name] = held_out[held_out["has_defect"] == defective]["score"]
    # Values of sheets, none between: a few sheets are steps, and parts are compared with these.
    quantiles = {
        name: np.quantile(series, _QUANTILES, method="inverted_cdf")
        for name, series in values.items()
        if len(series)
    }
    rounded = {name: [round(float(q), 6) for q in found] for name, found in quantiles.items()}
    return {SHEETS: [float(len(frames))], **rounded}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except ImportError:  # a machine without TensorFlow trains on another backend
            continue
    return found
