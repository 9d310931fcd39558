"""Which class is taken for which, region by region."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from steel_defects.evaluation.detection_by_size import covered_regions
from steel_defects.evaluation.segmentation import sizes_of
from steel_defects.labels.masks import masks_by_sheet
from steel_defects.tables.declared import CLASS_CONFUSION

#: What stands in the place of a class: of defects that no prediction touches, and the reverse.
MISSED, FALSE_ALARM = "missed", "false alarm"


def class_confusion(
    predictions: pd.DataFrame,
    annotations: pd.DataFrame,
    sheets: pd.DataFrame,
    class_names: Sequence[str],
) -> pd.DataFrame:
    """Count true regions by the class that they were given, and predicted ones that touch none.

    A true region counts once: for the class whose predicted pixels cover most of it, its own one
    among equals, or as missed where none covers any. A predicted region without a pixel of any
    true one is a false alarm; one that touches a defect is no count of its own.

    Args:
        predictions: ``sheet_id, class_id, rle``, one row per sheet and class.
        annotations: The same of the defects.
        sheets: ``sheet_id, width, height``.
        class_names: Of class 1, 2, ….

    Returns:
        The table ``class_confusion`` without ``evaluation`` and ``sheets``: one row per class of
        the truth and class given, those that never occur included.
    """
    counts: Counter[tuple[int | None, int | None]] = Counter()
    sizes, truth = sizes_of(sheets), masks_by_sheet(annotations)
    given = masks_by_sheet(predictions[predictions["rle"] != ""])
    for sheet_id in predictions["sheet_id"].unique():
        true, seen = truth.get(sheet_id, {}), given.get(sheet_id, {})
        for class_id, rle in true.items():
            regions = covered_regions(rle, seen, *sizes[sheet_id])
            counts.update((class_id, _taken_for(class_id, covered)) for _, covered in regions)
        for class_id, rle in seen.items():
            regions = covered_regions(rle, true, *sizes[sheet_id])
            counts.update((None, class_id) for _, covered in regions if not any(covered.values()))
    return _table(counts, class_names)


def _taken_for(class_id: int, covered: Mapping[int, int]) -> int | None:
    """Return the class with the most pixels in a region; None where there is none."""
    if not any(covered.values()):
        return None
    return max(covered, key=lambda other: (covered[other], other == class_id))


def _table(
    counts: Mapping[tuple[int | None, int | None], int], class_names: Sequence[str]
) -> pd.DataFrame:
    names = dict(enumerate(class_names, start=1))
    columns = [name for name in CLASS_CONFUSION.columns if name not in ("evaluation", "sheets")]
    rows = [
        (one, names.get(one or 0, FALSE_ALARM), other, names.get(other or 0, MISSED),
         counts.get((one, other), 0))
        for one in [*names, None]
        for other in [*names, None]
        if one or other
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
