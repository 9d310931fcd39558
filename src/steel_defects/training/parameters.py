"""Parameters for trainings without Kedro: a run's record, with values changed on top of it."""

import json
import logging
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from steel_defects.errors import SteelDefectsError
from steel_defects.retired import note_on, take_out_retired

logger = logging.getLogger(__name__)

C = TypeVar("C", bound=BaseModel)

Parameters = dict[str, Any]


def read_parameters(path: Path, changes: Sequence[str] = ()) -> Parameters:
    """Read parameters and change some of them.

    Args:
        path: JSON: the ``run.json`` of any run, or the parameters alone.
        changes: Each ``name=value`` with a dotted name, as ``kedro run --params`` takes them, such
            as ``classification.epochs=3``; the value is JSON, or else text.

    Raises:
        SteelDefectsError: The file can't be read, a change names no parameter, or a retired
            parameter has a value that can no longer be had.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SteelDefectsError(f"cannot read parameters from {path}: {reason}") from error
    if isinstance(found, dict) and isinstance(found.get("parameters"), dict):
        found = found["parameters"]
    if not isinstance(found, dict):
        raise SteelDefectsError(f"{path} holds no parameters; give the run.json of a run")
    for change in changes:
        _set(found, change)
    if names := take_out_retired(found):
        logger.warning(note_on(names))
    return found


def _set(parameters: Parameters, change: str) -> None:
    name, equals, text = change.partition("=")
    *groups, last = name.split(".")
    if not equals or not last:
        raise SteelDefectsError(f"{change!r} is no name=value")
    first = name.split(".")[0]
    if first not in parameters:
        near = get_close_matches(first, parameters, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SteelDefectsError(f"there is no parameter {first}{hint}")
    inner = parameters
    for group in groups:
        inner = inner.setdefault(group, {})
        if not isinstance(inner, dict):
            raise SteelDefectsError(f"{group} in {name} is a value, and not a group")
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    # A group is merged with the one that is there, as Kedro does.
    known = inner.get(last)
    inner[last] = known | value if isinstance(known, dict) and isinstance(value, dict) else value


def group(parameters: Mapping[str, Any], name: str, model: type[C]) -> C:
    """Return a group of parameters, by its dotted name, as the model that checks it.

    Raises:
        SteelDefectsError: The group is missing, or a value in it is refused.
    """
    values: Any = parameters
    for part in name.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    if values is None:
        raise SteelDefectsError(f"the parameters have no group {name}")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, (name, *fault['loc'])))}: {fault['msg']}"
            for fault in error.errors()
        )
        raise SteelDefectsError(faults) from error
