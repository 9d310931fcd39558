"""The pipeline of figures, overlays and the report."""

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node, Pipeline

from steel_defects.selection import Selection

from . import comparison_nodes, measurement_nodes, nodes
from .nodes import GATE_FIGURES, ROBUSTNESS_FIGURES, SEGMENTER_FIGURES

_TRUTH = ("sheets", "annotations")
_PICTURES = ("raw_sheets", *_TRUTH)


def create_pipeline(selection: Selection) -> Pipeline:
    """From scores, predictions and comparisons to what people look at."""
    gate = ["chosen_gate"] if selection.backbones else []
    parts = [*_SEGMENTER_NODES, _report_node(selection)]
    if selection.backbones:
        parts += _GATE_NODES
    if selection.robustness:
        parts += [
            _node(
                measurement_nodes.measure_robustness,
                *("chosen_segmenter", *gate, *_PICTURES, "splits"),
                *("params:segmenter_prediction", "params:reporting"),
                outputs="robustness",
            ),
            _node(measurement_nodes.draw_robustness, "robustness", outputs="robustness_figure"),
        ]
    if selection.comparison:
        parts += [
            _node(
                comparison_nodes.compare_with_earlier,
                *("earlier_versions", "chosen_segmenter", *gate, *_TRUTH, "splits"),
                *("params:operating_point", "params:compare"),
                outputs=["run_comparison", "changed_verdicts"],
            ),
            _node(
                comparison_nodes.draw_changed_verdicts,
                *("changed_verdicts", *_PICTURES),
                outputs="changed_verdicts_figure",
            ),
        ]
    return Pipeline(parts, tags="reporting")


def _node(function: Callable[..., Any], *inputs: str, outputs: str | list[str]) -> Node:
    """Make a node named like its function, each argument named like the dataset it takes."""
    arguments = {name.removeprefix("params:"): name for name in inputs}
    return Node(function, inputs=arguments, outputs=outputs, name=function.__name__)


_GATE_NODES = [
    _node(
        nodes.draw_classification_figures,
        *("gate_selection", "trained_models"),
        outputs=[f"{name}_figure" for name in GATE_FIGURES],
    ),
    _node(measurement_nodes.check_grad_cam, "chosen_gate", *_TRUTH, outputs="grad_cam_check"),
    _node(
        measurement_nodes.draw_grad_cam,
        *("chosen_gate", *_PICTURES, "params:reporting"),
        outputs="grad_cam_figure",
    ),
    _node(measurement_nodes.list_mistakes, "chosen_gate", outputs="confident_mistakes"),
    _node(
        measurement_nodes.draw_mistakes,
        *("confident_mistakes", "chosen_gate", *_PICTURES),
        outputs="confident_mistakes_figure",
    ),
]

_SEGMENTER_NODES = [
    _node(
        nodes.draw_segmentation_figures,
        *("class_comparison", *_TRUTH, "segmenter_selection", "trained_models"),
        *("chosen_segmenter", "params:data_engineering"),
        outputs=["class_dice_figure", "segmentation_pr_figure", "segmenter_learning_figure"],
    ),
    _node(
        nodes.choose_overlays,
        *(*_TRUTH, "chosen_segmenter", "params:reporting"),
        outputs="overlay_selection",
    ),
    _node(
        nodes.draw_overlays,
        *("overlay_selection", *_PICTURES, "chosen_segmenter", "params:data_engineering"),
        outputs="overlays",
    ),
    _node(
        measurement_nodes.measure_detection,
        *(*_TRUTH, "chosen_segmenter"),
        outputs=["evaluated_pairs", "defect_targets"],
    ),
    _node(
        measurement_nodes.draw_detection,
        *("evaluated_pairs", "defect_targets", "params:data_engineering"),
        outputs=["detection_by_size", "detection_figure", "dice_spread_figure"],
    ),
]


def _report_node(selection: Selection) -> Node:
    figures = ["oddest_sheets", *SEGMENTER_FIGURES]
    inputs = ["params:data_engineering", "params:reporting", "run_record", "trained_models"]
    inputs += ["data_quality", "leakage", "lookup_baseline"]
    inputs += ["segmentation_comparison", "class_comparison", "segmenter_selection"]
    inputs += ["chosen_segmenter", "overlays", "overlay_selection"]
    inputs += ["evaluated_pairs", "detection_by_size"]
    if selection.backbones:
        figures += [*GATE_FIGURES, "grad_cam", "confident_mistakes"]
        inputs += ["gate_selection", "classification_comparison"]
        inputs += ["grad_cam_check", "confident_mistakes"]
    if selection.robustness:
        figures += ROBUSTNESS_FIGURES
        inputs += ["robustness"]
    if selection.comparison:
        figures += ["changed_verdicts"]
        inputs += ["run_comparison", "changed_verdicts"]
    inputs += [f"{name}_figure" for name in figures]
    return _node(nodes.write_report, *inputs, outputs="report")
