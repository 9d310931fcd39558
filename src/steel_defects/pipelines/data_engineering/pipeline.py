"""The pipeline from raw data to the canonical tables."""

from kedro.pipeline import Node, Pipeline

from steel_defects.pipelines.wiring import node

from . import nodes


def create_pipeline() -> Pipeline:
    """From pictures and masks to sheets, annotations, splits and tiles."""
    return Pipeline([*_tables(), *_checks()], tags="data_engineering")


def _tables() -> list[Node]:
    """What is in the folder, what is similar in it, and the canonical tables."""
    labels = ["annotations", "findings", "label_corrections", "void_pixels"]
    splits, backbones = ["splits", "split_assignments"], "params:backbones"
    return [
        node(nodes.inventory_sheets, "sheet_inventory"),
        node(nodes.compare_sheets, "similar_sheets"),
        node(nodes.group_similar_sheets, "sheet_groups"),
        node(nodes.check_annotations, labels),
        node(nodes.build_sheets, "sheets"),
        node(nodes.locate_sheets, ["sheet_positions", "position_findings"]),
        node(nodes.split_sheets, splits, backbones=backbones),
        node(nodes.tile_sheets, "tiles"),
    ]


def _checks() -> list[Node]:
    """What people should know about the data."""
    return [
        node(nodes.report_quality, "data_quality"),
        node(nodes.measure_leakage, ["leakage", "lookup_baseline"]),
        node(nodes.find_oddest_sheets, "oddest_sheets"),
        node(nodes.draw_oddest_sheets, "oddest_sheets_figure"),
    ]
