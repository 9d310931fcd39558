"""The pipeline that draws synthetic sheets."""

from collections.abc import Callable
from functools import partial

import pandas as pd
from kedro.pipeline import Pipeline

from steel_defects.data.config import SampleDataConfig
from steel_defects.pipelines.wiring import node

Pictures = dict[str, Callable[[], bytes]]


def create_pipeline() -> Pipeline:
    """From a seed to annotated sheets and to new ones."""
    nodes = [
        node(draw_annotated_sheets, ["raw_sheets", "raw_annotations"]),
        node(draw_new_sheets, "new_sheets"),
    ]
    return Pipeline(nodes, tags="sample_data")


def draw_annotated_sheets(sample_data: SampleDataConfig) -> tuple[Pictures, pd.DataFrame]:
    """Draw the sheets to learn from, and their annotations in today's Severstal layout."""
    from steel_defects.data.synthetic import draw_samples

    samples = list(draw_samples(sample_data, 0, sample_data.sheets))
    rows = [(s.name, class_id, rle) for s in samples for class_id, rle in sorted(s.masks.items())]
    table = pd.DataFrame(rows, columns=["ImageId", "ClassId", "EncodedPixels"])
    return {s.name: partial(bytes, s.jpeg) for s in samples}, table


def draw_new_sheets(sample_data: SampleDataConfig) -> Pictures:
    """Draw sheets to inspect, which training never sees."""
    from steel_defects.data.synthetic import draw_samples

    samples = draw_samples(sample_data, sample_data.sheets, sample_data.new_sheets)
    return {s.name: partial(bytes, s.jpeg) for s in samples}
