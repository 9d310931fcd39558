"""The pipeline that exports a package."""

from kedro.pipeline import Node, Pipeline

from .nodes import export_networks, measure_latency, release_exports

_SHEETS = ["deployment_raw", "deployment_folder", "earlier_splits", "earlier_annotations"]


def create_pipeline() -> Pipeline:
    """From a package to a copy that other runtimes can run."""
    return Pipeline(
        [
            Node(
                export_networks,
                inputs=["inspection_package", *_SHEETS, "params:deployment", "params:inspection"],
                outputs=["export_candidates", "export_parity"],
                name="export_networks",
            ),
            Node(
                measure_latency,
                inputs=["export_candidates", *_SHEETS, "params:deployment"],
                outputs="latency",
                name="measure_latency",
            ),
            Node(
                release_exports,
                inputs=["export_candidates", "export_parity", "latency"],
                outputs="exports",
                name="release_exports",
            ),
        ],
        tags="deployment",
    )
