"""The pipeline that sends work to the people who label."""

from kedro.pipeline import Pipeline

from steel_defects.pipelines.wiring import node

from . import nodes


def create_pipeline() -> Pipeline:
    """From predictions, inspected sheets and labels to a job for a labelling tool."""
    parts = [
        node(nodes.rank_label_issues, "label_issues"),
        node(nodes.make_labelling_job, ["labelling_job", "labelling_sheets"]),
    ]
    return Pipeline(parts, tags="labelling")
