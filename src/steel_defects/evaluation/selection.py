"""Choosing a gate and a segmenter on validation, and how clear the choice is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.decision.score_tables import hold_out, scored_sheets
from steel_defects.evaluation.paired import Difference, paired_differences
from steel_defects.evaluation.resampling import metrics_by_repeat


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


def select_gate(
    wanted: str,
    scores: Mapping[str, pd.DataFrame],
    parameters: Mapping[str, int],
    splits: pd.DataFrame,
) -> dict[str, Any]:
    """Choose a backbone by its ROC-AUC on validation, and say how clear the choice is.

    Args:
        wanted: ``best``, the name of a backbone, or ``none``.
        scores: ``sheet_scores`` of each backbone.
        parameters: Parameters of each backbone; between equals the smaller one is chosen.
        splits: ``sheet_id, group_id``.

    Returns:
        ``name`` (None for none), ``reason``, ``candidates`` (the ROC-AUC of each), ``sheets`` that
        these stand on, and ``differences``: how far the chosen one lies above each of the others,
        with the interval of a paired bootstrap.
    """
    sheets = {
        name: scored_sheets(hold_out(table, "validation"), splits) for name, table in scores.items()
    }
    quality = {
        name: float(metrics_by_repeat(part)["roc_auc"].mean()) for name, part in sheets.items()
    }
    chosen = select(wanted, quality, parameters, "ROC-AUC")
    name = chosen["name"]
    chosen["candidates"] = {
        key: None if np.isnan(value) else value for key, value in quality.items()
    }
    chosen["sheets"] = max((len(part.labels) for part in sheets.values()), default=0)
    differences = {
        other: paired_differences(sheets[name], part, ["roc_auc"])[0]
        for other, part in sheets.items()
        if name in sheets and other != name
    }
    chosen["differences"] = {other: row.as_dict() for other, row in differences.items()}
    rivals = {other: row for other, row in differences.items() if not np.isnan(row.difference)}
    if wanted == "best" and rivals:
        next_best = min(rivals, key=lambda n: (rivals[n].difference, parameters[n], n))
        chosen["reason"] += _how_clear(rivals[next_best], next_best, chosen["sheets"])
    return chosen


def _how_clear(row: Difference, rival: str, sheets: int) -> str:
    unknown = np.isnan(row.low)
    interval = "unknown" if unknown else f"{row.low:+.4f} to {row.high:+.4f}"
    verdict = "within" if unknown or row.low <= 0 else "more than"
    if row.difference == 0:
        lead = f"as high as {rival}, and it has fewer parameters"
    else:
        lead = f"{row.difference:.4f} above {rival}"
    return (
        f"; {lead}, {verdict} the uncertainty of {sheets:,} sheets "
        f"(95 % interval of the difference {interval})"
    )
