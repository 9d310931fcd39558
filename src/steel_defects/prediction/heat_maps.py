"""Grad-CAM maps of many sheets, as a table."""

from collections.abc import Iterator, Sequence

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.images.gray_cache import SheetReader
from steel_defects.images.reading import resize
from steel_defects.prediction.grad_cam import GradCam
from steel_defects.prediction.sheet_scores import sheets_at_once
from steel_defects.tables.declared import HEAT_MAPS
from steel_defects.threads import map_in_order


def heat_map_table(
    classifier: keras.Model, folder: SheetReader, sheets: pd.DataFrame, threads: int = 0
) -> pd.DataFrame:
    """Explain a classifier's scores.

    Args:
        classifier: From gray sheets to the probability of a defect.
        folder: Where the pictures are.
        sheets: ``sheet_id, path``, one row a sheet.
        threads: Threads that read; 0 for one a core.

    Returns:
        One row per sheet: ``sheet_id``, ``rows`` and ``columns`` of its map, and ``heat``, its
        values, row by row, as :class:`steel_defects.prediction.grad_cam.GradCam` gives them.
    """
    maps = heat_maps(classifier, folder, sheets["path"].tolist(), threads)
    rows = [
        (sheet_id, *heat.shape, heat.reshape(-1).tolist())
        for sheet_id, heat in zip(sheets["sheet_id"], maps, strict=True)
    ]
    return HEAT_MAPS.typed(rows)


def heat_maps(
    classifier: keras.Model, folder: SheetReader, paths: Sequence[str], threads: int = 0
) -> Iterator[NDArray[np.float32]]:
    """Yield the Grad-CAM map of each sheet, of shape ``(rows, columns)``."""
    explain = GradCam(classifier)
    size = (int(classifier.input_shape[1]), int(classifier.input_shape[2]))

    def read(index: int) -> NDArray[np.float32]:
        return resize(folder.read(paths[index]), size).astype(np.float32)[..., None]

    batch = sheets_at_once(size)
    waiting: list[NDArray[np.float32]] = []
    for number, image in enumerate(map_in_order(read, range(len(paths)), threads), start=1):
        waiting.append(image)
        if len(waiting) == batch or number == len(paths):
            yield from explain(np.stack(waiting))
            waiting = []
