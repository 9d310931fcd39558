"""The pipeline of the gate: one namespace per backbone, then the comparison."""

from kedro.pipeline import Pipeline

from steel_defects.pipelines.wiring import namespaced, node
from steel_defects.selection import Selection

from . import nodes


def create_pipeline(selection: Selection) -> Pipeline:
    """From sheets to scores, thresholds and the chosen gate; without a backbone there are none."""
    backbones = selection.backbones
    if not backbones:
        return Pipeline([])
    gates = {name: f"{name}.trained_gate" for name in backbones}
    comparison = [
        node(nodes.select_gate, ["gate_selection", "chosen_gate"], gate="params:gate", **gates),
        node(nodes.compare_classifiers, "classification_comparison"),
    ]
    parts = [_backbone_pipeline(name, name in selection.cross_validated) for name in backbones]
    return Pipeline([*parts, *comparison], tags="classification")


def _backbone_pipeline(name: str, crossed: bool) -> Pipeline:
    folds = ["out_of_fold_scores"] if crossed else []
    targets = "params:operating_point"
    parts = [
        node(nodes.train_classifier, ["classifier", "classifier_history", "classifier_profile"]),
        node(nodes.score_sheets, ["classifier_outputs", "classifier_speed"]),
        node(nodes.calibrate, ["sheet_scores", "calibration"], *folds),
        node(nodes.choose_operating_point, "operating_point"),
        node(nodes.record_gate, "trained_gate", operating_point_targets=targets),
    ]
    if crossed:
        parts.append(node(nodes.cross_validate, "out_of_fold_scores"))
    return namespaced(name, parts, private="params:training")
