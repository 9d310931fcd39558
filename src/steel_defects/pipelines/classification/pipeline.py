"""The pipeline of the gate: one namespace a backbone, then the comparison."""

from kedro.pipeline import Pipeline

from steel_defects.pipelines.wiring import namespaced, node
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

_SHARED = (
    *("raw_sheets", "sheets", "annotations", "splits", "pretrained_weights", "checkpoints"),
    *("params:classification", "params:cross_validation", "params:operating_point"),
)


def create_pipeline(selection: Selection) -> Pipeline:
    """From sheets to scores, thresholds and the chosen gate; without a backbone there are none."""
    backbones = selection.backbones
    if not backbones:
        return Pipeline([])
    gates = {name: f"{name}.trained_gate" for name in backbones}
    comparison = [
        node(select_gate, ["gate_selection", "chosen_gate"], gate="params:gate", **gates),
        node(compare_classifiers, "classification_comparison"),
    ]
    parts = [_backbone_pipeline(name, name in selection.cross_validated) for name in backbones]
    return Pipeline([*parts, *comparison], tags="classification")


def _backbone_pipeline(name: str, cross_validated: bool) -> Pipeline:
    folds = ["out_of_fold_scores"] if cross_validated else []
    nodes = [
        node(train_classifier, ["classifier", "classifier_history", "classifier_profile"]),
        node(score_sheets, ["classifier_outputs", "classifier_speed", "heat_maps"]),
        node(calibrate, ["sheet_scores", "calibration"], *folds),
        node(choose_operating_point, "operating_point"),
        node(record_gate, "trained_gate", operating_point_targets="params:operating_point"),
    ]
    if cross_validated:
        nodes.append(node(cross_validate, "out_of_fold_scores"))
    return namespaced(name, nodes, _SHARED)
