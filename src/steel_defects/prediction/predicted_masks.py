"""Asking a segmenter for sheets, and turning its answers into settings and encoded masks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import repeat

import keras
import numpy as np
import pandas as pd

from steel_defects.decision.postprocessing import (
    ClassPostprocessing,
    PostprocessingGrid,
    SheetPrediction,
    class_presence,
    sheet_masks,
)
from steel_defects.decision.postprocessing_tuning import ClassTuner
from steel_defects.images.gray_cache import SheetReader
from steel_defects.labels import rle as run_length
from steel_defects.models.segmenters import required_stride
from steel_defects.prediction import inference
from steel_defects.prediction.inference import TestTimeAugmentation, shrink_maps
from steel_defects.threads import map_in_order

#: Sheet, its height and width, pixels, and what a segmenter says of it.
Predicted = tuple[str, int, int, SheetPrediction]


def predict_maps(
    model: keras.Model,
    folder: SheetReader,
    paths: Sequence[str],
    tta: TestTimeAugmentation = "none",
    void: Sequence[str] = (),
) -> Iterator[SheetPrediction]:
    """Let a segmenter predict whole sheets, one at a time; see :func:`predict_sheet`.

    ``void`` holds the encoded void pixels of each sheet, where nothing is predicted, so that they
    count neither for nor against a network; empty where there are none.
    """
    stride = required_stride(model)
    masks = void or repeat("")
    for image, rle in zip(map_in_order(folder.read, paths), masks, strict=False):
        answer = inference.predict_sheet(model.predict_on_batch, image, tta, stride)
        yield _without_void(answer, rle) if rle else answer


def _without_void(answer: SheetPrediction, rle: str) -> SheetPrediction:
    known = 1 - run_length.decode(rle, *answer.maps.shape[:2])
    return replace(answer, maps=answer.maps * known[..., None].astype(answer.maps.dtype))


def measure_speed(
    model: keras.Model, size: tuple[int, int], tta: TestTimeAugmentation = "none"
) -> float:
    """Return the median time of one sheet, milliseconds, after a warm-up."""
    sheet, stride = np.zeros(size, np.uint8), required_stride(model)
    ask = partial(inference.predict_sheet, model.predict_on_batch, sheet, tta, stride)
    return inference.percentiles_ms(ask, 5, (50,))[0]


def measure_classes(
    predicted: Iterable[Predicted],
    masks: Mapping[tuple[str, int], str],
    gate_scores: Mapping[str, float],
    grids: Sequence[PostprocessingGrid],
    map_shrink: int = 1,
) -> list[ClassTuner]:
    """Measure every sheet at all settings of each class, with one look at it.

    Masks are encoded, one for each (sheet, class) that is defective; gate scores calibrated, and
    sheets without one have no gate. Grids hold the values to try, for classes 1, 2, …. The sides of
    the maps are ``map_shrink`` times shorter than the sheet's.
    """
    tuners = [ClassTuner(grid, 1 / map_shrink**2) for grid in grids]
    for sheet_id, height, width, prediction in predicted:
        for k, tuner in enumerate(tuners):
            mask = run_length.decode(masks.get((sheet_id, k + 1), ""), height, width)
            truth = (shrink_maps(mask[..., None] * 255, map_shrink)[..., 0] >= 128).astype(np.uint8)
            presence = float(prediction.presence[k])
            tuner.add(prediction.maps[..., k], truth, presence, gate_scores.get(sheet_id))
    return tuners


def mask_rows(
    prediction: SheetPrediction, settings: Sequence[ClassPostprocessing], gate_score: float | None
) -> Iterator[tuple[int, str, int, float]]:
    """Yield ``class_id, rle, area_px, score`` of each class; the score is its presence."""
    presence = class_presence(prediction, settings, gate_score)
    masks = sheet_masks(prediction.maps, presence, settings, gate_score)
    for k, mask in enumerate(masks):
        yield k + 1, run_length.encode(mask), int(mask.sum()), float(presence[k])


def gate_scores_of(table: pd.DataFrame | None, repeat: int | None) -> dict[str, float]:
    """Return the score of each sheet, of a repeat's gates or, for None, of the final gate."""
    if table is None:
        return {}
    rows = table["repeat"].isna() if repeat is None else table["repeat"].eq(repeat).fillna(False)
    return table[rows].set_index("sheet_id")["score"].to_dict()


def cleared_sheets_of(table: pd.DataFrame | None, repeat: int) -> set[str]:
    """Return the sheets that the gates clear in a repeat of the cross-validation."""
    if table is None:
        return set()
    rows = table["repeat"].eq(repeat).fillna(False) & table["cleared"]
    return set(table.loc[rows, "sheet_id"])
