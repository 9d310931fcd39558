"""Trains without Kedro, and with ``KERAS_BACKEND=jax`` without TensorFlow: see docs/gpu.md."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.decision.postprocessing import Postprocessing, PostprocessingGrid
from steel_defects.environment import check_backend
from steel_defects.errors import SteelDefectsError
from steel_defects.models.config import ARCHITECTURES, BACKBONES, NetworkConfig
from steel_defects.prediction.inference import SegmenterPredictionConfig
from steel_defects.training.config import (
    BackboneTraining,
    ClassificationConfig,
    CrossValidationConfig,
    SegmentationConfig,
    SegmenterCrossValidationConfig,
)
from steel_defects.training.jobs import (
    ClassifierRecipe,
    Json,
    SegmenterRecipe,
    TrainingData,
    train_classifier,
    train_segmenter,
)
from steel_defects.training.standalone import (
    RUN_RECORD,
    CatalogFolder,
    group,
    read_data,
    read_parameters,
    read_table,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what the command line asks for; an error is one line and the exit status 1."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("jax").setLevel(logging.WARNING)  # it tells of accelerators that aren't there
    try:
        check_backend()
        parameters = read_parameters(options.parameters or options.tables / RUN_RECORD, options.set)
        checkpoints = options.checkpoints or options.output / "05_model_input" / "checkpoints"
        data = read_data(options.tables, options.raw_dir, checkpoints)
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
    recipe = ClassifierRecipe.of(
        group(parameters, "classification", ClassificationConfig),
        group(parameters, f"{name}.training", BackboneTraining),
        options.weights_dir,
    )
    if not options.cross_validate:
        results.save_fitted(f"{name}.classifier", *train_classifier(data, recipe))
        return
    from steel_defects.training.cross_validation import out_of_fold_scores

    plan = group(parameters, "cross_validation", CrossValidationConfig)
    scores = out_of_fold_scores(data, recipe, plan)
    results.save_table("07_model_output", f"{name}.out_of_fold_scores", scores)


def _segmenter(
    options: argparse.Namespace, parameters: Json, data: TrainingData, results: CatalogFolder
) -> None:
    name = options.architecture
    network = group(parameters, f"{name}.network", NetworkConfig).root
    if network.name != name:
        raise SteelDefectsError(f"{name}.network is named {network.name}")
    recipe = SegmenterRecipe(
        network,
        group(parameters, "segmentation", SegmentationConfig),
        group(parameters, "segmenter_prediction", SegmenterPredictionConfig).tta,
        options.weights_dir,
    )
    classes = group(parameters, "data_engineering", DataEngineeringConfig).classes
    if not options.cross_validate:
        results.save_fitted(f"{name}.segmenter", *train_segmenter(data, recipe, classes))
        return
    from steel_defects.training.segmenter_cross_validation import out_of_fold_masks

    out_of_fold = out_of_fold_masks(
        data,
        classes,
        recipe,
        group(parameters, "postprocessing", PostprocessingGrid),
        group(parameters, "segmenter_cross_validation", SegmenterCrossValidationConfig),
        read_table(options.tables, "gate_scores"),
    )
    name = f"{name}.out_of_fold_"
    results.save_table("07_model_output", f"{name}predictions", out_of_fold.predictions)
    settings = Postprocessing(classes=tuple(out_of_fold.settings or ()))
    record = settings.model_dump(mode="json")
    results.save_json("07_model_output", f"{name}postprocessing", record)


if __name__ == "__main__":
    sys.exit(main())
