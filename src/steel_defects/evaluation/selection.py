"""Choosing a gate and a segmenter on validation, and how clear the choice is."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from steel_defects.decision.score_tables import ScoredSheets, hold_out, scored_sheets
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.resampling import metrics_by_repeat, paired_differences
from steel_defects.models.trained import CHOSEN_BY, MadeFrom, ModelSelection, TrainedModel

# What the quality of each kind is called.
_MEASURES = {"gate": "ROC-AUC", "segmenter": "mean Dice"}


def select(
    kind: Literal["gate", "segmenter"],
    wanted: str,
    models: Sequence[TrainedModel],
    versions: Mapping[str, str],
    now: MadeFrom,
) -> ModelSelection:
    """Choose a model on validation; between equals the one with fewer parameters.

    Args:
        kind: What is chosen; also the parameter that names it.
        wanted: ``best``, the name of a model, or ``none``. A model of an earlier release, which did
            not note what it was made from, is compared only where it is named.
        models: The newest of each name.
        versions: The version of each of them.
        now: What the models of this run are made from; models of other data are not compared.

    Raises:
        SteelDefectsError: The model was not trained, or from other data, or there is none.
    """
    measure, chosen_by = _MEASURES[kind], CHOSEN_BY[kind]
    reasons = {model.name: _unfit(model, now, wanted) for model in models}
    excluded = {name: reason for name, reason in reasons.items() if reason}
    fitting = {model.name: model for model in models if model.name not in excluded}
    if wanted == "best" and not fitting:
        listed = "; ".join(f"{name}: {reason}" for name, reason in excluded.items())
        raise SteelDefectsError(
            f"no model can be chosen as the best {kind} ({listed}); train one that {chosen_by} "
            "lists"
        )
    if wanted not in {"best", "none", *fitting}:
        raise SteelDefectsError(
            f"{kind} is {wanted}, which cannot be chosen: "
            f"{excluded.get(wanted, 'it was never trained')}; train it: "
            f'--params "{chosen_by}={wanted}"'
        )
    name, reason = _choice(wanted, list(fitting.values()), measure)
    return ModelSelection(
        name=name,
        reason=reason,
        candidates={name: model.quality for name, model in fitting.items()},
        versions={name: versions[name] for name in fitting},
        excluded=excluded,
    )


def _choice(wanted: str, models: list[TrainedModel], measure: str) -> tuple[str | None, str]:
    """Return the name of the chosen model, and why it is."""
    if wanted == "none":
        return None, "none was asked for"
    if wanted != "best":
        return wanted, "named in the parameters"
    best = min(models, key=_rank)
    if best.quality is None:
        return best.name, f"the smallest; validation has too few sheets to measure {measure}"
    return best.name, f"highest {measure} on validation, {best.quality:.4f}"


def _unfit(model: TrainedModel, now: MadeFrom, wanted: str) -> str:
    """Say why a model may not be compared; nothing if it may."""
    if model.made_from is None:
        named = model.name == wanted
        return "" if named else "made by an earlier release, and chosen by name only"
    differences = model.made_from.differences(now)
    return f"made from {' and '.join(differences)}" if differences else ""


def _rank(model: TrainedModel) -> tuple[float, int, str]:
    return (1 if model.quality is None else -model.quality), model.parameters, model.name


def validation_roc_auc(scores: pd.DataFrame, splits: pd.DataFrame) -> float | None:
    """Return the ROC-AUC of ``sheet_scores`` on validation; None without both kinds of sheet."""
    roc_auc = float(metrics_by_repeat(_on_validation(scores, splits))["roc_auc"].mean())
    return None if np.isnan(roc_auc) else roc_auc


def _on_validation(scores: pd.DataFrame, splits: pd.DataFrame) -> ScoredSheets:
    return scored_sheets(hold_out(scores, "validation"), splits)


def with_differences(
    selection: ModelSelection,
    scores: Mapping[str, pd.DataFrame],
    parameters: Mapping[str, int],
    splits: pd.DataFrame,
    wanted: str,
) -> ModelSelection:
    """Add the sheets that the choice of a gate stands on, and how clear it is.

    Args:
        selection: Which gate was chosen.
        scores: ``sheet_scores`` of each that was compared.
        parameters: Their numbers of parameters.
        splits: ``sheet_id, group_id``.
        wanted: What was asked for; only a best one is better than others.

    Returns:
        The selection with how far the chosen one lies above each of the others in ROC-AUC on
        validation, with the interval of a paired bootstrap.
    """
    sheets = {name: _on_validation(table, splits) for name, table in scores.items()}
    counted = max((len(part.labels) for part in sheets.values()), default=0)
    name, reason, differences = selection.name, selection.reason, {}
    if name in sheets:
        differences = {
            other: paired_differences(sheets[name], part, ["roc_auc"])[0].as_dict()
            for other, part in sheets.items()
            if other != name
        }
        if wanted == "best":
            reason += _how_clear(differences, counted, parameters)
    update = {"reason": reason, "sheets": counted, "differences": differences}
    return selection.model_copy(update=update)


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
    within = "within" if low is None or low <= 0 else "more than"
    lead = f"{row['difference']:.4f} above {name}"
    if row["difference"] == 0:
        lead = f"as high as {name}, and it has fewer parameters"
    return (
        f"; {lead}, {within} the uncertainty of {sheets:,} sheets "
        f"(95 % interval of the difference {interval})"
    )
