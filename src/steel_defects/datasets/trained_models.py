"""Trained models in the catalog: by name and version, and read only where they are used."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from steel_defects.datasets.folder import LocalDataset, ReadOnlyDataset
from steel_defects.datasets.keras_model import read_model
from steel_defects.datasets.model_versions import ModelVersions
from steel_defects.datasets.probability_maps import ProbabilityMaps, ProbabilityMapsDataset
from steel_defects.decision.fusion import Stacking
from steel_defects.decision.operating_point import OperatingPoint
from steel_defects.decision.postprocessing import Postprocessing
from steel_defects.errors import SteelDefectsError
from steel_defects.files import replaced
from steel_defects.models.trained import ModelReference, TrainedModel

_PARTS = ("06_models/*", "07_model_output/*")


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

    @property
    def reference(self) -> ModelReference:
        """Its name and version."""
        return ModelReference(name=self.name, version=self.version)

    def part(self, part: str) -> Any:
        """Read a part: a table, or what a JSON file holds.

        Raises:
            SteelDefectsError: There is none, or it can't be read.
        """
        content = self.versions.load(f"{self.name}.{part}", self.version)
        if content is None:
            raise SteelDefectsError(
                f"{self.name}.{part} is missing at version {self.version}; train the model again"
            )
        return content

    def network(self, part: str) -> Any:
        """Read the network, a Keras model."""
        file = self.versions.path_of(f"{self.name}.{part}", self.version)
        if file is None:
            raise SteelDefectsError(f"{self.name}.{part} is missing; train the model again")
        return read_model(file)


class TrainedGate(Trained):
    """A trained classifier."""

    KIND, NETWORK, LAST = "trained_gate", "classifier", "operating_point"

    @property
    def record(self) -> TrainedModel:
        """What it was made from, and how good it is; nothing of that of an earlier release."""
        if content := self.versions.load(f"{self.name}.{self.KIND}", self.version):
            return TrainedModel.model_validate(content)
        return TrainedModel(name=self.name, parameters=self.profile["parameters"], quality=None)

    @property
    def scores(self) -> pd.DataFrame:
        """``sheet_scores``."""
        return self.part("sheet_scores")

    @property
    def operating_point(self) -> OperatingPoint:
        """Its thresholds."""
        return OperatingPoint.model_validate(self.part("operating_point"))

    @property
    def profile(self) -> dict[str, Any]:
        """What it is and what it took."""
        return self.part("classifier_profile") | self.part("classifier_speed")

    @property
    def history(self) -> pd.DataFrame:
        """How it learned."""
        return self.part("classifier_history")

    @property
    def heat_maps(self) -> pd.DataFrame:
        """Grad-CAM maps of the sheets that training did not see."""
        return self.part("heat_maps")

    @property
    def classifier(self) -> Any:
        """The network."""
        return self.network(self.NETWORK)


class TrainedSegmenter(Trained):
    """A trained segmenter."""

    KIND, NETWORK, LAST = "trained_segmenter", "segmenter", "predictions"

    @property
    def record(self) -> TrainedModel:
        """What it was made from, and how good it is; only the latter of an earlier release."""
        if content := self.versions.load(f"{self.name}.{self.KIND}", self.version):
            return TrainedModel.model_validate(content)
        quality = self.postprocessing.validation_dice
        return TrainedModel(name=self.name, parameters=self.profile["parameters"], quality=quality)

    @property
    def predictions(self) -> pd.DataFrame:
        """Masks of the sheets that training did not see."""
        return self.part("predictions")

    @property
    def postprocessing(self) -> Postprocessing:
        """Its settings of each class."""
        return Postprocessing.model_validate(self.part("postprocessing"))

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

    @property
    def profile(self) -> dict[str, Any]:
        """What it is and what it took."""
        return self.part("segmenter_profile")

    @property
    def history(self) -> pd.DataFrame:
        """How it learned."""
        return self.part("segmenter_history")

    @property
    def segmenter(self) -> Any:
        """The network."""
        return self.network(self.NETWORK)


Kind = TypeVar("Kind", TrainedGate, TrainedSegmenter)


class TrainedModels:
    """All trained models below a data root."""

    def __init__(self, root: Path) -> None:
        """Name the data root."""
        self._versions = ModelVersions(root, _PARTS)

    def gate(self, reference: ModelReference) -> TrainedGate | None:
        """Return a gate; None where none was chosen."""
        return self._of(TrainedGate, reference)

    def segmenter(self, reference: ModelReference) -> TrainedSegmenter | None:
        """Return a segmenter; None where none was chosen."""
        return self._of(TrainedSegmenter, reference)

    def gates(self, references: Iterable[ModelReference]) -> list[TrainedGate]:
        """Return several gates."""
        return [gate for one in references if (gate := self.gate(one))]

    def segmenters(self, references: Iterable[ModelReference]) -> list[TrainedSegmenter]:
        """Return several segmenters."""
        return [segmenter for one in references if (segmenter := self.segmenter(one))]

    def newest_gates(self) -> list[TrainedGate]:
        """Return the newest version of every gate."""
        return list(self._newest(TrainedGate))

    def newest_segmenters(self) -> list[TrainedSegmenter]:
        """Return the newest version of every segmenter."""
        return list(self._newest(TrainedSegmenter))

    def _of(self, kind: type[Kind], reference: ModelReference) -> Kind | None:
        if reference.name is None or reference.version is None:
            return None
        return kind(reference.name, reference.version, self._versions)

    def _newest(self, kind: type[Kind]) -> Iterator[Kind]:
        for name in self._versions.models_with(kind.NETWORK):
            versions = self._versions.versions_of(f"{name}.{kind.KIND}")
            if not versions:
                # Earlier releases wrote no record, and placeholders where nothing was trained.
                hidden = self._versions.placeholders(f"{name}.{kind.NETWORK}")
                last = self._versions.versions_of(f"{name}.{kind.LAST}")
                versions = [one for one in last if one not in hidden]
            if versions:
                yield kind(name, max(versions), self._versions)


class TrainedModelsDataset(ReadOnlyDataset[TrainedModels]):
    """Finds the trained models of all runs below a data root.

    Kedro loads one version of a dataset per run. Through this dataset a node finds models that an
    earlier run trained.
    """

    def load(self) -> TrainedModels:
        """Return what finds them; nothing is read yet."""
        return TrainedModels(self._filepath)


class ChosenModelDataset(LocalDataset[ModelReference, Trained | None]):
    """Saves which model was chosen, by name and version, and loads that model's parts lazily."""

    def __init__(
        self, *, filepath: str, models: str, kind: str, metadata: dict[str, Any] | None = None
    ) -> None:
        """Name the file of the reference and the data root of the models.

        Args:
            filepath: A JSON file.
            models: The data root.
            kind: ``gate`` or ``segmenter``.
            metadata: For other tools.
        """
        super().__init__(filepath=filepath, metadata=metadata)
        self._models, self._kind = Path(models), kind

    def load(self) -> Trained | None:
        """Return the chosen model; None where none was chosen."""
        content = json.loads(self._filepath.read_text(encoding="utf-8"))
        models = TrainedModels(self._models)
        find = models.gate if self._kind == "gate" else models.segmenter
        return find(ModelReference.model_validate(content))

    def save(self, data: ModelReference) -> None:
        """Write the reference."""
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        with replaced(self._filepath) as temporary:
            temporary.write_text(data.model_dump_json(), encoding="utf-8")
