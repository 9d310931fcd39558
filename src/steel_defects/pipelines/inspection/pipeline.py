"""The pipeline that judges new sheets."""

from kedro.pipeline import Pipeline

from steel_defects.pipelines import named_node

from .nodes import collect_results, draw_inspection_overlays, inspect_sheets

_SHEETS, _PACKAGE, _JOBS = "inspection_sheets", "inspection_package", "inspection_jobs"
_CONFIG = "params:inspection"


def create_pipeline() -> Pipeline:
    """From a folder of sheets and a model package to verdicts."""
    nodes = [
        named_node(
            inspect_sheets,
            [_SHEETS, _PACKAGE, "inspection_positions", _JOBS, _CONFIG, "params:positions"],
            "inspection_job",
        ),
        named_node(
            collect_results,
            ["inspection_job", _JOBS, _PACKAGE],
            ["verdicts", "defects", "submission", "inspection_summary", "inspection_timing"],
        ),
        named_node(
            draw_inspection_overlays,
            ["inspection_summary", _JOBS, _SHEETS, _PACKAGE, _CONFIG],
            "inspection_overlays",
        ),
    ]
    return Pipeline(nodes, tags="inspection")
