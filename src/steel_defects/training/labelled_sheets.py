"""What classifiers learn from: whole sheets, whether they are defective, and roughly where."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.images.gray_cache import SheetReader
from steel_defects.images.reading import resize
from steel_defects.labels import rle as run_length
from steel_defects.labels.masks import UNKNOWN, VOID, masks_by_sheet, void_of
from steel_defects.training.augmentation import Augmentation
from steel_defects.training.loader import Array, Example
from steel_defects.training.windows import Gray

#: Resized sheets that are kept after the first epoch; what is beyond is read and resized again.
_KEPT_BYTES = 2**28
#: Share of a cell of the auxiliary mask from which the cell counts as defective.
_CELL_SHARE = 0.005


@dataclass(frozen=True)
class LabelledSheets:
    """Sheets with what is needed to learn from them.

    ``sheets`` holds ``sheet_id, path, height, width, sha256, has_defect``, one row per sheet, and
    ``masks`` the encoded masks of each defective one, by class; that of void pixels is 0.
    """

    folder: SheetReader
    sheets: pd.DataFrame
    masks: dict[str, dict[int, str]]

    def subset(self, sheet_ids: Iterable[str]) -> "LabelledSheets":
        """Return some of the sheets, in the table's order."""
        rows = self.sheets[self.sheets["sheet_id"].isin(set(sheet_ids))]
        return replace(self, sheets=rows.reset_index(drop=True))

    @property
    def has_void(self) -> bool:
        """Whether the auxiliary mask may hold 2."""
        return any(VOID in masks for masks in self.masks.values())

    @property
    def kinds(self) -> dict[str, str]:
        """Whether each sheet is defective, as text: what parts of the sheets share evenly."""
        return self.sheets.set_index("sheet_id")["has_defect"].map(str).to_dict()

    @property
    def labels(self) -> NDArray[np.bool_]:
        """Whether each sheet is defective."""
        return self.sheets["has_defect"].to_numpy(bool)

    @property
    def content(self) -> list[object]:
        """What identifies pictures and masks, in order: a checkpoint belongs to these alone."""
        return [
            (sheet_id, digest, sorted(self.masks.get(sheet_id, {}).items()))
            for sheet_id, digest in zip(self.sheets["sheet_id"], self.sheets["sha256"], strict=True)
        ]


def labelled_sheets(
    folder: SheetReader, sheets: pd.DataFrame, annotations: pd.DataFrame
) -> LabelledSheets:
    """Join the tables of data engineering."""
    masks = masks_by_sheet(annotations)
    for sheet_id, rle in void_of(sheets).items():
        masks.setdefault(sheet_id, {})[VOID] = rle
    return LabelledSheets(folder, sheets.reset_index(drop=True), masks)


def sheet_reader(
    data: LabelledSheets,
    size: tuple[int, int],
    augmentation: Augmentation,
    grid: tuple[int, int] | None = None,
) -> Callable[[int, np.random.Generator], Example]:
    """Return a function that reads and augments one training example, by a sheet's number.

    An example holds ``sheet``, uint8 of the input's height and width, pixels, with one channel,
    ``score``, ``(1,)``, 1 for defective, ``weight``, a number, and, if there is a grid, the
    auxiliary ``mask``, ``(*grid, 1)``, 1 for cells that show a defect and 2 for others with void
    pixels; the last three are float32.
    """
    weights = class_weights(data.labels)
    rows = list(data.sheets[["sheet_id", "path", "height", "width", "has_defect"]].itertuples())
    kept: dict[int, tuple[Gray, list[NDArray[np.float32]]]] = {}

    def prepared(index: int) -> tuple[Gray, list[NDArray[np.float32]]]:
        if index in kept:
            return kept[index]
        row = rows[index]
        small = resize(data.folder.read(row.path), size)
        encoded = data.masks.get(row.sheet_id, {})
        masks = [_cells(encoded, (row.height, row.width), grid)] if grid else []
        if len(kept) * small.size < _KEPT_BYTES:
            kept[index] = small, masks
        return small, masks

    def read(index: int, rng: np.random.Generator) -> Example:
        small, masks = augmentation.turn(*prepared(index), rng)
        defective = bool(rows[index].has_defect)
        example = labelled(augmentation.shade(small, rng)[..., None], defective, weights)
        return {**example, "mask": masks[0][..., None]} if masks else example

    return read


def labelled(sheet: Array, defective: bool, weights: Mapping[bool, float]) -> Example:
    """Return an example without a mask; the weight is that of its kind."""
    score, weight = np.array([defective], np.float32), np.array(weights[defective], np.float32)
    return {"sheet": sheet, "score": score, "weight": weight}


def _cells(
    masks: Mapping[int, str], size: tuple[int, int], grid: tuple[int, int]
) -> NDArray[np.float32]:
    """Return the cells of a grid that show a defect of any class, ``(rows, columns)``.

    They are 1, others with void pixels 2, and the rest 0.
    """
    cells, void = np.zeros(grid, np.float32), np.zeros(grid, np.bool_)
    for class_id, rle in masks.items():
        mask = run_length.decode(rle, *size).astype(np.float32)
        share = cv2.resize(mask, grid[::-1], interpolation=cv2.INTER_AREA)
        if class_id == VOID:
            void = share > _CELL_SHARE
        else:
            cells = np.maximum(cells, share > _CELL_SHARE)
    return np.where(void & (cells == 0), np.float32(UNKNOWN), cells)


def class_weights(labels: NDArray[np.bool_]) -> dict[bool, float]:
    """Weigh clean and defective sheets so that both kinds count equally."""
    share = float(labels.mean())
    if share in (0.0, 1.0):
        return {False: 1.0, True: 1.0}
    return {False: 0.5 / (1 - share), True: 0.5 / share}
