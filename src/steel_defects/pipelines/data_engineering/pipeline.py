"""The pipeline from raw data to the canonical tables."""

from kedro.pipeline import Node, Pipeline

from .leakage_nodes import draw_oddest_sheets, find_oddest_sheets, measure_leakage
from .nodes import (
    build_sheets,
    check_annotations,
    compare_sheets,
    group_similar_sheets,
    inventory_sheets,
    report_quality,
    split_sheets,
    tile_sheets,
)
from .position_nodes import locate_sheets

_CONFIG = "params:data_engineering"


def create_pipeline() -> Pipeline:
    """From pictures and masks to sheets, annotations, splits and tiles."""
    return Pipeline([*_pictures(), *_tables(), *_checks()], tags="data_engineering")


def _pictures() -> list[Node]:
    """What is in the folder, and what is similar in it."""
    return [
        Node(
            inventory_sheets,
            inputs=["raw_sheets", "earlier_sheet_inventory", _CONFIG],
            outputs="sheet_inventory",
            name="inventory_sheets",
        ),
        Node(
            compare_sheets,
            inputs=["raw_sheets", "sheet_inventory", "earlier_similar_sheets", _CONFIG],
            outputs="similar_sheets",
            name="compare_sheets",
        ),
        Node(
            group_similar_sheets,
            inputs=["sheet_inventory", "similar_sheets", "earlier_split_assignments", _CONFIG],
            outputs="sheet_groups",
            name="group_similar_sheets",
        ),
    ]


def _tables() -> list[Node]:
    """The canonical tables."""
    return [
        Node(
            check_annotations,
            inputs=["raw_annotations", "sheet_inventory", "sheet_groups", _CONFIG],
            outputs=["annotations", "findings"],
            name="check_annotations",
        ),
        Node(
            build_sheets,
            inputs=["sheet_inventory", "sheet_groups", "annotations", "findings"],
            outputs="sheets",
            name="build_sheets",
        ),
        Node(
            locate_sheets,
            inputs=["sheets", "sheet_inventory", "raw_positions", "params:positions"],
            outputs=["sheet_positions", "position_findings"],
            name="locate_sheets",
        ),
        Node(
            split_sheets,
            inputs=[
                *("sheets", "annotations", "earlier_split_assignments"),
                *(_CONFIG, "params:cross_validation", "params:backbones"),
            ],
            outputs=["splits", "split_assignments"],
            name="split_sheets",
        ),
        Node(
            tile_sheets,
            inputs=["sheets", "annotations", "splits", _CONFIG],
            outputs="tiles",
            name="tile_sheets",
        ),
    ]


def _checks() -> list[Node]:
    """What people should know about the data."""
    return [
        Node(
            report_quality,
            inputs=[
                *("sheets", "annotations", "splits", "sheet_inventory", "similar_sheets"),
                *("findings", "position_findings", _CONFIG),
            ],
            outputs="data_quality",
            name="report_quality",
        ),
        Node(
            measure_leakage,
            inputs=[
                *("raw_sheets", "sheets", "annotations", "splits", "sheet_inventory"),
                _CONFIG,
            ],
            outputs=["leakage", "lookup_baseline"],
            name="measure_leakage",
        ),
        Node(
            find_oddest_sheets,
            inputs=["sheets", "sheet_inventory"],
            outputs="oddest_sheets",
            name="find_oddest_sheets",
        ),
        Node(
            draw_oddest_sheets,
            inputs=["raw_sheets", "oddest_sheets"],
            outputs="oddest_sheets_figure",
            name="draw_oddest_sheets",
        ),
    ]
