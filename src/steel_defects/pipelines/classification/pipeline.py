"""The pipeline of the gate: one namespace a backbone, then the comparison."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from steel_defects.selection import Selection

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
    ]
    cross_validation = Node(
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
    )
    if cross_validated:
        nodes.append(cross_validation)
    parameters = _SHARED if cross_validated else _SHARED - {"params:cross_validation"}
    return Pipeline(nodes, namespace=name, inputs={*_TABLES, *_FOLDERS}, parameters=parameters)


def _comparison(backbones: Sequence[str]) -> Pipeline:
    """Compare and choose; inputs are mapped, since only namespaces may name ``resnet50.…``."""
    scores = {f"{b}_scores": f"{b}.sheet_scores" for b in backbones}
    profiles = {f"{b}_profile": f"{b}.classifier_profile" for b in backbones}
    speeds = {f"{b}_speed": f"{b}.classifier_speed" for b in backbones}
    nodes = [
        Node(
            compare_classifiers,
            inputs={name: name for name in ["splits", "annotations", *scores, *profiles, *speeds]},
            outputs="classification_comparison",
            name="compare_classifiers",
        ),
        Node(
            select_gate,
            inputs={"gate": "params:gate", "splits": "splits"}
            | {name: name for name in [*scores, *profiles]},
            outputs="gate_selection",
            name="select_gate",
        ),
    ]
    return Pipeline(
        nodes,
        inputs={"splits": "splits", "annotations": "annotations", **scores, **profiles, **speeds},
    )
