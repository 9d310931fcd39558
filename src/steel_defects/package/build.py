"""Describing trained models for a package."""

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.data.appearance import frame_statistics
from steel_defects.decision.operating_point import OperatingPoint
from steel_defects.package.manifest import SCORES_BY_CLASS, SHEETS, GateSpec, LearnedPictures
from steel_defects.tables.columns import TIME_COLUMNS

_QUANTILES = np.linspace(0, 1, 101)
_LIBRARIES = ("keras", "tensorflow", "numpy", "opencv-python-headless", "steel_defects")


def gate_spec(name: str, input_size: tuple[int, int], point: OperatingPoint) -> GateSpec:
    """Describe a gate.

    Args:
        name: Its backbone.
        input_size: Height and width of its input, pixels.
        point: Its thresholds and calibration.
    """
    decides = point.model_dump(include=set(GateSpec.model_fields))
    return GateSpec(name=name, file="gate.keras", input_size=input_size, **decides)


def package_metrics(
    comparison: pd.DataFrame,
    segmenter: str,
    point: OperatingPoint | None,
    joint: OperatingPoint | None = None,
) -> dict[str, dict[str, Any]]:
    """Return what the models reached on the test split, as ``package.json`` holds it.

    Args:
        comparison: ``segmentation_comparison``.
        segmenter: Its architecture.
        point: The operating point of the gate; None without one.
        joint: That of gate and segmenter together; None where the gate alone clears sheets.
    """
    row = comparison[comparison["architecture"] == segmenter].iloc[0]  # on test sheets
    figures = {
        str(key): value
        for key, value in row.drop(list(TIME_COLUMNS), errors="ignore").to_dict().items()
        if value == value  # noqa: PLR0124 (NaN, which JSON lacks, differs from itself)
    }
    if point is None:
        return {"segmenter": figures}
    metrics = {"segmenter": figures}
    for name, one in (("gate", point), *([("cascade", joint)] if joint else [])):
        metrics[name] = one.model_dump(exclude={"test", "models"})
        metrics[f"{name}_test"] = one.test.model_dump() if one.test else {}
    return metrics


def learned_pictures(sheet_inventory: pd.DataFrame) -> LearnedPictures:
    """Sum up the sizes and the bits of the pictures that were learned from, one row for each."""
    height, width = (
        (int(sheet_inventory[side].min()), int(sheet_inventory[side].max()))
        for side in ("height", "width")
    )
    bits = int(sheet_inventory["bits"].max())
    return LearnedPictures.model_validate({"height": height, "width": width, "bits": bits})


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
        for name, defective in zip(SCORES_BY_CLASS, (True, False), strict=True):
            values[name] = held_out[held_out["has_defect"] == defective]["score"]
    # Values of sheets, none between: a few sheets are steps, and parts are compared with these.
    return {SHEETS: [float(len(frames))]} | {
        name: [round(float(q), 6) for q in np.quantile(series, _QUANTILES, method="inverted_cdf")]
        for name, series in values.items()
        if len(series)
    }


def library_versions() -> dict[str, str]:
    """Return the versions of what trains a model."""
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:  # a machine without TensorFlow trains on another backend
            continue
    return versions
