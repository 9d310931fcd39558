"""The pipeline of the segmenters: one namespace an architecture, then comparison and package."""

from kedro.pipeline import Node, Pipeline

from steel_defects.models.config import ARCHITECTURES, BACKBONES

from .comparison_nodes import build_package, compare_segmenters, score_by_gate, select_segmenter
from .nodes import (
    cross_validate_segmenter,
    predict_masks,
    predict_probabilities,
    stack_with_gate,
    train_segmenter,
    tune_postprocessing,
)

_DATA = [
    *("raw_sheets", "sheets", "annotations", "splits", "tiles"),
    *("pretrained_weights", "checkpoints"),
]
_SHEETS = ["raw_sheets", "sheets", "splits"]
_TABLES = {*_DATA, "gate_scores"}
_SHARED = {
    "params:data_engineering",
    "params:segmentation",
    "params:architectures",
    "params:segmenter_prediction",
    "params:segmenter_cross_validation",
    "params:postprocessing",
    "params:operating_point",
}


def create_pipeline() -> Pipeline:
    """From tiles to masks, and from the chosen models to a package."""
    architectures = [_architecture_pipeline(name) for name in ARCHITECTURES]
    return Pipeline([*architectures, _comparison()], tags="segmentation")


def _architecture_pipeline(name: str) -> Pipeline:
    nodes = [
        Node(
            train_segmenter,
            inputs=[
                *_DATA,
                "params:data_engineering",
                "params:segmentation",
                "params:segmenter_prediction",
                "params:architectures",
                "params:network",
            ],
            outputs=["segmenter", "segmenter_history", "segmenter_profile"],
            name="train_segmenter",
        ),
        Node(
            cross_validate_segmenter,
            inputs=[
                *_DATA,
                "gate_scores",
                "params:data_engineering",
                "params:segmentation",
                "params:segmenter_prediction",
                "params:segmenter_cross_validation",
                "params:postprocessing",
                "params:architectures",
                "params:network",
            ],
            outputs=["out_of_fold_predictions", "out_of_fold_postprocessing"],
            name="cross_validate_segmenter",
        ),
        Node(
            predict_probabilities,
            inputs=["segmenter", *_SHEETS, "params:segmenter_prediction"],
            outputs="probabilities",
            name="predict_probabilities",
        ),
        Node(
            tune_postprocessing,
            inputs=[
                "probabilities",
                "sheets",
                "annotations",
                "splits",
                "gate_scores",
                "out_of_fold_postprocessing",
                "params:data_engineering",
                "params:segmenter_prediction",
                "params:postprocessing",
            ],
            outputs="postprocessing",
            name="tune_postprocessing",
        ),
        Node(
            predict_masks,
            inputs=[
                "segmenter",
                "postprocessing",
                *_SHEETS,
                "gate_scores",
                "out_of_fold_predictions",
                "params:segmenter_prediction",
            ],
            outputs="predictions",
            name="predict_masks",
        ),
        Node(
            stack_with_gate,
            inputs=["predictions", "gate_scores", "sheets", "params:operating_point"],
            outputs="stacking",
            name="stack_with_gate",
        ),
    ]
    return Pipeline(nodes, namespace=name, inputs=_TABLES, parameters=_SHARED)


def _comparison() -> Pipeline:
    """Compare, choose and package; inputs are mapped, since only namespaces may name ``unet.…``."""
    scores = {f"{b}_scores": f"{b}.sheet_scores" for b in BACKBONES}
    points = {f"{b}_point": f"{b}.operating_point" for b in BACKBONES}
    gate_profiles = {f"{b}_profile": f"{b}.classifier_profile" for b in BACKBONES}
    classifiers = {f"{b}_classifier": f"{b}.classifier" for b in BACKBONES}
    predictions = {f"{a}_predictions": f"{a}.predictions" for a in ARCHITECTURES}
    profiles = {f"{a}_profile": f"{a}.segmenter_profile" for a in ARCHITECTURES}
    settings = {f"{a}_postprocessing": f"{a}.postprocessing" for a in ARCHITECTURES}
    segmenters = {f"{a}_segmenter": f"{a}.segmenter" for a in ARCHITECTURES}
    stackings = {f"{a}_stacking": f"{a}.stacking" for a in ARCHITECTURES}
    nodes = [
        Node(
            score_by_gate,
            inputs=_same("gate_selection", *scores, *points, *gate_profiles),
            outputs="gate_scores",
            name="score_by_gate",
        ),
        Node(
            compare_segmenters,
            inputs=_same("sheets", "annotations", "gate_scores")
            | {"data_engineering": "params:data_engineering"}
            | {"operating_point": "params:operating_point"}
            | _same(*predictions, *profiles, *stackings),
            outputs=["segmentation_comparison", "class_comparison"],
            name="compare_segmenters",
        ),
        Node(
            select_segmenter,
            inputs={"segmenter": "params:segmenter"} | _same(*settings, *profiles),
            outputs="segmenter_selection",
            name="select_segmenter",
        ),
        Node(
            build_package,
            inputs=_same(
                "raw_sheets",
                "sheets",
                "splits",
                "gate_selection",
                "segmenter_selection",
                "segmentation_comparison",
            )
            | {"data_engineering": "params:data_engineering", "mm_per_px": "params:mm_per_px"}
            | {"segmenter_prediction": "params:segmenter_prediction"}
            | _same(*settings, *stackings, *segmenters, *classifiers, *points, *scores),
            outputs="model_package",
            name="build_package",
        ),
    ]
    of_gates = scores | points | gate_profiles | classifiers
    of_segmenters = predictions | profiles | settings | segmenters | stackings
    return Pipeline(nodes, inputs=of_gates | of_segmenters)


def _same(*names: str) -> dict[str, str]:
    """Name arguments like the datasets they take."""
    return {name: name for name in names}
