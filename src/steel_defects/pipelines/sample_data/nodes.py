"""Nodes that draw synthetic sheets."""

from collections.abc import Callable
from functools import partial

import pandas as pd

from steel_defects.data.config import SampleDataConfig

Pictures = dict[str, Callable[[], bytes]]


def draw_annotated_sheets(sample_data: SampleDataConfig) -> tuple[Pictures, pd.DataFrame]:
    """Draw the sheets to learn from, and their annotations in today's Severstal layout."""
    from steel_defects.data.sample import draw_samples

    samples = list(draw_samples(sample_data, 0, sample_data.sheets))
    rows = [(s.name, class_id, rle) for s in samples for class_id, rle in sorted(s.masks.items())]
    table = pd.DataFrame(rows, columns=["ImageId", "ClassId", "EncodedPixels"])
    return {s.name: partial(bytes, s.jpeg) for s in samples}, table


def draw_new_sheets(sample_data: SampleDataConfig) -> Pictures:
    """Draw sheets to inspect, which training never sees."""
    from steel_defects.data.sample import draw_samples

    samples = draw_samples(sample_data, sample_data.sheets, sample_data.new_sheets)
    return {s.name: partial(bytes, s.jpeg) for s in samples}
