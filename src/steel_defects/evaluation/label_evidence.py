"""What is labelled on sheets, and what networks that had not seen them say: class by class.

A prediction counts only where no training saw the sheet. Of several answers for a sheet, one a
repeat of a cross-validation, the mean of the scores counts, and the pixels that at least half of
them outline.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from steel_defects.errors import SteelDefectsError
from steel_defects.labels import rle as run_length
from steel_defects.labels.masks import masks_by_sheet, sizes_by_sheet
from steel_defects.threads import map_in_order

Mask = NDArray[np.uint8]
Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]
Shares = NDArray[np.float32]
Size = tuple[int, int]

_LONGEST = 128  # pixels of the longer side at which masks are moved against each other
# Share of the shorter side by which a mask may be off and still lie at its place.
_NEAR = 0.06
_PLACES = 20  # that are tried for a copy


@dataclass(frozen=True)
class LabelEvidence:
    """Labels and answers; arrays are of shape ``(sheets, classes)``.

    Attributes:
        sheet_ids: The sheets.
        evaluations: Where the answers for each sheet come from: ``out_of_fold``, or its split.
        presence: Score with which the class occurs, 0 to 1.
        labelled_px: Pixels of the labelled mask.
        predicted_px: Pixels of the predicted mask.
        overlap: Intersection over union of both; 0 where one of them is empty.
        place: Of both masks at a smaller size, their overlap, and by how much it would rise if the
            labelled one lay elsewhere; ``(sheets, classes, 2)``, 0 to 1.
        moved_place: The same of a copy of the labelled mask that was moved by chance.
        taken_for: Unlabelled class whose predicted mask fits the labelled one best; 0 for none.
        taken_overlap: Intersection over union of those two.
    """

    sheet_ids: tuple[str, ...]
    evaluations: tuple[str, ...]
    presence: Numbers
    labelled_px: Counts
    predicted_px: Counts
    overlap: Numbers
    place: Numbers
    moved_place: Numbers
    taken_for: Counts
    taken_overlap: Numbers

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Whether the sheet is labelled with the class."""
        return np.asarray(self.labelled_px > 0)


class SheetMasks:
    """Masks of sheets, labelled and predicted, which are decoded when they are asked for."""

    def __init__(
        self, predictions: pd.DataFrame, annotations: pd.DataFrame, sheets: pd.DataFrame
    ) -> None:
        self._sizes = sizes_by_sheet(sheets)
        self._labelled = masks_by_sheet(annotations[annotations["rle"] != ""])
        self._predicted: dict[str, dict[int, list[str]]] = {}
        columns = predictions[["sheet_id", "class_id", "rle"]]
        for sheet_id, class_id, rle in columns.itertuples(index=False, name=None):
            self._predicted.setdefault(sheet_id, {}).setdefault(int(class_id), []).append(rle)

    def labelled(self, sheet_id: str) -> dict[int, Mask]:
        """Return the labelled masks of a sheet, by class, ``(height, width)``, 0 or 1."""
        encoded = self._labelled.get(sheet_id, {})
        size = self._sizes[sheet_id]
        return {class_id: run_length.decode(rle, *size) for class_id, rle in encoded.items()}

    def predicted(self, sheet_id: str) -> dict[int, Mask]:
        """Return the predicted masks of a sheet that are not empty, by class."""
        answers = self._predicted.get(sheet_id, {})
        masks = {k: _voted(rles, self._sizes[sheet_id]) for k, rles in answers.items()}
        return {k: mask for k, mask in masks.items() if mask is not None and mask.any()}


def _voted(rles: Sequence[str], size: Size) -> Mask | None:
    """Return the pixels that at least half of some encoded masks have; None for surely none."""
    drawn = [rle for rle in rles if rle]
    if not drawn or 2 * len(drawn) < len(rles):
        return None
    if len(rles) == 1:
        return run_length.decode(drawn[0], *size)
    votes = sum(run_length.decode(rle, *size).astype(np.int64) for rle in drawn)
    return np.asarray(2 * votes >= len(rles), np.uint8)


