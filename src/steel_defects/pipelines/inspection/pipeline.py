"""The pipeline that judges new sheets."""

from kedro.pipeline import Pipeline

from steel_defects.pipelines.wiring import node

from . import nodes

_RESULTS = ["verdicts", "defects", "submission", "inspection_summary", "inspection_timing"]


def create_pipeline() -> Pipeline:
    """From a folder of sheets and a model package to verdicts."""
    parts = [
        node(nodes.inspect_sheets, "inspection_job"),
        node(nodes.collect_results, _RESULTS),
        node(nodes.list_sheets_to_check, "sheets_to_check"),
        node(nodes.draw_inspection_overlays, "inspection_overlays"),
        node(nodes.write_shift_results, ["inspection_table", "inspection_page"]),
    ]
    return Pipeline(parts, tags="inspection")
