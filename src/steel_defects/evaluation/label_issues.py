"""Labels that are worth a second look: which of them, why, and where on the sheet."""

from collections.abc import Sequence
from functools import reduce

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.evaluation.label_doubt import (
    CLASS,
    EXTRA,
    KINDS,
    MISSING,
    Doubts,
    doubt_labels,
)
from steel_defects.evaluation.label_evidence import (
    LabelEvidence,
    SheetMasks,
    gather_evidence,
    unseen_predictions,
)
from steel_defects.tables.declared import LABEL_ISSUES

Mask = NDArray[np.uint8]
Box = tuple[int, int, int, int]


def label_issues(
    predictions: pd.DataFrame,
    annotations: pd.DataFrame,
    sheets: pd.DataFrame,
    class_names: Sequence[str],
) -> pd.DataFrame:
    """Rank the labels that answers of networks cast doubt on, the most doubtful first.

    A label is a class on a sheet, present or absent. It is listed where the answers speak against
    it: a class is there that they hold for absent, or the reverse, or its mask has another class's
    place, or none. The score is the probability that it is wrong if one sheet in twenty is. What
    one mistake explains has one row: a mask of the wrong class is listed with the class that it
    has, and not again as missing from the other.

    Args:
        predictions: ``sheet_id, split, repeat, fold, class_id, rle, area_px, score``. Out-of-fold
            rows count and, of sheets without any, those of splits that training did not see;
            sheets without either are not ranked, nor are those that ``sheets`` lacks.
        annotations: ``sheet_id, class_id, rle, area_px``, one row per sheet and class that is
            labelled.
        sheets: ``sheet_id, width, height``.
        class_names: Of class 1, 2, ….

    Returns:
        The table ``label_issues``, one row per sheet and class.

    Raises:
        SteelDefectsError: A prediction or a label is of a class that has no name.
    """
    known = set(sheets["sheet_id"])
    unseen = unseen_predictions(predictions[predictions["sheet_id"].isin(known)])
    if unseen.empty:
        return LABEL_ISSUES.empty()
    labels = annotations[annotations["sheet_id"].isin(set(unseen["sheet_id"]))]
    masks = SheetMasks(unseen, labels, sheets)
    evidence = gather_evidence(unseen, masks, len(class_names))
    doubts = doubt_labels(evidence)
    listed = _in_order(evidence, doubts)
    rows = [
        _row(rank, place, evidence, doubts, class_names) | _box(place, evidence, doubts, masks)
        for rank, place in enumerate(listed, start=1)
    ]
    return LABEL_ISSUES.typed(rows)


def _in_order(evidence: LabelEvidence, doubts: Doubts) -> list[tuple[int, int]]:
    """Return sheet and class, by their places, of what is listed; equals by name and class."""
    sheets, classes = np.nonzero(doubts.scores > 0)
    scores = doubts.scores[sheets, classes]
    order = np.lexsort((classes, sheets, -scores))  # sheets are sorted by their names
    return list(zip(sheets[order].tolist(), classes[order].tolist(), strict=True))


def _row(
    rank: int,
    place: tuple[int, int],
    evidence: LabelEvidence,
    doubts: Doubts,
    class_names: Sequence[str],
) -> dict[str, object]:
    sheet, k = place
    kind = int(doubts.kinds[place])
    taken_for = int(evidence.taken_for[place]) if kind == CLASS else None
    overlap = evidence.taken_overlap if kind == CLASS else evidence.overlap
    return {
        "rank": rank,
        "sheet_id": evidence.sheet_ids[sheet],
        "class_id": k + 1,
        "class_name": class_names[k],
        "kind": KINDS[kind],
        "predicted_class_id": taken_for,
        "predicted_class_name": class_names[taken_for - 1] if taken_for else None,
        "score": float(doubts.scores[place]),
        "confident": bool(doubts.confident[place]),
        "labelled_px": int(evidence.labelled_px[place]),
        "predicted_px": int(evidence.predicted_px[sheet, (taken_for or k + 1) - 1]),
        "overlap": float(overlap[place]),
        "evaluation": evidence.evaluations[sheet],
    }


def _box(
    place: tuple[int, int], evidence: LabelEvidence, doubts: Doubts, masks: SheetMasks
) -> dict[str, object]:
    """Return the box of the region where label and answer disagree most; null where none is."""
    sheet_id, class_id = evidence.sheet_ids[place[0]], place[1] + 1
    labelled, predicted = masks.labelled(sheet_id), masks.predicted(sheet_id)
    kind, own, seen = doubts.kinds[place], labelled.get(class_id), predicted.get(class_id)
    region: Mask | None
    if kind == MISSING:
        region = seen
        if seen is not None and labelled:
            outside = seen & ~reduce(np.bitwise_or, labelled.values())
            region = outside if outside.any() else seen
    elif kind in (EXTRA, CLASS) or seen is None or own is None:
        region = own
    else:
        region = own ^ seen
    box = largest_region(region) if region is not None and region.any() else (None,) * 4
    return dict(zip(("x", "y", "width", "height"), box, strict=True))


def largest_region(mask: Mask) -> Box:
    """Return ``x, y, width, height``, pixels, of the largest 8-connected region of a mask.

    The mask is of shape ``(height, width)``, 0 or 1, and not empty.
    """
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    number = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    x, y, width, height = (int(value) for value in stats[number, :4])
    return x, y, width, height
