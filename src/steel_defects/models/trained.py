"""Trained models: what each was made from, which may be compared, and what belongs to which."""

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from steel_defects.config import Config, Record
from steel_defects.errors import SteelDefectsError

logger = logging.getLogger(__name__)


#: The parameter that lists the models of each kind which a run trains.
CHOSEN_BY = {"gate": "backbones", "segmenter": "architectures"}


class MadeFrom(Record):
    """SHA-256 digests of what a model's figures depend on.

    Attributes:
        sheets: Names and pixels of all sheets.
        annotations: The masks that people drew.
        splits: Which sheet is in which split.
        gate: Scores of the gate that a segmenter works behind; of nothing without a gate.
        parameters: Parameters that change figures without any training.
    """

    sheets: str
    annotations: str
    splits: str
    gate: str
    parameters: str

    def differences(self, other: "MadeFrom") -> list[str]:
        """Say what differs between two models, such as ``other splits``."""
        names = [name for name, digest in self if getattr(other, name) != digest]
        return ["another gate" if name == "gate" else f"other {name}" for name in names]


def made_from(
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    parameters: Mapping[str, Any],
    gate_scores: pd.DataFrame | None = None,
) -> MadeFrom:
    """Take the digests of the columns that count.

    Parameters are values that JSON can hold, or models of pydantic; ``gate_scores`` holds
    ``sheet_id, score, cleared``, None without a gate.
    """
    values = {
        name: value.model_dump(mode="json") if isinstance(value, Config) else value
        for name, value in parameters.items()
    }
    return MadeFrom(
        sheets=_digest(sheets, "sheet_id", "sha256"),
        annotations=_digest(annotations, "sheet_id", "class_id", "rle"),
        splits=_digest(splits, "sheet_id", "split"),
        gate=_digest(gate_scores, "sheet_id", "score", "cleared"),
        parameters=hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest(),
    )


def _digest(table: pd.DataFrame | None, *columns: str) -> str:
    text = "" if table is None else table[list(columns)].sort_values(list(columns)).to_csv()
    return hashlib.sha256(text.encode()).hexdigest()


class ClassifierProfile(Record):
    """What a classifier is, and what its training took; ``models`` names its weights."""

    backbone: str
    weights: str | None
    input_height: int
    input_width: int
    parameters: int
    parameters_with_top: int
    epochs: int
    training_seconds: float
    models: dict[str, str] = Field(default_factory=dict)


class ClassifierSpeed(Record):
    """Milliseconds that a network takes, one sheet at a time: median and 90th percentile."""

    ms_per_sheet_p50: float
    ms_per_sheet_p90: float


class SegmenterProfile(Record):
    """What a segmenter is, what its training took, and its time for a sheet where it trained."""

    parameters: int
    learning_rate: float
    epochs: int
    training_seconds: float
    tta: str
    ms_per_sheet: float


class TrainedModel(Record):
    """The record of a trained model, written when all that belongs to it is made.

    Attributes:
        name: Backbone of a gate, or architecture of a segmenter.
        parameters: Number of its parameters.
        quality: On validation sheets: ROC-AUC of a gate, mean Dice of a segmenter; None where
            there are too few sheets to tell.
        made_from: What its figures depend on; None for a model of an earlier release.
    """

    name: str
    parameters: int
    quality: float | None
    made_from: MadeFrom | None = None


def learned_from(
    models: Iterable[TrainedModel], sheets: pd.DataFrame, splits: pd.DataFrame
) -> bool:
    """Say whether all of some models are known to be made from these sheets in these splits."""
    now = _digest(sheets, "sheet_id", "sha256"), _digest(splits, "sheet_id", "split")
    made = [model.made_from for model in models]
    return all(one is not None and (one.sheets, one.splits) == now for one in made)


class ModelReference(Record):
    """A trained model by name and version; both are None where none was chosen."""

    name: str | None = None
    version: str | None = None


