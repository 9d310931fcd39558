"""Trains without Kedro, and with ``KERAS_BACKEND=jax`` without TensorFlow: see docs/gpu.md."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from pydantic import BaseModel, ValidationError

from steel_defects.config import Record
from steel_defects.data.config import DataEngineeringConfig
from steel_defects.decision.postprocessing import Postprocessing, PostprocessingGrid
from steel_defects.environment import check_backend
from steel_defects.errors import SteelDefectsError
from steel_defects.files import replaced
from steel_defects.images.folder import SheetFolder
from steel_defects.images.reading import BIT_DEPTHS
from steel_defects.models.config import ARCHITECTURES, BACKBONES, NetworkConfig
from steel_defects.prediction.inference import SegmenterPredictionConfig
from steel_defects.retired import bring_up_to_date
from steel_defects.training import config, jobs
from steel_defects.training.jobs import TrainingData

logger = logging.getLogger(__name__)

Json = dict[str, Any]
C = TypeVar("C", bound=BaseModel)

RUN_RECORD = Path("08_reporting", "run.json")
_OUTPUT = "07_model_output"
_TABLES = {
    "sheets": "03_primary",
    "annotations": "03_primary",
    "splits": "03_primary",
    "tiles": "05_model_input",
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
    given: Json = {}
    for change in changes:
        _check_change(change, parameters)
        for target in (parameters, given):
            _set(target, change)
    if note := bring_up_to_date(parameters, given):
        logger.warning(note)
    return parameters


def _check_change(change: str, parameters: Json) -> None:
    name, equals, _ = change.partition("=")
    if not equals or not name or name.endswith("."):
        raise SteelDefectsError(f"{change!r} is no name=value")
    first = name.split(".")[0]
    if first not in parameters:
        near = get_close_matches(first, parameters, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SteelDefectsError(f"there is no parameter {first}{hint}")


def _set(parameters: Json, change: str) -> None:
    name, _, text = change.partition("=")
    *groups, last = name.split(".")
    inner = parameters
    for one in groups:
        inner = inner.setdefault(one, {})
        if not isinstance(inner, dict):
            raise SteelDefectsError(f"{one} in {name} is a value, and not a group")
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
        faults = [
            f"{'.'.join(map(str, (name, *fault['loc'])))}: {fault['msg']}"
            for fault in error.errors()
        ]
        raise SteelDefectsError("; ".join(faults)) from error


# === Tables and results, where Kedro's catalog has them ===


def read_data(
    tables: Path, raw_dir: Path, checkpoints: Path, bit_depth: int | None = None
) -> TrainingData:
    """Read the tables of data engineering.

    They lie in a data folder of an environment, such as ``data/cpu``, or in one folder; pictures
    in ``raw_dir``, and unfinished trainings in ``checkpoints``. ``bit_depth`` is as in
    :func:`steel_defects.images.reading.decode_gray`.

    Raises:
        SteelDefectsError: A table can't be read or there are no pictures.
    """
    folder = SheetFolder(raw_dir, bit_depth=bit_depth)
    if not len(folder):
        raise SteelDefectsError(f"there are no pictures in {folder.picture_folder}")
    frames = {name: _read_table(tables, layer, name) for name, layer in _TABLES.items()}
    for name, table in frames.items():
        if table is None:
            raise SteelDefectsError(
                f"there is no {name}.parquet in {tables}; run the pipeline data_engineering first"
            )
    return TrainingData(folder, checkpoints=checkpoints, **frames)


def _read_table(folder: Path, layer: str, name: str) -> pd.DataFrame | None:
    """Read a table from its layer of a data folder, or from the folder itself; None without one."""
    for path in (folder / layer / f"{name}.parquet", folder / f"{name}.parquet"):
        if path.is_file():
            try:
                return pd.read_parquet(path)
            except (OSError, ValueError) as error:
                raise SteelDefectsError(f"cannot read {path}: {error}") from error
    return None


class CatalogFolder:
    """Writes results of one command where ``kedro run`` finds them, under one version.

    Args:
        root: The data folder of an environment, such as ``data/cpu``, or a copy of it.

    Raises:
        SteelDefectsError: It holds versions that are later than this one.
    """

    def __init__(self, root: Path) -> None:
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

    def save_fitted(self, name: str, fitted: jobs.Fitted, profile: Record) -> None:
        """Write a model, such as ``unet.segmenter``, its history and its profile."""
        from steel_defects.models.files import save_model

        self._save("06_models", f"{name}.keras", lambda path: save_model(fitted.model, path))
        self.save_table("06_models", f"{name}_history", fitted.history)
        self.save_record("06_models", f"{name}_profile", profile)

    def save_record(self, layer: str, name: str, record: Record) -> None:
        """Write a record to a layer of the catalog."""
        text = record.model_dump_json(indent=2) + "\n"
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


# === The command ===


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what the command line asks for; an error is one line and the exit status 1."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("jax").setLevel(logging.WARNING)  # it tells of accelerators that aren't there
    try:
        check_backend()
        parameters = read_parameters(options.parameters or options.tables / RUN_RECORD, options.set)
        checkpoints = options.checkpoints or options.output / "05_model_input" / "checkpoints"
        data = read_data(options.tables, options.raw_dir, checkpoints, options.bit_depth)
        options.run(options, parameters, data, CatalogFolder(options.output))
    except SteelDefectsError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    add = shared.add_argument
    add("--tables", type=Path, required=True, metavar="DIR",
        help="data folder of an environment, such as data/cpu, or a folder with the tables sheets, "
        "annotations, splits and tiles")  # fmt: skip
    add("--raw-dir", type=Path, required=True, metavar="DIR", help="folder of the pictures")
    add("--bit-depth", type=int, choices=BIT_DEPTHS, help="bits that a camera uses of 16")
    add("--parameters", type=Path, metavar="FILE",
        help=f"run.json of a run; otherwise {RUN_RECORD} in the folder of the tables")  # fmt: skip
    add("--set", action="append", default=[], metavar="NAME=VALUE",
        help="change a parameter, such as classification.epochs=3; may be repeated")  # fmt: skip
    add("--output", type=Path, required=True, metavar="DIR",
        help="where results go, laid out as in the data folder of an environment")  # fmt: skip
    add("--checkpoints", type=Path, metavar="DIR",
        help="where the state of the training is kept until it is done")  # fmt: skip
    add("--cross-validate", action="store_true",
        help="predict every sheet out of fold, instead of training one model")  # fmt: skip
    add("--weights-dir", type=Path, default=Path(), metavar="DIR", help="folder of weight files")
    parser = argparse.ArgumentParser(
        prog="python -m steel_defects.training", description="Train without Kedro."
    )
    kinds = parser.add_subparsers(required=True, metavar="{classifier,segmenter}")
    classifier = kinds.add_parser("classifier", parents=[shared], help="train the gate")
    classifier.add_argument("--backbone", required=True, choices=BACKBONES)
    classifier.set_defaults(run=_classifier)
    segmenter = kinds.add_parser("segmenter", parents=[shared], help="train an outliner")
    segmenter.add_argument("--architecture", required=True, choices=ARCHITECTURES)
    segmenter.set_defaults(run=_segmenter)
    return parser


def _classifier(
    options: argparse.Namespace, parameters: Json, data: TrainingData, results: CatalogFolder
) -> None:
    name = options.backbone
    shared = group(parameters, "classification", config.ClassificationConfig)
    changes = group(parameters, f"{name}.training", config.BackboneTraining)
    recipe = jobs.ClassifierRecipe.of(shared, changes, options.weights_dir)
    if not options.cross_validate:
        results.save_fitted(f"{name}.classifier", *jobs.train_classifier(data, recipe))
        return
    from steel_defects.training.cross_validation import out_of_fold_scores

    plan = group(parameters, "cross_validation", config.CrossValidationConfig)
    scores = out_of_fold_scores(data, recipe, plan)
    results.save_table(_OUTPUT, f"{name}.out_of_fold_scores", scores)


def _segmenter(
    options: argparse.Namespace, parameters: Json, data: TrainingData, results: CatalogFolder
) -> None:
    name = options.architecture
    network = group(parameters, f"{name}.network", NetworkConfig).root
    if network.name != name:
        raise SteelDefectsError(f"{name}.network is named {network.name}")
    training = group(parameters, "segmentation", config.SegmentationConfig)
    tta = group(parameters, "segmenter_prediction", SegmenterPredictionConfig).tta
    recipe = jobs.SegmenterRecipe(network, training, tta, options.weights_dir)
    classes = group(parameters, "data_engineering", DataEngineeringConfig).classes
    if not options.cross_validate:
        results.save_fitted(f"{name}.segmenter", *jobs.train_segmenter(data, recipe, classes))
        return
    from steel_defects.training.cross_validation import out_of_fold_masks

    grid = group(parameters, "postprocessing", PostprocessingGrid)
    plan = group(parameters, "segmenter_cross_validation", config.SegmenterCrossValidationConfig)
    gate_scores = _read_table(options.tables, _OUTPUT, "gate_scores")
    out_of_fold = out_of_fold_masks(data, classes, recipe, grid, plan, gate_scores)
    results.save_table(_OUTPUT, f"{name}.out_of_fold_predictions", out_of_fold.predictions)
    settings = Postprocessing(classes=tuple(out_of_fold.settings or ()))
    results.save_record(_OUTPUT, f"{name}.out_of_fold_postprocessing", settings)


if __name__ == "__main__":
    sys.exit(main())
