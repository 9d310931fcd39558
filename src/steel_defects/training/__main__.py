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
from steel_defects.training.catalog_files import (
    RUN_RECORD,
    CatalogFolder,
    read_data,
    read_gate_scores,
)
from steel_defects.training.config import (
    BackboneTraining,
    ClassificationConfig,
    CrossValidationConfig,
    SegmentationConfig,
    SegmenterCrossValidationConfig,
)
from steel_defects.training.jobs import TrainingData, train_classifier, train_segmenter
from steel_defects.training.parameters import Parameters, group, read_parameters

logger = logging.getLogger("steel_defects.training")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what the command line asks for; an error is one line and the exit status 1."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("jax").setLevel(logging.WARNING)  # it tells of accelerators that aren't there
    try:
        check_backend()
        parameters = read_parameters(given.parameters or given.tables / RUN_RECORD, given.set)
        checkpoints = given.checkpoints or given.output / "05_model_input" / "checkpoints"
        data = read_data(given.tables, given.raw_dir, checkpoints)
        given.run(given, parameters, data, CatalogFolder(given.output))
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
    given: argparse.Namespace, parameters: Parameters, data: TrainingData, results: CatalogFolder
) -> None:
    config = group(parameters, "classification", ClassificationConfig)
    own = group(parameters, f"{given.backbone}.training", BackboneTraining)
    if given.cross_validate:
        from steel_defects.training.cross_validation import out_of_fold_scores

        plan = group(parameters, "cross_validation", CrossValidationConfig)
        scores = out_of_fold_scores(
            data.labelled_sheets(config.cache), data.splits, config, own, plan,
            str(given.weights_dir), data.checkpoints / "cross_validation" / given.backbone,
        )  # fmt: skip
        name = f"{given.backbone}.out_of_fold_scores"
        logger.info("wrote %s", results.save_table("07_model_output", name, scores))
        return
    fitted, profile = train_classifier(data, config, own, given.weights_dir)
    name = f"{given.backbone}.classifier"
    logger.info("wrote %s", results.save_model(name, fitted.model))
    results.save_table("06_models", f"{name}_history", fitted.history)
    results.save_json("06_models", f"{name}_profile", profile)


def _segmenter(
    given: argparse.Namespace, parameters: Parameters, data: TrainingData, results: CatalogFolder
) -> None:
    config = group(parameters, "segmentation", SegmentationConfig)
    network = group(parameters, f"{given.architecture}.network", NetworkConfig).root
    if network.name != given.architecture:
        raise SteelDefectsError(f"{given.architecture}.network is named {network.name}")
    tta = group(parameters, "segmenter_prediction", SegmenterPredictionConfig).tta
    classes = group(parameters, "data_engineering", DataEngineeringConfig).classes
    if given.cross_validate:
        from steel_defects.training.segmenter_cross_validation import (
            SegmenterRecipe,
            out_of_fold_masks,
        )

        plan = group(parameters, "segmenter_cross_validation", SegmenterCrossValidationConfig)
        grid = group(parameters, "postprocessing", PostprocessingGrid)
        found = out_of_fold_masks(
            data.labelled_tiles(data.tiles, classes, config.cache), data.splits,
            SegmenterRecipe(network, config, grid, tta, given.weights_dir), plan,
            data.checkpoints / "segmenter_cross_validation" / given.architecture,
            read_gate_scores(given.tables),
        )  # fmt: skip
        name = f"{given.architecture}.out_of_fold_predictions"
        logger.info("wrote %s", results.save_table("07_model_output", name, found.predictions))
        tuned = Postprocessing(classes=tuple(found.settings or ())).model_dump(mode="json")
        name = f"{given.architecture}.out_of_fold_postprocessing"
        results.save_json("07_model_output", name, tuned)
        return
    fitted, profile = train_segmenter(data, config, network, classes, tta, given.weights_dir)
    name = f"{given.architecture}.segmenter"
    logger.info("wrote %s", results.save_model(name, fitted.model))
    results.save_table("06_models", f"{name}_history", fitted.history)
    results.save_json("06_models", f"{name}_profile", profile)


if __name__ == "__main__":
    sys.exit(main())
