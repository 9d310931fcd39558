"""From a segmenter's predictions to tuned settings and encoded masks; free of Keras."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from steel_defects.decision.answers import SheetPrediction
from steel_defects.decision.postprocessing import (
    ClassPostprocessing,
    PostprocessingGrid,
    class_presence,
    sheet_masks,
)
from steel_defects.decision.postprocessing_tuning import ClassTuner
from steel_defects.labels import rle as run_length
from steel_defects.prediction.inference import shrink_maps

#: Sheet, its height and width, pixels, and what a segmenter says of it.
Predicted = tuple[str, int, int, SheetPrediction]


def measure_classes(
    predicted: Iterable[Predicted],
    masks: Mapping[tuple[str, int], str],
    gate_scores: Mapping[str, float],
    grids: Sequence[PostprocessingGrid],
    map_shrink: int = 1,
) -> list[ClassTuner]:
    """Measure every sheet at all settings of each class.

    Args:
        predicted: The sheets to tune on; each is looked at once.
        masks: Encoded mask of each (sheet, class) that is defective.
        gate_scores: Calibrated score of each sheet; sheets without one have no gate.
        grids: The values to try, for classes 1, 2, ….
        map_shrink: How many times shorter the maps' sides are than the sheet's.
    """
    tuners = [ClassTuner(grid, 1 / map_shrink**2) for grid in grids]
    for sheet_id, height, width, found in predicted:
        for k, tuner in enumerate(tuners):
            mask = run_length.decode(masks.get((sheet_id, k + 1), ""), height, width)
            truth = shrink_maps(mask[..., None] * 255, map_shrink)[..., 0] >= 128
            tuner.add(
                found.maps[..., k],
                truth.astype(np.uint8),
                float(found.presence[k]),
                gate_scores.get(sheet_id),
            )
    return tuners


def mask_rows(
    found: SheetPrediction,
    settings: Sequence[ClassPostprocessing],
    gate_score: float | None,
) -> Iterator[tuple[int, str, int, float]]:
    """Yield ``class_id, rle, area_px, score`` of each class; the score is its presence."""
    presence = class_presence(found.maps, found.presence, settings, gate_score)
    masks = sheet_masks(found.maps, presence, settings, gate_score)
    for k, mask in enumerate(masks):
        yield k + 1, run_length.encode(mask), int(mask.sum()), float(presence[k])


def gate_scores_of(table: pd.DataFrame | None, repeat: int | None) -> dict[str, float]:
    """Return the gate's score of each sheet.

    Args:
        table: ``sheet_id, repeat, score``; None without a gate.
        repeat: Of the cross-validation; None for the scores of the final gate.
    """
    if table is None:
        return {}
    rows = table["repeat"].isna() if repeat is None else table["repeat"].eq(repeat).fillna(False)
    return dict(table.loc[rows, ["sheet_id", "score"]].itertuples(index=False, name=None))


def cleared_sheets_of(table: pd.DataFrame | None, repeat: int) -> set[str]:
    """Return the sheets that the gate clears in a repeat of the cross-validation.

    Args:
        table: ``sheet_id, repeat, cleared``; None without a gate.
        repeat: Of the cross-validation.
    """
    if table is None:
        return set()
    rows = table["repeat"].eq(repeat).fillna(False) & table["cleared"]
    return set(table.loc[rows, "sheet_id"])
