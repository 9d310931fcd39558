"""The pipeline from raw data to the canonical tables."""

from kedro.pipeline import Node, Pipeline

from steel_defects.pipelines import named_node

from . import nodes

_CONFIG = "params:data_engineering"


def create_pipeline() -> Pipeline:
    """From pictures and masks to sheets, annotations, splits and tiles."""
    return Pipeline([*_tables(), *_checks()], tags="data_engineering")


def _tables() -> list[Node]:
    """What is in the folder, what is similar in it, and the canonical tables."""
    return [
        named_node(
            nodes.inventory_sheets,
            ["raw_sheets", "earlier_sheet_inventory", _CONFIG],
            "sheet_inventory",
        ),
        named_node(
            nodes.compare_sheets,
            ["raw_sheets", "sheet_inventory", "earlier_similar_sheets", _CONFIG],
            "similar_sheets",
        ),
        named_node(
            nodes.group_similar_sheets,
            ["sheet_inventory", "similar_sheets", "earlier_split_assignments", _CONFIG],
            "sheet_groups",
        ),
        named_node(
            nodes.check_annotations,
            ["raw_annotations", "sheet_inventory", "sheet_groups", _CONFIG],
            ["annotations", "findings"],
        ),
        named_node(
            nodes.build_sheets,
            ["sheet_inventory", "sheet_groups", "annotations", "findings"],
            "sheets",
        ),
        named_node(
            nodes.locate_sheets,
            ["sheets", "sheet_inventory", "raw_positions", "params:positions"],
            ["sheet_positions", "position_findings"],
        ),
        named_node(
            nodes.split_sheets,
            [
                *("sheets", "annotations", "earlier_split_assignments"),
                *(_CONFIG, "params:cross_validation", "params:backbones"),
            ],
            ["splits", "split_assignments"],
        ),
        named_node(nodes.tile_sheets, ["sheets", "annotations", "splits", _CONFIG], "tiles"),
    ]


def _checks() -> list[Node]:
    """What people should know about the data."""
    return [
        named_node(
            nodes.report_quality,
            [
                *("sheets", "annotations", "splits", "sheet_inventory", "similar_sheets"),
                *("findings", "position_findings", _CONFIG),
            ],
            "data_quality",
        ),
        named_node(
            nodes.measure_leakage,
            ["raw_sheets", "sheets", "annotations", "splits", "sheet_inventory", _CONFIG],
            ["leakage", "lookup_baseline"],
        ),
        named_node(nodes.find_oddest_sheets, ["sheets", "sheet_inventory"], "oddest_sheets"),
        named_node(
            nodes.draw_oddest_sheets, ["raw_sheets", "oddest_sheets"], "oddest_sheets_figure"
        ),
    ]
