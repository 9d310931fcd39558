"""Trained models as nodes see them, with parts from memory instead of a data root."""

from types import SimpleNamespace

from steel_defects.models.trained import ModelSelection, TrainedModel

VERSION = "2026-01-01T00.00.00.000Z"


def stand_in(name: str, quality: float | None = None, made_from=None, **parts: object):
    """A gate or a segmenter with some of its parts."""
    parameters = parts.get("profile", {}).get("parameters", 1)
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
