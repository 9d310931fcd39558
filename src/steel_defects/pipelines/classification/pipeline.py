"""The pipeline of the gate: one namespace a backbone, then the comparison."""

from kedro.pipeline import Node, Pipeline

from steel_defects.models.config import BACKBONES

from .nodes import (
    calibrate,
    choose_operating_point,
    compare_classifiers,
    cross_validate,
    score_sheets,
    select_gate,
    train_classifier,
)

_TABLES = ["raw_sheets", "sheets", "annotations", "splits"]
_FOLDERS = ["pretrained_weights", "checkpoints"]
_SHARED = {"params:classification", "params:cross_validation", "params:operating_point"}


def create_pipeline() -> Pipeline:
    """From sheets to scores, thresholds and the chosen gate."""
    backbones = [_backbone_pipeline(name) for name in BACKBONES]
    return Pipeline([*backbones, _comparison()], tags="classification")


def _backbone_pipeline(name: str) -> Pipeline:
    nodes = [
        Node(
            train_classifier,
            inputs=[*_TABLES, *_FOLDERS, "params:classification", "params:training"],
            outputs=["classifier", "classifier_history", "classifier_profile"],
            name="train_classifier",
        ),
        Node(
            cross_validate,
            inputs=[
                *_TABLES,
                *_FOLDERS,
                "params:classification",
                "params:training",
                "params:cross_validation",
            ],
            outputs="out_of_fold_scores",
            name="cross_validate",
        ),
        Node(
            score_sheets,
            inputs=["classifier", "raw_sheets", "sheets", "splits"],
            outputs=["classifier_outputs", "classifier_speed", "heat_maps"],
            name="score_sheets",
        ),
        Node(
            calibrate,
            inputs=["classifier_outputs", "out_of_fold_scores", "sheets", "splits"],
            outputs=["sheet_scores", "calibration"],
            name="calibrate",
        ),
        Node(
            choose_operating_point,
            inputs=["sheet_scores", "calibration", "splits", "params:operating_point"],
            outputs="operating_point",
            name="choose_operating_point",
        ),
    ]
    return Pipeline(nodes, namespace=name, inputs={*_TABLES, *_FOLDERS}, parameters=_SHARED)


def _comparison() -> Pipeline:
    """Compare and choose; inputs are mapped, since only namespaces may name ``resnet50.…``."""
    scores = {f"{b}_scores": f"{b}.sheet_scores" for b in BACKBONES}
    profiles = {f"{b}_profile": f"{b}.classifier_profile" for b in BACKBONES}
    speeds = {f"{b}_speed": f"{b}.classifier_speed" for b in BACKBONES}
    nodes = [
        Node(
            compare_classifiers,
            inputs={name: name for name in ["splits", "annotations", *scores, *profiles, *speeds]},
            outputs="classification_comparison",
            name="compare_classifiers",
        ),
        Node(
            select_gate,
            inputs={"gate": "params:gate", "sheets": "sheets", "splits": "splits"}
            | {name: name for name in [*scores, *profiles]},
            outputs="gate_selection",
            name="select_gate",
        ),
    ]
    shared = {name: name for name in ("sheets", "splits", "annotations")}
    return Pipeline(nodes, inputs={**shared, **scores, **profiles, **speeds})
