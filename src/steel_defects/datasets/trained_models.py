"""Trained models in the catalog: by name and version, and read only where they are used."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import pandas as pd

from steel_defects.datasets.folder import LocalDataset, ReadOnlyDataset
from steel_defects.datasets.model_versions import ModelVersions
from steel_defects.datasets.probability_maps import ProbabilityMaps, ProbabilityMapsDataset
from steel_defects.decision.fusion import Stacking
from steel_defects.decision.operating_point import OperatingPoint
from steel_defects.decision.postprocessing import Postprocessing
from steel_defects.errors import SteelDefectsError
from steel_defects.files import replaced
from steel_defects.models.trained import (
    ClassifierProfile,
    ClassifierSpeed,
    ModelReference,
    ModelSelection,
    SegmenterProfile,
    TrainedModel,
)

_PARTS = ("06_models/*", "07_model_output/*")

T = TypeVar("T")


class Part(Generic[T]):
    """A part of a trained model: a dataset under its name, read when it is asked for."""

    def __init__(self, name: str, parse: Callable[[Any], T] = lambda content: content) -> None:
        self._name, self._parse = name, parse

    def __get__(self, model: "Trained", _: type) -> T:
        return self._parse(model.part(self._name))


@dataclass(frozen=True)
class Trained:
    """A trained model of one version; each of its parts is read when it is asked for.

    Attributes:
        name: Backbone of a gate, or architecture of a segmenter.
        version: Such as ``2026-11-26T05.52.16.188Z``.
        versions: Where its parts lie.
    """

    name: str
    version: str
    versions: ModelVersions

    # Its record, its network, and the last part that releases made which wrote no record.
    RECORD: ClassVar[str]
    NETWORK: ClassVar[str]
    LAST: ClassVar[str]

    def part(self, part: str) -> Any:
        """Read a part: a table, what a JSON file holds, or a network.

        Raises:
            SteelDefectsError: There is none, or it can't be read.
        """
        content = self.versions.load(f"{self.name}.{part}", self.version)
        if content is None:
            raise SteelDefectsError(
                f"{self.name}.{part} is missing at version {self.version}; train the model again"
            )
        return content

    @property
    def history(self) -> pd.DataFrame:
        """How it learned."""
        return self.part(f"{self.NETWORK}_history")

    @property
    def record(self) -> TrainedModel:
        """What it was made from, and how good it is; of an earlier release only the latter."""
        if content := self.versions.load(f"{self.name}.{self.RECORD}", self.version):
            return TrainedModel.model_validate(content)
        parameters = self.part(f"{self.NETWORK}_profile")["parameters"]
        return TrainedModel(name=self.name, parameters=parameters, quality=self._quality())

    def _quality(self) -> float | None:
        return None


class TrainedGate(Trained):
    """A trained classifier.

    Attributes:
        classifier: The network.
        profile: What it is and what its training took.
        speed: The network's time for a sheet.
        scores: ``sheet_scores``.
        operating_point: Its thresholds.
    """

    RECORD, NETWORK, LAST = "trained_gate", "classifier", "operating_point"

    classifier = Part[Any]("classifier")
    profile = Part("classifier_profile", ClassifierProfile.model_validate)
    speed = Part("classifier_speed", ClassifierSpeed.model_validate)
    scores = Part[pd.DataFrame]("sheet_scores")
    operating_point = Part("operating_point", OperatingPoint.model_validate)


class TrainedSegmenter(Trained):
    """A trained segmenter.

    Attributes:
        segmenter: The network.
        profile: What it is, what its training took, and its speed.
        predictions: Masks of the sheets that training did not see.
        postprocessing: Its settings of each class.
    """

    RECORD, NETWORK, LAST = "trained_segmenter", "segmenter", "predictions"

    segmenter = Part[Any]("segmenter")
    profile = Part("segmenter_profile", SegmenterProfile.model_validate)
    predictions = Part[pd.DataFrame]("predictions")
    postprocessing = Part("postprocessing", Postprocessing.model_validate)

    @property
    def stacking(self) -> Stacking:
        """What it decides with the gate; nothing without one."""
        content = self.versions.load(f"{self.name}.stacking", self.version)
        return Stacking.model_validate(content or {})

    @property
    def probabilities(self) -> ProbabilityMaps:
        """Maps of validation and calibration sheets; only those of the newest version are kept."""
        folder = self.versions.folder / "07_model_output" / f"{self.name}.probabilities"
        return ProbabilityMapsDataset(filepath=str(folder)).load()

    def _quality(self) -> float | None:
        return self.postprocessing.validation_dice


#: The kinds of trained models, by the parameter that chooses one.
KINDS: dict[str, type[Trained]] = {"gate": TrainedGate, "segmenter": TrainedSegmenter}

Kind = TypeVar("Kind", bound=Trained)


class TrainedModels:
    """All trained models below a data root."""

    def __init__(self, root: Path) -> None:
        self._versions = ModelVersions(root, _PARTS)

    def compared(self, kind: type[Kind], selection: ModelSelection) -> list[Kind]:
        """Return the models that were compared for a selection."""
        versions = selection.versions
        return [kind(name, versions[name], self._versions) for name in selection.candidates]

    def newest(self, kind: type[Kind]) -> list[Kind]:
        """Return the newest version of every model of a kind."""
        newest = []
        for name in self._versions.models_with(kind.NETWORK):
            versions = self._versions.versions_of(f"{name}.{kind.RECORD}")
            if not versions:
                # Earlier releases wrote no record, and placeholders where nothing was trained.
                hidden = self._versions.placeholders(f"{name}.{kind.NETWORK}")
                last = self._versions.versions_of(f"{name}.{kind.LAST}")
                versions = [one for one in last if one not in hidden]
            if versions:
                newest.append(kind(name, max(versions), self._versions))
        return newest


class TrainedModelsDataset(ReadOnlyDataset[TrainedModels]):
    """Finds the trained models of all runs below a data root.

    Kedro loads one version of a dataset per run. Through this dataset a node finds models that an
    earlier run trained.
    """

    def load(self) -> TrainedModels:
        """Return what finds them; nothing is read yet."""
        return TrainedModels(self._filepath)


class ChosenModelDataset(LocalDataset[ModelReference, Trained | None]):
    """Saves which model was chosen, by name and version, and loads that model's parts lazily.

    ``models`` is the data root of the models, ``kind`` either ``gate`` or ``segmenter``.
    """

    def __init__(
        self, *, filepath: str, models: str, kind: str, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._models, self._kind = Path(models), KINDS[kind]

    def load(self) -> Trained | None:
        """Return the chosen model; None where none was chosen."""
        chosen = ModelReference(**json.loads(self._filepath.read_text(encoding="utf-8")))
        if chosen.name is None or chosen.version is None:
            return None
        return self._kind(chosen.name, chosen.version, ModelVersions(self._models, _PARTS))

    def save(self, data: ModelReference) -> None:
        """Write the reference."""
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        with replaced(self._filepath) as temporary:
            temporary.write_text(data.model_dump_json(), encoding="utf-8")
