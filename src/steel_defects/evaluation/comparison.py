"""What the comparisons of gates and of segmenters have in common."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def select(
    wanted: str, quality: Mapping[str, float], parameters: Mapping[str, int], measure: str
) -> dict[str, Any]:
    """Choose a model on validation.

    Args:
        wanted: ``best``, the name of a model, or ``none``.
        quality: The measure of each model on validation; higher is better.
        parameters: Parameters of each model; between equals the smaller one is chosen.
        measure: What the measure is called.

    Returns:
        ``name`` (None for none), ``reason`` and ``candidates``.
    """
    candidates = {name: float(value) for name, value in quality.items()}
    if wanted == "none":
        return {"name": None, "reason": "none was asked for", "candidates": candidates}
    if wanted != "best":
        return {"name": wanted, "reason": "named in the parameters", "candidates": candidates}
    name = min(candidates, key=lambda n: (-np.nan_to_num(candidates[n], nan=-1), parameters[n], n))
    reason = f"highest {measure} on validation, {candidates[name]:.4f}"
    if np.isnan(candidates[name]):
        reason = f"the smallest; validation has too few sheets to measure {measure}"
    return {"name": name, "reason": reason, "candidates": candidates}
