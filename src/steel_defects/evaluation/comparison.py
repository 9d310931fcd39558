"""What the comparisons of gates and of segmenters have in common."""

from collections.abc import Mapping

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
