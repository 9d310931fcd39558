"""Tables of the segmenters: how well they outline, and what they cost."""

import pandas as pd

from steel_defects.reporting.tables import Table, from_frame

Section = tuple[str, Table | None, str]

_KEYS = ["architecture", "evaluation", "sheets"]
_COST = (
    *("folds", "parameters", "learning_rate", "epochs", "training_seconds", "tta"),
    *("ms_per_sheet",),
)


def segmenter_sections(comparison: pd.DataFrame, chosen: object) -> list[Section]:
    """Split the comparison of segmenters into quality and cost.

    Args:
        comparison: ``segmentation_comparison``; any column may be missing.
        chosen: The architecture whose rows are marked.

    Returns:
        Heading, table and what to say in place of an empty one.
    """
    mark = {"architecture": chosen}
    cost = [name for name in _COST if name in comparison]
    quality = comparison.drop(columns=cost)
    sections = [
        ("Segmenters", from_frame("Architectures", quality, mark), "No segmenter was compared.")
    ]
    if cost and len(comparison):
        keys = [name for name in _KEYS if name in comparison]
        table = from_frame("Architectures, one sheet at a time", comparison[[*keys, *cost]], mark)
        sections.append(("Cost of the segmenters", table, ""))
    return sections