def unseen_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of ``predictions`` on sheets that training had not seen.

    Out-of-fold rows come first; of sheets without any, those of the held-out splits count.

    Returns:
        These rows, with ``evaluation``: ``out_of_fold``, or the split.
    """
    out_of_fold = predictions["repeat"].notna()
    covered = set(predictions.loc[out_of_fold, "sheet_id"])
    held_out = (predictions["split"] != "train") & ~predictions["sheet_id"].isin(covered)
    rows = predictions[out_of_fold | held_out]
    names = rows["split"].astype(object).where(rows["repeat"].isna(), "out_of_fold")
    return rows.assign(evaluation=names.astype("str"))


def gather_evidence(unseen: pd.DataFrame, masks: SheetMasks, classes: int) -> LabelEvidence:
    """Set labels and answers side by side, in the order of the sheets' names.

    Args:
        unseen: ``sheet_id, class_id, evaluation, score`` of :func:`unseen_predictions`.
        masks: Of the same sheets.
        classes: Number of classes.

    Raises:
        SteelDefectsError: A prediction or a label is of a class beyond that number.
    """
    presence = unseen.pivot_table(index="sheet_id", columns="class_id", values="score")
    _refuse_other_classes("predictions", presence.columns, classes)
    presence = presence.reindex(columns=range(1, classes + 1)).fillna(0.0)
    evaluations = unseen.drop_duplicates("sheet_id").set_index("sheet_id")["evaluation"]
    ids = presence.index.tolist()

    def measure(sheet_id: str) -> dict[str, NDArray[Any]]:
        return _pixel_evidence(masks.labelled(sheet_id), masks.predicted(sheet_id), classes)

    measured = list(map_in_order(measure, ids))
    arrays: dict[str, Any] = {
        name: np.stack([one[name] for one in measured]) for name in measured[0]
    }
    return LabelEvidence(
        sheet_ids=tuple(ids),
        evaluations=tuple(evaluations.loc[ids]),
        presence=presence.to_numpy(float),
        **arrays,
    )


def _refuse_other_classes(source: str, found: "pd.Index[int]", classes: int) -> None:
    if len(found) and max(found) > classes:
        raise SteelDefectsError(
            f"{source} name class {max(found)}, and class_names has {classes}; run the pipelines "
            "data_engineering and segmentation again"
        )


def _pixel_evidence(
    labelled: Mapping[int, Mask], predicted: Mapping[int, Mask], classes: int
) -> dict[str, NDArray[Any]]:
    """Measure the masks of one sheet; the arrays of :class:`LabelEvidence` without the sheets."""
    _refuse_other_classes("annotations", pd.Index(list(labelled), dtype="int64"), classes)
    counts = {n: np.zeros(classes, np.int64) for n in ("labelled_px", "predicted_px", "taken_for")}
    shares = {name: np.zeros(classes) for name in ("overlap", "taken_overlap")}
    places = {name: np.zeros((classes, 2)) for name in ("place", "moved_place")}
    for class_id, mask in predicted.items():
        counts["predicted_px"][class_id - 1] = mask.sum()
    for class_id, mask in labelled.items():
        k = class_id - 1
        counts["labelled_px"][k] = mask.sum()
        if class_id in predicted:
            shares["overlap"][k] = run_length.overlap(mask, predicted[class_id])
            places["place"][k], places["moved_place"][k] = _places(mask, predicted[class_id])
        fits = {one: run_length.overlap(mask, seen) for one, seen in predicted.items()
                if one not in labelled}  # fmt: skip
        if fits:
            counts["taken_for"][k] = max(fits, key=lambda one: fits[one])
            shares["taken_overlap"][k] = max(fits.values())
    return counts | shares | places


# --- where masks lie ----------------------------------------------------------------------------


def _places(mask: Mask, seen: Mask) -> tuple[tuple[float, float], tuple[float, float]]:
    small, target = _shrunk(mask), _shrunk(seen)
    return place_of(small, target), place_of(_moved_by_chance(small), target)


def _shrunk(mask: Mask) -> Shares:
    """Return the share of each cell of a coarser grid that a mask covers, 0 to 1."""
    scale = min(1.0, _LONGEST / max(mask.shape))
    size = tuple(max(1, round(side * scale)) for side in mask.shape[::-1])
    covered = cv2.resize(mask * 255, size, interpolation=cv2.INTER_AREA)
    return np.asarray(covered / 255, np.float32)


def place_of(mask: Shares, seen: Shares) -> tuple[float, float]:
    """Return how much two masks overlap, and how much more if one of them were moved.

    A move by less than 6 % of the shorter side is none: outlines differ by so much. What would be
    gained by a longer one is the overlap at the best place less that near the mask's own.

    Args:
        mask: Of shape ``(height, width)``, 0 to 1.
        seen: Of the same shape.

    Returns:
        Intersection over union, 0 to 1, and what would be gained, 0 to 1.
    """
    common = fftconvolve(seen, mask[::-1, ::-1])
    overlaps = common / np.maximum(float(mask.sum() + seen.sum()) - common, 1e-6)
    near = _near_moves(*mask.shape)
    far = overlaps[~near].max(initial=0.0)
    here = float(overlaps[mask.shape[0] - 1, mask.shape[1] - 1])
    return float(np.clip(here, 0, 1)), float(np.clip(far - overlaps[near].max(), 0, 1))


@cache
def _near_moves(height: int, width: int) -> NDArray[np.bool_]:
    """Say which of all moves of a picture over another leave it at its place."""
    down, across = np.ogrid[1 - height : height, 1 - width : width]
    return np.asarray(np.hypot(down, across) <= max(1.0, _NEAR * min(height, width)))


def _moved_by_chance(mask: Shares) -> Shares:
    """Return a copy of a mask that lies elsewhere on the sheet, the same for the same mask.

    It is moved by an eighth of the shorter side or more, as far as half the longer one, and at
    least half of it stays on the sheet; where no place of a few is such, the last one tried.
    """
    rng = np.random.default_rng(int(1000 * mask.sum()))
    copy: Any = mask
    for _ in range(_PLACES):
        length = rng.uniform(min(mask.shape) / 8, max(mask.shape) / 2)
        angle = rng.uniform(0, 2 * np.pi)
        across, down = length * np.cos(angle), length * np.sin(angle)
        to = np.array([[1, 0, round(across)], [0, 1, round(down)]], np.float32)
        copy = cv2.warpAffine(mask, to, mask.shape[::-1], flags=cv2.INTER_NEAREST)
        if 2 * copy.sum() >= mask.sum():
            break
    return np.asarray(copy, np.float32)
