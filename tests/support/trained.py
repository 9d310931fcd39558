"""Trained models as nodes see them, with parts from memory instead of a data root."""

from types import SimpleNamespace

from steel_defects.models.trained import (
    ClassifierProfile,
    ModelSelection,
    SegmenterProfile,
    TrainedModel,
)

VERSION = "2026-01-01T00.00.00.000Z"


def gate_profile(name: str = "vgg16", parameters: int = 1, **changes: object) -> ClassifierProfile:
    """What a tiny classifier is."""
    return ClassifierProfile(
        backbone=name, weights="none", input_height=32, input_width=64, parameters=parameters,
        parameters_with_top=10, epochs=1, training_seconds=2.0, **changes,
    )  # fmt: skip


def segmenter_profile(parameters: int = 3) -> SegmenterProfile:
    """What a tiny segmenter is."""
    return SegmenterProfile(
        parameters=parameters, learning_rate=0.001, epochs=1, training_seconds=2.0, tta="none",
        ms_per_sheet=1.0,
    )  # fmt: skip


def stand_in(name: str, quality: float | None = None, made_from=None, **parts: object):
    """A gate or a segmenter with some of its parts."""
    parameters = parts["profile"].parameters if "profile" in parts else 1
    record = TrainedModel(name=name, parameters=parameters, quality=quality, made_from=made_from)
    return SimpleNamespace(name=name, version=VERSION, record=record, **parts)


class Models:
    """All trained models, which are either gates or segmenters."""

    def __init__(self, *models: SimpleNamespace) -> None:
        self._models = models

    def newest(self, _: type) -> list[SimpleNamespace]:
        return list(self._models)

    def compared(self, _: type, selection: ModelSelection) -> list[SimpleNamespace]:
        return [model for model in self._models if model.name in selection.candidates]

    @property
    def selection(self) -> ModelSelection:
        """A selection of the first, after comparing all."""
        names = [model.name for model in self._models]
        return ModelSelection(
            name=names[0],
            reason="named in the parameters",
            candidates=dict.fromkeys(names, 0.9),
            versions=dict.fromkeys(names, VERSION),
        )
