"""The pipeline that draws synthetic sheets."""

from kedro.pipeline import Node, Pipeline

from .nodes import draw_annotated_sheets, draw_new_sheets


def create_pipeline() -> Pipeline:
    """From a seed to annotated sheets and to new ones."""
    return Pipeline(
        [
            Node(
                draw_annotated_sheets,
                inputs="params:sample_data",
                outputs=["raw_sheets", "raw_annotations"],
                name="draw_annotated_sheets",
            ),
            Node(
                draw_new_sheets,
                inputs="params:sample_data",
                outputs="new_sheets",
                name="draw_new_sheets",
            ),
        ],
        tags="sample_data",
    )
