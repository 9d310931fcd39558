"""The pipeline that judges new sheets."""

from kedro.pipeline import Node, Pipeline

from .nodes import collect_results, draw_inspection_overlays, inspect_sheets


def create_pipeline() -> Pipeline:
    """From a folder of sheets and a model package to verdicts."""
    return Pipeline(
        [
            Node(
                inspect_sheets,
                inputs=[
                    "inspection_sheets",
                    "inspection_package",
                    "inspection_positions",
                    "inspection_jobs",
                    "params:inspection",
                    "params:positions",
                ],
                outputs="inspection_job",
                name="inspect_sheets",
            ),
            Node(
                collect_results,
                inputs=["inspection_job", "inspection_jobs", "inspection_package"],
                outputs=[
                    "verdicts",
                    "defects",
                    "submission",
                    "inspection_summary",
                    "inspection_timing",
                ],
                name="collect_results",
            ),
            Node(
                draw_inspection_overlays,
                inputs=[
                    "inspection_summary",
                    "inspection_jobs",
                    "inspection_sheets",
                    "inspection_package",
                    "params:inspection",
                ],
                outputs="inspection_overlays",
                name="draw_inspection_overlays",
            ),
        ],
        tags="inspection",
    )
