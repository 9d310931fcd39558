"""Whether splits leak: how close held-out sheets come to training sheets, and what memory scores.

The lookup baseline learns nothing: it answers each held-out sheet with the masks of the nearest
training sheet, turned as the picture has to be. Where it scores well, so would a model that has
only memorised, and a score says little about new steel.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.data.inventory import fingerprints_of
from steel_defects.data.search import best_orientation, by_shape, nearest
from steel_defects.data.similar import COPY_SCORE, copy_scores
from steel_defects.images.orientations import brought_over
from steel_defects.labels import rle as run_length
from steel_defects.tables.declared import LEAKAGE

Masks = Mapping[str, Mapping[int, str]]
ReadPath = Callable[[str], NDArray[np.uint8]]

HELD_OUT = ("validation", "calibration", "test")


@dataclass(frozen=True)
class Neighbours:
    """Held-out sheets, the training sheet nearest to each (by their rows), and how similar it is.

    The orientation, that of the best similarity, brings the training sheet over the held-out one.
    """

    sheet: NDArray[np.int64]
    nearest: NDArray[np.int64]
    similarity: NDArray[np.float32]
    orientation: NDArray[np.int64]


def find_neighbours(inventory: pd.DataFrame, parts: Sequence[str], held_out: str) -> Neighbours:
    """Find the nearest training sheet of each sheet of a split, by their ``fingerprint``."""
    part = np.array(parts)
    empty = np.zeros(0, np.int64)
    answers = [(empty, empty, np.zeros(0, np.float32), empty)]
    for shape, rows, prints in by_shape(fingerprints_of(inventory)):
        asked, known = part[rows] == held_out, part[rows] == "train"
        if asked.any() and known.any():
            number, similarity = nearest(prints[asked], prints[known], shape)
            turns = best_orientation(prints[known][number], prints[asked], shape)
            answers.append((rows[asked], rows[known][number], similarity, turns))
    return Neighbours(*(np.concatenate(column) for column in zip(*answers, strict=True)))


def leakage_table(
    inventory: pd.DataFrame, divisions: Mapping[str, Sequence[str]], read: ReadPath
) -> pd.DataFrame:
    """Compare held-out sheets with training sheets, under one or more ways to divide them.

    Args:
        inventory: ``path, fingerprint`` of each sheet.
        divisions: Split of each sheet, by the name of the way to divide.
        read: Reads a picture by its path.

    Returns:
        One row per division and held-out split: how similar its sheets are to their nearest
        training sheets, and in ``copies`` how many are copies of them, pixel by pixel.
    """
    paths = inventory["path"].tolist()
    rows = []
    for (division, parts), held_out in product(divisions.items(), HELD_OUT):
        near = find_neighbours(inventory, parts, held_out)
        if not len(near.sheet):
            continue
        pairs = np.stack((near.nearest, near.sheet, near.orientation), axis=1).tolist()
        scores = copy_scores(pairs, lambda number: read(paths[number]))
        # Fingerprints are kept in half precision, which may bring equal ones above 1.
        similarity = np.clip(near.similarity, -1, 1)
        figures = (*np.quantile(similarity, [0.5, 0.95]), similarity.max())
        copies = sum(score >= COPY_SCORE for score in scores)
        rounded = (round(float(figure), 4) for figure in figures)
        rows.append((division, held_out, len(pairs), *rounded, copies))
    return LEAKAGE.typed(rows)


def lookup_baseline(
    inventory: pd.DataFrame, masks: Masks, parts: Sequence[str], classes: int
) -> dict[str, Any]:
    """Score the masks of the nearest training sheet on the test sheets.

    Args:
        inventory: ``sheet_id, height, width, fingerprint`` of each sheet.
        masks: Encoded masks by sheet and class.
        parts: Split of each sheet.
        classes: Number of defect classes.

    Returns:
        ``sheets``; ``mean_dice`` and ``mean_iou`` over all (sheet, class) pairs, where two empty
        masks agree fully; ``all_empty_dice``, which finding nothing scores; None without sheets.
    """
    nearby = find_neighbours(inventory, parts, "test")
    rows = list(inventory[["sheet_id", "height", "width"]].itertuples(index=False, name=None))
    scores = [
        pair
        for sheet, other, turn in zip(nearby.sheet, nearby.nearest, nearby.orientation, strict=True)
        for pair in _pair_scores(rows[sheet], rows[other], int(turn), masks, classes)
    ]
    names = ("mean_dice", "mean_iou", "all_empty_dice")
    means = np.mean(scores, axis=0).round(4).tolist() if scores else [None] * len(names)
    return {"sheets": len(nearby.sheet), **dict(zip(names, means, strict=True))}


def _pair_scores(
    sheet: tuple[str, int, int],
    other: tuple[str, int, int],
    orientation: int,
    masks: Masks,
    classes: int,
) -> Iterator[tuple[float, float, float]]:
    """Yield Dice, IoU and the Dice of finding nothing, for each class of a sheet."""
    truths, answers = masks.get(sheet[0], {}), masks.get(other[0], {})
    for class_id in range(1, classes + 1):
        truth, answer = truths.get(class_id, ""), answers.get(class_id, "")
        empty = float(not truth)
        if not truth or not answer:
            agree = float(not truth and not answer)
            yield agree, agree, empty
            continue
        one, two = run_length.decode(truth, *sheet[1:]), run_length.decode(answer, *other[1:])
        turned = np.ascontiguousarray(brought_over(two, orientation, sheet[1:]))
        # Sheets may differ in their size.
        size = one.shape[::-1]
        fitted = np.asarray(cv2.resize(turned, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        areas = (int((one & fitted).sum()), int(one.sum()), int(fitted.sum()))
        yield run_length.dice(*areas), run_length.iou(*areas), empty
