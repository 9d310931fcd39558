"""What the parameters choose: it decides which nodes there are.

Kedro registers pipelines before it reads parameters. So the configuration loader, which every
command with a session makes first, publishes what its parameters choose; the registry reads it.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedro.framework.project import pipelines, settings
from kedro.utils import find_kedro_project
from pydantic import BaseModel, ValidationError

from steel_defects.errors import SteelDefectsError
from steel_defects.models.config import ARCHITECTURES, BACKBONES, Architectures, Backbones, Models

logger = logging.getLogger(__name__)

_REGISTRY = "steel_defects.pipeline_registry"


#: The parameters that :meth:`Selection.of` reads besides nodes.
DECIDING = (
    "architectures", "backbones", "compare", "cross_validation.models",
    "learning_curve.models", "reporting.robustness_sheets",
    "segmenter_cross_validation.architectures",
)  # fmt: skip


@dataclass(frozen=True)
class Selection:
    """What a run trains and measures.

    Attributes:
        backbones: Of the gates to train; none for no gate.
        architectures: Of the segmenters to train.
        cross_validated: Which of both are cross-validated.
        robustness: Whether the models are measured on worse pictures.
        comparison: Whether an earlier version is compared with this run.
        learning_curves: Of which models learning curves are measured, trained otherwise or not.
        segmenter_only: Whether a second folder has sheets for segmenters alone.
    """

    backbones: tuple[str, ...]
    architectures: tuple[str, ...]
    cross_validated: frozenset[str] = frozenset()
    robustness: bool = False
    comparison: bool = False
    learning_curves: tuple[str, ...] = ()
    segmenter_only: bool = False

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "Selection":
        """Read it from the parameters of all pipelines.

        Raises:
            SteelDefectsError: A name is none of those that there are.
        """
        backbones = _names("backbones", Backbones, parameters.get("backbones"))
        architectures = _names("architectures", Architectures, parameters.get("architectures"))
        _need_known("gate", parameters.get("gate"), ("none", *BACKBONES))
        _need_known("segmenter", parameters.get("segmenter"), ARCHITECTURES)
        asked = {
            *_names_in(parameters, "cross_validation.models"),
            *_names_in(parameters, "segmenter_cross_validation.architectures"),
        }
        for name in sorted(asked - {*backbones, *architectures}):
            logger.warning("%s is not cross-validated: it is not to be trained", name)
        return cls(
            backbones,
            architectures,
            frozenset(asked & {*backbones, *architectures}),
            bool(_group(parameters, "reporting").get("robustness_sheets")),
            parameters.get("compare") is not None,
            _names_in(parameters, "learning_curve.models"),
            _group(parameters, "data_engineering").get("segmenter_only") is not None,
        )


#: Whatever can be chosen, for documentation and checks of the catalog.
EVERYTHING = Selection(
    BACKBONES,
    ARCHITECTURES,
    frozenset(BACKBONES + ARCHITECTURES),
    robustness=True,
    comparison=True,
    learning_curves=BACKBONES + ARCHITECTURES,
    segmenter_only=True,
)


def _names(name: str, kind: type[BaseModel], value: Any) -> tuple[str, ...]:
    try:
        return tuple(kind.model_validate(value).root)  # type: ignore[attr-defined]
    except ValidationError as error:
        raise SteelDefectsError(f"{name}: {error.errors()[0]['msg']}") from error


def _names_in(parameters: Mapping[str, Any], path: str) -> tuple[str, ...]:
    group, name = path.split(".")
    return _names(path, Models, _group(parameters, group).get(name))


def _need_known(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in (None, "best", *choices):
        raise SteelDefectsError(f"{name} is {value!r}; it takes best, {', '.join(choices)}")


def _group(parameters: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    group = parameters.get(name)
    return group if isinstance(group, Mapping) else {}


_published: Selection | None = None


def publish(parameters: Mapping[str, Any]) -> None:
    """Let the registry know what the parameters choose; pipelines are made anew if it changed.

    Raises:
        SteelDefectsError: As for :meth:`Selection.of`.
    """
    global _published  # noqa: PLW0603 (Kedro's registry takes no arguments)
    selection = Selection.of(parameters)
    if selection != _published:
        _published = selection
        pipelines.configure(_REGISTRY)


def current_selection() -> Selection:
    """Return what was published last; without a session, what the configuration files choose."""
    if _published is None:
        project = find_kedro_project(Path.cwd()) or Path(__file__).parents[2]
        settings.CONFIG_LOADER_CLASS(
            conf_source=str(Path(project) / settings.CONF_SOURCE),
            env=os.environ.get("KEDRO_ENV"),
            **settings.CONFIG_LOADER_ARGS,
        )
    assert _published is not None  # noqa: S101 (the loader publishes)
    return _published
