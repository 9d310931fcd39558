"""The pipeline of the segmenters: one namespace an architecture, then comparison and package."""

from kedro.pipeline import Node, Pipeline

from steel_defects.models.config import ARCHITECTURES, BACKBONES

from .nodes import (
    build_package,
    compare_segmenters,
    predict_masks,
    predict_probabilities,
    select_segmenter,
    train_segmenter,
    tune_postprocessing,
)

_TABLES = {"raw_sheets", "sheets", "annotations", "splits", "tiles", "checkpoints"}
_SHARED = {"params:data_engineering", "params:segmentation", "params:postprocessing"}


def create_pipeline() -> Pipeline:
    """From tiles to masks, and from the chosen models to a package."""
    architectures = [_architecture_pipeline(name) for name in ARCHITECTURES]
    return Pipeline([*architectures, _comparison()], tags="segmentation")


def _architecture_pipeline(name: str) -> Pipeline:
    nodes = [
        Node(
            train_segmenter,
            inputs=[
                "raw_sheets",
                "sheets",
                "annotations",
                "tiles",
                "checkpoints",
                "params:data_engineering",
                "params:segmentation",
                "params:network",
            ],
            outputs=["segmenter", "segmenter_history", "segmenter_profile"],
            name="train_segmenter",
        ),
        Node(
            predict_probabilities,
            inputs=["segmenter", "raw_sheets", "sheets", "splits"],
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
                "params:data_engineering",
                "params:postprocessing",
            ],
            outputs="postprocessing",
            name="tune_postprocessing",
        ),
        Node(
            predict_masks,
            inputs=["segmenter", "postprocessing", "raw_sheets", "sheets", "splits"],
            outputs="predictions",
            name="predict_masks",
        ),
    ]
    return Pipeline(nodes, namespace=name, inputs=_TABLES, parameters=_SHARED)


def _comparison() -> Pipeline:
    """Compare, choose and package; inputs are mapped, since only namespaces may name ``unet.…``."""
    scores = {f"{b}_scores": f"{b}.sheet_scores" for b in BACKBONES}
    points = {f"{b}_point": f"{b}.operating_point" for b in BACKBONES}
    classifiers = {f"{b}_classifier": f"{b}.classifier" for b in BACKBONES}
    predictions = {f"{a}_predictions": f"{a}.predictions" for a in ARCHITECTURES}
    profiles = {f"{a}_profile": f"{a}.segmenter_profile" for a in ARCHITECTURES}
    settings = {f"{a}_postprocessing": f"{a}.postprocessing" for a in ARCHITECTURES}
    segmenters = {f"{a}_segmenter": f"{a}.segmenter" for a in ARCHITECTURES}
    nodes = [
        Node(
            compare_segmenters,
            inputs=_same("sheets", "annotations", "gate_selection")
            | {"data_engineering": "params:data_engineering"}
            | _same(*predictions, *profiles, *scores, *points),
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
            | _same(*settings, *segmenters, *classifiers, *points, *scores),
            outputs="model_package",
            name="build_package",
        ),
    ]
    mapped = scores | points | classifiers | predictions | profiles | settings | segmenters
    return Pipeline(nodes, inputs=mapped)


def _same(*names: str) -> dict[str, str]:
    """Name arguments like the datasets they take."""
    return {name: name for name in names}
