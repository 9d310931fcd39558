"""The pipeline from raw data to the canonical tables."""

from kedro.pipeline import Node, Pipeline

from .nodes import (
    build_sheets,
    check_annotations,
    inventory_sheets,
    report_quality,
    split_sheets,
    tile_sheets,
)


def create_pipeline() -> Pipeline:
    """From pictures and masks to sheets, annotations, splits and tiles."""
    return Pipeline(
        [
            Node(
                inventory_sheets,
                inputs=["raw_sheets", "params:data_engineering"],
                outputs="sheet_inventory",
                name="inventory_sheets",
            ),
            Node(
                check_annotations,
                inputs=["raw_annotations", "sheet_inventory", "params:data_engineering"],
                outputs=["annotations", "findings"],
                name="check_annotations",
            ),
            Node(
                build_sheets,
                inputs=["sheet_inventory", "annotations", "findings", "params:data_engineering"],
                outputs="sheets",
                name="build_sheets",
            ),
            Node(
                split_sheets,
                inputs=[
                    "sheets",
                    "annotations",
                    "params:data_engineering",
                    "params:cross_validation",
                ],
                outputs="splits",
                name="split_sheets",
            ),
            Node(
                tile_sheets,
                inputs=["sheets", "annotations", "splits", "params:data_engineering"],
                outputs="tiles",
                name="tile_sheets",
            ),
            Node(
                report_quality,
                inputs=["sheets", "annotations", "splits", "findings", "params:data_engineering"],
                outputs="data_quality",
                name="report_quality",
            ),
        ],
        tags="data_engineering",
    )
