"""The pipeline of the gate: one namespace a backbone, then the comparison."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from steel_defects.selection import Selection

from .nodes import (
    calibrate,
    choose_operating_point,
    compare_classifiers,
    cross_validate,
    record_gate,
    score_sheets,
    select_gate,
    train_classifier,
)

_TABLES = ["raw_sheets", "sheets", "annotations", "splits"]
_FOLDERS = ["pretrained_weights", "checkpoints"]
_SHARED = {"params:classification", "params:cross_validation", "params:operating_point"}


def create_pipeline(selection: Selection) -> Pipeline:
    """From sheets to scores, thresholds and the chosen gate; without a backbone there are none."""
    if not selection.backbones:
        return Pipeline([])
    backbones = [
        _backbone_pipeline(name, name in selection.cross_validated) for name in selection.backbones
    ]
    return Pipeline([*backbones, _comparison(selection.backbones)], tags="classification")


def _backbone_pipeline(name: str, cross_validated: bool) -> Pipeline:
    out_of_fold = ["out_of_fold_scores"] if cross_validated else []
    nodes = [
        Node(
            train_classifier,
            inputs=[*_TABLES, *_FOLDERS, "params:classification", "params:training"],
            outputs=["classifier", "classifier_history", "classifier_profile"],
            name="train_classifier",
        ),
        Node(
            score_sheets,
            inputs=["classifier", "raw_sheets", "sheets", "splits"],
            outputs=["classifier_outputs", "classifier_speed", "heat_maps"],
            name="score_sheets",
        ),
        Node(
            calibrate,
            inputs=["classifier_outputs", "sheets", "splits", *out_of_fold],
            outputs=["sheet_scores", "calibration"],
            name="calibrate",
        ),
        Node(
            choose_operating_point,
            inputs=["sheet_scores", "calibration", "splits", "params:operating_point"],
            outputs="operating_point",
            name="choose_operating_point",
        ),
        Node(
            record_gate,
            inputs=["classifier_profile", "sheet_scores", "operating_point"]
            + ["sheets", "annotations", "splits", "params:operating_point"],
            outputs="trained_gate",
            name="record_gate",
        ),
    ]
    if cross_validated:
        nodes.append(
            Node(
                cross_validate,
                inputs=[*_TABLES, *_FOLDERS, "params:classification", "params:training"]
                + ["params:cross_validation"],
                outputs="out_of_fold_scores",
                name="cross_validate",
            )
        )
    parameters = _SHARED if cross_validated else _SHARED - {"params:cross_validation"}
    return Pipeline(nodes, namespace=name, inputs={*_TABLES, *_FOLDERS}, parameters=parameters)


def _comparison(backbones: Sequence[str]) -> Pipeline:
    nodes = [
        Node(
            select_gate,
            inputs=["params:gate", "trained_models", "sheets", "annotations", "splits"]
            + ["params:operating_point", *(f"{name}.trained_gate" for name in backbones)],
            outputs=["gate_selection", "chosen_gate"],
            name="select_gate",
        ),
        Node(
            compare_classifiers,
            inputs=["gate_selection", "trained_models", "splits", "annotations"],
            outputs="classification_comparison",
            name="compare_classifiers",
        ),
    ]
    return Pipeline(nodes)
