"""Windows of sheets, which segmentation trains on."""

from collections.abc import Mapping
from functools import cache, partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.labels import rle as run_length

Windows = NDArray[np.int64]


def window_starts(length: int, window: int, stride: int) -> list[int]:
    """Return where windows begin along one side so that together they cover it.

    Windows are ``stride`` apart; the last one is moved back to end at the side's end. A side
    shorter than the window gets one window, which then is as long as the side.
    """
    last = max(0, length - window)
    return [*range(0, last, stride), last]


def cut_windows(height: int, width: int, size: tuple[int, int], stride: tuple[int, int]) -> Windows:
    """Cut a sheet into windows, whose ``size`` and ``stride`` run down and across; all in pixels.

    Returns:
        ``x, y, width, height`` of each, row by row, of shape ``(windows, 4)``.
    """
    tall, wide = min(size[0], height), min(size[1], width)
    rows = window_starts(height, size[0], stride[0])
    columns = window_starts(width, size[1], stride[1])
    return np.array([(x, y, wide, tall) for y in rows for x in columns], np.int64)


def window_areas(rle: str, height: int, width: int, windows: Windows) -> NDArray[np.int64]:
    """Count the pixels of an encoded mask in each window, of shape ``(windows,)``."""
    columns = run_length.decode(rle, height, width).T
    parts = (columns[x : x + wide, y : y + tall] for x, y, wide, tall in windows.tolist())
    return np.array([np.count_nonzero(part) for part in parts], np.int64)


def tile_table(
    sheets: pd.DataFrame,
    masks: Mapping[str, Mapping[int, str]],
    classes: int,
    size: tuple[int, int],
    stride: tuple[int, int],
) -> pd.DataFrame:
    """Cut all sheets into windows, as :func:`cut_windows` does, and measure each class in them.

    Args:
        sheets: ``sheet_id, height, width``.
        masks: Encoded masks by sheet and class.
        classes: Number of defect classes.
        size: Of a window.
        stride: Of windows.

    Returns:
        ``sheet_id, x, y, width, height, area_px``, one row per window; the last is a list, the
        defective pixels of each class.
    """
    cut = cache(partial(cut_windows, size=size, stride=stride))
    parts, areas = [], []
    for sheet_id, height, width in sheets[["sheet_id", "height", "width"]].itertuples(index=False):
        windows = cut(height, width)
        area = np.zeros((len(windows), classes), np.int64)
        for class_id, rle in masks.get(sheet_id, {}).items():
            area[:, class_id - 1] = window_areas(rle, height, width, windows)
        parts.append(windows)
        areas.append(area)
    counts = [len(part) for part in parts]
    table = pd.DataFrame(np.concatenate(parts), columns=["x", "y", "width", "height"])
    table.insert(0, "sheet_id", np.repeat(sheets["sheet_id"].to_numpy(), counts))
    return table.assign(area_px=np.concatenate(areas).tolist())
