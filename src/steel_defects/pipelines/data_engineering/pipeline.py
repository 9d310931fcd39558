"""The pipeline from raw data to the canonical tables."""

from kedro.pipeline import Node, Pipeline

from steel_defects.pipelines.wiring import node

from . import nodes

_SECOND = {"segmenter_only": "params:data_engineering.segmenter_only"}


def create_pipeline(second: bool = False) -> Pipeline:
    """From pictures and masks to sheets, annotations, splits and tiles.

    With a ``second`` folder, from those that are for segmenters alone, too.
    """
    return Pipeline([*_tables(second), *_checks(second)], tags="data_engineering")


def _tables(second: bool) -> list[Node]:
    """What is in the folder, or in two, what is similar in it, and the canonical tables."""
    pictures = ("segmenter_only_sheets",) if second else ()
    masks = (*pictures, "segmenter_only_annotations") if second else ()
    alone = _SECOND if second else {}
    labels = ["annotations", "findings", "label_corrections", "void_pixels"]
    splits, backbones = ["splits", "split_assignments"], "params:backbones"
    return [
        node(nodes.inventory_sheets, "sheet_inventory", *pictures),
        node(nodes.compare_sheets, "similar_sheets"),
        node(nodes.group_similar_sheets, "sheet_groups"),
        node(nodes.check_annotations, labels, *masks),
        node(nodes.build_sheets, "sheets", **alone),
        node(nodes.locate_sheets, ["sheet_positions", "position_findings"], **alone),
        node(nodes.split_sheets, splits, backbones=backbones),
        node(nodes.tile_sheets, "tiles"),
    ]


def _checks(second: bool) -> list[Node]:
    """What people should know about the data."""
    return [
        node(nodes.report_quality, "data_quality"),
        node(nodes.measure_leakage, ["leakage", "lookup_baseline"]),
        node(nodes.find_oddest_sheets, "oddest_sheets", **(_SECOND if second else {})),
        node(nodes.draw_oddest_sheets, "oddest_sheets_figure"),
    ]
