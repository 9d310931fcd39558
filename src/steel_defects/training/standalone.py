"""Parameters, tables and results of trainings without Kedro, laid out as its catalog has them."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from pydantic import BaseModel, ValidationError

from steel_defects.errors import SteelDefectsError
from steel_defects.files import replaced
from steel_defects.images.folder import SheetFolder
from steel_defects.retired import note_on, take_out_retired
from steel_defects.training.jobs import Fitted, Json, TrainingData

logger = logging.getLogger(__name__)

C = TypeVar("C", bound=BaseModel)

RUN_RECORD = Path("08_reporting", "run.json")
_LAYERS = {
    "sheets": "03_primary",
    "annotations": "03_primary",
    "splits": "03_primary",
    "tiles": "05_model_input",
    "gate_scores": "07_model_output",
}


# === Parameters ===


def read_parameters(path: Path, changes: Sequence[str] = ()) -> Json:
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
        parameters = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SteelDefectsError(f"cannot read parameters from {path}: {reason}") from error
    if isinstance(parameters, dict) and isinstance(parameters.get("parameters"), dict):
        parameters = parameters["parameters"]
    if not isinstance(parameters, dict):
        raise SteelDefectsError(f"{path} holds no parameters; give the run.json of a run")
    for change in changes:
        _set(parameters, change)
    if names := take_out_retired(parameters):
        logger.warning(note_on(names))
    return parameters


def _set(parameters: Json, change: str) -> None:
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
    earlier = inner.get(last)
    both_groups = isinstance(earlier, dict) and isinstance(value, dict)
    inner[last] = earlier | value if both_groups else value


def group(parameters: Json, name: str, model: type[C]) -> C:
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
        faults = (
            f"{'.'.join(map(str, (name, *fault['loc'])))}: {fault['msg']}"
            for fault in error.errors()
        )
        raise SteelDefectsError("; ".join(faults)) from error


# === Tables ===


def read_data(tables: Path, raw_dir: Path, checkpoints: Path) -> TrainingData:
    """Read the tables of data engineering.

    Args:
        tables: Data folder of an environment, such as ``data/cpu``, or a folder that holds
            ``sheets.parquet``, ``annotations.parquet``, ``splits.parquet`` and ``tiles.parquet``.
        raw_dir: Data folder of the pictures.
        checkpoints: Folder of unfinished trainings.

    Raises:
        SteelDefectsError: A table can't be read or there are no pictures.
    """
    folder = SheetFolder(raw_dir)
    if not len(folder):
        raise SteelDefectsError(f"there are no pictures in {folder.picture_folder}")
    frames = {name: read_table(tables, name) for name in _LAYERS if name != "gate_scores"}
    missing = [name for name, table in frames.items() if table is None]
    if missing:
        raise SteelDefectsError(
            f"there is no {missing[0]}.parquet in {tables}; run the pipeline data_engineering first"
        )
    return TrainingData(folder, checkpoints=checkpoints, **frames)


def read_table(folder: Path, name: str) -> pd.DataFrame | None:
    """Read a table from its layer of a data folder, or from the folder itself; None without one.

    Raises:
        SteelDefectsError: The file can't be read.
    """
    for path in (folder / _LAYERS[name] / f"{name}.parquet", folder / f"{name}.parquet"):
        if path.is_file():
            try:
                return pd.read_parquet(path)
            except (OSError, ValueError) as error:
                raise SteelDefectsError(f"cannot read {path}: {error}") from error
    return None


# === Results ===


class CatalogFolder:
    """Writes results of one command where ``kedro run`` finds them, under one version."""

    def __init__(self, root: Path) -> None:
        """Name the data folder of an environment, such as ``data/cpu``, or a copy of it.

        Raises:
            SteelDefectsError: It holds versions that are later than this one.
        """
        self.root = root
        now = datetime.now(UTC)
        self.version = f"{now:%Y-%m-%dT%H.%M.%S}.{now.microsecond // 1000:03d}Z"
        files = root.glob("0*/*/*/*")
        newest = max((p.parent.name for p in files if p.name == p.parents[1].name), default="")
        if newest > self.version:
            raise SteelDefectsError(
                f"{root} holds version {newest}, which is later than this run ({self.version}): "
                "a clock is wrong; set it right, or delete that version"
            )

    def save_fitted(self, name: str, fitted: Fitted, profile: Json) -> None:
        """Write a model, such as ``unet.segmenter``, its history and its profile."""
        from steel_defects.models.files import save_model

        self._save("06_models", f"{name}.keras", lambda path: save_model(fitted.model, path))
        self.save_table("06_models", f"{name}_history", fitted.history)
        self.save_json("06_models", f"{name}_profile", profile)

    def save_json(self, layer: str, name: str, content: Json) -> None:
        """Write a small record to a layer of the catalog."""
        text = json.dumps(content, indent=2) + "\n"
        self._save(layer, f"{name}.json", lambda path: path.write_text(text, "utf-8"))

    def save_table(self, layer: str, name: str, table: pd.DataFrame) -> None:
        """Write a table to a layer of the catalog, such as ``07_model_output``."""
        self._save(layer, f"{name}.parquet", lambda path: table.to_parquet(path, index=False))

    def _save(self, layer: str, file: str, write: Callable[[Path], object]) -> None:
        path = self.root / layer / file / self.version / file
        # A version whose file is not there does not count.
        with replaced(path) as temporary:
            write(temporary)
        logger.info("wrote %s", path)
