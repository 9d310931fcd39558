"""Choosing a gate and a segmenter on validation, and how clear the choice is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.decision.score_tables import ScoredSheets, hold_out, scored_sheets
from steel_defects.evaluation.paired import paired_differences
from steel_defects.evaluation.resampling import metrics_by_repeat
from steel_defects.models.trained import Candidates, ModelSelection, TrainedModel


def select(
    wanted: str, candidates: Candidates, versions: Mapping[str, str], measure: str
) -> ModelSelection:
    """Choose a model on validation; between equals the one with fewer parameters.

    Args:
        wanted: ``best``, the name of a model, or ``none``.
        candidates: The models that may be compared.
        versions: The version of each of them.
        measure: What their quality is called.
    """
    models = candidates.fitting

    def rank(model: TrainedModel) -> tuple[float, int, str]:
        return (-1 if model.quality is None else model.quality) * -1, model.parameters, model.name

    name: str | None = None if wanted == "none" else wanted
    reason = "none was asked for" if wanted == "none" else "named in the parameters"
    if wanted == "best":
        best = min(models, key=rank)
        name = best.name
        reason = (
            f"the smallest; validation has too few sheets to measure {measure}"
            if best.quality is None
            else f"highest {measure} on validation, {best.quality:.4f}"
        )
    return ModelSelection(
        name=name,
        reason=reason,
        candidates={model.name: model.quality for model in models},
        versions=dict(versions),
        excluded=dict(candidates.excluded),
    )


def validation_roc_auc(scores: pd.DataFrame, splits: pd.DataFrame) -> float | None:
    """Return the ROC-AUC of ``sheet_scores`` on validation; None without both kinds of sheet."""
    return _known(_roc_auc(scored_sheets(hold_out(scores, "validation"), splits)))


def select_gate(
    wanted: str,
    candidates: Candidates,
    scores: Mapping[str, pd.DataFrame],
    versions: Mapping[str, str],
    splits: pd.DataFrame,
) -> ModelSelection:
    """Choose a backbone by its ROC-AUC on validation, and say how clear the choice is.

    Args:
        wanted: ``best``, the name of a backbone, or ``none``.
        candidates: The backbones that may be compared.
        scores: ``sheet_scores`` of each of them.
        versions: The version of each of them.
        splits: ``sheet_id, group_id``.

    Returns:
        The selection, with the sheets that it stands on, and how far the chosen one lies above each
        of the others, with the interval of a paired bootstrap.
    """
    sheets = {
        name: scored_sheets(hold_out(table, "validation"), splits) for name, table in scores.items()
    }
    counted = max((len(part.labels) for part in sheets.values()), default=0)
    chosen = select(wanted, candidates, versions, "ROC-AUC")
    name, reason, differences = chosen.name, chosen.reason, {}
    if name in sheets:
        differences = {
            other: paired_differences(sheets[name], part, ["roc_auc"])[0].as_dict()
            for other, part in sheets.items()
            if other != name
        }
        if wanted == "best":
            parameters = {model.name: model.parameters for model in candidates.fitting}
            reason += _how_clear(differences, counted, parameters)
    return chosen.model_copy(
        update={"reason": reason, "sheets": counted, "differences": differences}
    )


def _roc_auc(sheets: ScoredSheets) -> float:
    values = metrics_by_repeat(sheets).get("roc_auc")
    return float(values.mean()) if values is not None else float("nan")


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _how_clear(
    differences: Mapping[str, Mapping[str, Any]], sheets: int, parameters: Mapping[str, int]
) -> str:
    """Compare the chosen backbone with the next best one."""
    rivals = {name: row for name, row in differences.items() if row["difference"] is not None}
    if not rivals:
        return ""
    name = min(rivals, key=lambda other: (rivals[other]["difference"], parameters[other], other))
    row = rivals[name]
    low, high = row["low"], row["high"]
    interval = f"{low:+.4f} to {high:+.4f}" if low is not None else "unknown"
    within = low is None or low <= 0
    verdict = "within the uncertainty of" if within else "more than the uncertainty of"
    if row["difference"] == 0:
        lead = f"as high as {name}, and it has fewer parameters"
    else:
        lead = f"{row['difference']:.4f} above {name}"
    return f"; {lead}, {verdict} {sheets:,} sheets (95 % interval of the difference {interval})"