class ModelSelection(Record):
    """Which model was chosen, from which, and why.

    Attributes:
        name: Its name; None where none was chosen.
        reason: Why, in words.
        candidates: Quality on validation of each model that was compared; None where unknown.
        versions: The version of each.
        excluded: Why other trained models were not compared, by name.
        sheets: Validation sheets that the qualities stand on; None where nobody counted.
        differences: How far the chosen model lies above each of the others, with an interval.
    """

    name: str | None
    reason: str
    candidates: dict[str, float | None] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    excluded: dict[str, str] = Field(default_factory=dict)
    sheets: int | None = None
    differences: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @property
    def chosen(self) -> ModelReference:
        """The chosen model by name and version."""
        return ModelReference(name=self.name, version=self.versions.get(self.name or ""))


# === Which weights a record belongs to ===


Stamp = dict[str, dict[str, str]]

#: The node from which on a run makes all that depends on a network's weights.
_FIRST_NODES = {"gate": "score_sheets", "segmenter": "predict_probabilities"}


def stamp_of(**networks: Any) -> Stamp:
    """Name models, ``gate`` or ``segmenter``, by their weights, whatever file these lie in."""
    return {"models": {name: f"{one.name} {_weights_of(one)}" for name, one in networks.items()}}


def _weights_of(model: Any) -> str:
    digest = hashlib.sha256()
    for values in model.get_weights():
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def network_digest(model: Any) -> str:
    """Return a digest of what a model computes with: its weights and its configuration.

    Two trainings that end in equal weights have equal digests, unlike the files that Keras writes
    of them: these hold dates, addresses in memory, and names of layers with a process's counters.
    """
    configuration = json.loads(model.to_json())
    names = {name: f"layer {number}" for number, name in enumerate(_layer_names(configuration))}
    text = json.dumps(_cleaned(configuration, names), sort_keys=True)
    return hashlib.sha256(f"{_weights_of(model)} {text}".encode()).hexdigest()


def _layer_names(value: Any) -> Iterator[str]:
    """Yield names of layers in a configuration, in their order."""
    if isinstance(value, dict):
        if "inbound_nodes" in value:
            yield value["name"]
        value = list(value.values())
    for part in value if isinstance(value, list) else ():
        yield from _layer_names(part)


def _cleaned(value: Any, names: Mapping[str, str]) -> Any:
    """Leave out addresses, and give layers other names."""
    if isinstance(value, dict):
        kept = {key: part for key, part in value.items() if key != "shared_object_id"}
        return {key: _cleaned(part, names) for key, part in kept.items()}
    if isinstance(value, list):
        return [_cleaned(part, names) for part in value]
    return names.get(value, value) if isinstance(value, str) else value


def common_stamp(**records: Any) -> Stamp:
    """Return the models that records belong to, which are stamps or hold one, some in ``attrs``.

    None and empty tables do not count; records of earlier releases have no stamp, which is told.

    Raises:
        SteelDefectsError: Two of them belong to different weights of a network.
    """
    models: dict[str, str] = {}
    source: dict[str, str] = {}
    unknown = []
    for name, record in records.items():
        if record is None or (isinstance(record, pd.DataFrame) and not len(record)):
            continue
        values = record if isinstance(record, dict) else getattr(record, "attrs", {})
        stamp = values.get("models") or getattr(record, "models", {})
        if not stamp:
            unknown.append(name)
        for network, identity in stamp.items():
            if models.setdefault(network, identity) != identity:
                node = f"{models[network].split()[0]}.{_FIRST_NODES[network]}"
                raise SteelDefectsError(
                    f"{name} belongs to other weights of the {network} than {source[network]}, as "
                    f"after a training that was killed; run again with --from-nodes={node}"
                )
            source.setdefault(network, name)
    if unknown:
        logger.warning(
            "%s: written by an earlier release, which did not note the weights that it belongs to; "
            "if a model was trained since, run again from score_sheets (of a gate) or "
            "predict_probabilities (of a segmenter) on",
            ", ".join(unknown),
        )
    return {"models": models} if models else {}
