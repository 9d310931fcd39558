"""Masks that are well-formed and look wrong, as tools and scripts leave them.

Each check knows one slip: pixels counted along rows, masks drawn for another size, inverted masks,
masks that were resized or saved as JPEG, classes counted from 0, cells that a spreadsheet cut.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.labels import rle as run_length
from steel_defects.labels.masks import Masks

Mask = NDArray[np.uint8]
Sizes = Mapping[str, tuple[int, int]]

_LOOKED_AT = 400  # masks that are decoded at most, spread over all
_EXAMPLES = 3
_LEAST_AREA = 64  # pixels; smaller masks look alike however they are read
# Outline of a mask that is read in the right order, as a share of that in the wrong one. Wrong
# orders tear masks into lines of one pixel.
_TORN = 0.6
# Chance of sound masks of different sheets to lie, all of them, in one part of the sheets.
_CHANCE = 0.01
_FEWEST_SHEETS = 5  # of which their place says anything
_SPECK = 4  # pixels of what compression leaves around a mask
_FEWEST_SPECKS = 8
_RIM = 2  # pixels, the width of what resizing leaves around a mask


@dataclass(frozen=True)
class Suspicion:
    """A slip that masks look like.

    Attributes:
        kind: What looks wrong, and what it may come from.
        masks: How many look so, of ``of`` that were looked at.
        examples: Sheets of some of them.
    """

    kind: str
    masks: int
    of: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.masks:,} of {self.of:,} masks {self.kind} (such as {self.examples[0]})"


def suspicions(masks: Masks, sizes: Sizes) -> list[Suspicion]:
    """List the slips that masks look like, the most frequent first.

    Args:
        masks: Sound ones, and what is known of the others.
        sizes: Height and width, pixels, of every sheet.
    """
    table = masks.table.reset_index(drop=True)
    step = max(1, len(table) // _LOOKED_AT)
    looked_at = table.iloc[::step]
    found = [
        _row_wise(looked_at, sizes),
        _of_other_size(table, sizes),
        _inverted(table, sizes),
        _rims(looked_at, sizes),
        _specks(looked_at, sizes),
        *_of_source(masks),
    ]
    return sorted((one for one in found if one.masks), key=lambda one: -one.masks / one.of)


def _suspicion(kind: str, sheets: list[str], of: int) -> Suspicion:
    return Suspicion(kind, len(sheets), of, tuple(dict.fromkeys(sheets))[:_EXAMPLES])


def _of_source(masks: Masks) -> Iterator[Suspicion]:
    """What the file itself shows; the sheets are those of its findings."""
    first = next((finding.sheet_id for finding in masks.findings), "")
    kind = "have class 0, and none the highest: the classes may be counted from 0"
    yield Suspicion(kind, masks.labels if masks.from_zero else 0, masks.labels, (first,))
    kind = "are as long as the longest cell of a spreadsheet, which cut them"
    yield Suspicion(kind, masks.cut, masks.labels, (first,))


def _row_wise(table: pd.DataFrame, sizes: Sizes) -> Suspicion:
    """Masks that are whole only if their pixels are counted along rows."""

    def torn(rle: str, size: tuple[int, int]) -> bool:
        mask = run_length.decode(rle, *size)
        return _outline(_along_rows(mask)) < _TORN * _outline(mask)

    kind = "are whole only if read along rows; runs go down the columns"
    return _each(kind, torn, table[table["area_px"] >= _LEAST_AREA], sizes)


def _each(
    kind: str, looks_so: Callable[[str, tuple[int, int]], bool], table: pd.DataFrame, sizes: Sizes
) -> Suspicion:
    rows = zip(table["sheet_id"], table["rle"], strict=True)
    sheets = [sheet_id for sheet_id, rle in rows if looks_so(rle, sizes[sheet_id])]
    return _suspicion(kind, sheets, len(table))


def _along_rows(mask: Mask) -> Mask:
    """Read the runs of a mask, which go down the columns, along the rows."""
    return mask.T.reshape(mask.shape)


def _outline(mask: Mask) -> int:
    """Count the pairs of neighbouring pixels of which one is defective."""
    down, across = mask[1:] != mask[:-1], mask[:, 1:] != mask[:, :-1]
    return int(np.count_nonzero(down) + np.count_nonzero(across))


def _of_other_size(table: pd.DataFrame, sizes: Sizes) -> Suspicion:
    """Masks that all lie in the first part of the runs' order, as those of smaller pictures do."""
    kind = "lie in one part of every sheet, as if drawn for smaller pictures"
    ends = [_end(rle) for rle in table["rle"]]
    pixels = np.array([np.prod(sizes[sheet_id]) for sheet_id in table["sheet_id"]], np.int64)
    shares = (np.array(ends) / np.maximum(pixels, 1)).tolist()
    last = pd.Series(shares, dtype=float).groupby(table["sheet_id"].to_numpy()).max()
    share = float(last.max()) if len(last) else 1.0
    if len(last) < _FEWEST_SHEETS or share > 0.5 or share ** len(last) > _CHANCE:
        return _suspicion(kind, [], len(table))
    return _suspicion(kind, table["sheet_id"].tolist(), len(table))


def _end(rle: str) -> int:
    start, length = rle.rsplit(maxsplit=2)[-2:]
    return int(start) + int(length) - 1


def _inverted(table: pd.DataFrame, sizes: Sizes) -> Suspicion:
    """Masks of classes that cover more than half of most of their sheets."""
    pixels = pd.Series([np.prod(sizes[s]) for s in table["sheet_id"]], table.index, dtype=float)
    covering = table["area_px"] > pixels / 2
    most = covering.groupby(table["class_id"]).transform("mean") > 0.5
    kind = "cover more than half of the sheet, as all of the class do: they may be inverted"
    return _suspicion(kind, table.loc[covering & most, "sheet_id"].tolist(), len(table))


def _rims(table: pd.DataFrame, sizes: Sizes) -> Suspicion:
    """Masks that are a rim of the classes above them, as interpolation between values leaves it."""
    sheets = []
    for sheet_id, rows in table.groupby("sheet_id"):
        size = sizes[str(sheet_id)]
        masks = {int(k): run_length.decode(rle, *size)
                 for k, rle in zip(rows["class_id"], rows["rle"], strict=True)}  # fmt: skip
        for class_id, mask in masks.items():
            above = [other for k, other in masks.items() if k > class_id]
            if above and _is_rim(mask, np.maximum.reduce(above)):
                sheets.append(str(sheet_id))
    kind = "are a thin rim of another class: they may have been resized"
    return _suspicion(kind, sheets, len(table))


def _is_rim(mask: Mask, other: Mask) -> bool:
    """Say whether a mask is thin and lies around another."""
    size = 2 * _RIM + 1
    around = cv2.dilate(other, np.ones((size, size), np.uint8))
    thick = cv2.erode(mask, np.ones((_RIM + 1, _RIM + 1), np.uint8), borderValue=0)
    return bool(mask[around == 0].sum() <= 0.05 * mask.sum() and not thick.any())


def _specks(table: pd.DataFrame, sizes: Sizes) -> Suspicion:
    """Masks of many specks, as compression leaves them."""

    def speckled(rle: str, size: tuple[int, int]) -> bool:
        mask = run_length.decode(rle, *size)
        count, _, figures, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        areas = figures[1:count, cv2.CC_STAT_AREA]
        specks = int(np.count_nonzero(areas <= _SPECK))
        return specks >= max(_FEWEST_SPECKS, 0.6 * len(areas))

    kind = "are specks for the most part: they may have been saved as JPEG"
    return _each(kind, speckled, table, sizes)
