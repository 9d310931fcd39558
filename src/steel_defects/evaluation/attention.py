"""Whether a gate looks at the defects: how much of its Grad-CAM heat lies inside their masks.

The share of a map's heat inside the object is the energy-based pointing game of Score-CAM (Wang et
al. 2020, arXiv:1910.01279). Two maps that know nothing of the sheet are measured beside it: a
Gaussian around its middle, and one value everywhere, whose share is that of the area.
"""

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.decision.intervals import share_interval
from steel_defects.tables.declared import GRAD_CAM_CHECK

Floats = NDArray[np.float32]
Mask = NDArray[np.uint8]

_SIGMA_SHARE = 0.25  # of each side: two standard deviations reach the edges


def spread_heat(heat: Floats, size: tuple[int, ...]) -> Floats:
    """Enlarge a map of heat to the ``size`` (height, width) of its sheet, in pixels."""
    return np.asarray(cv2.resize(heat, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def heat_share(heat: Floats, mask: Mask) -> float:
    """Return the share of a map's heat that lies inside a mask of its shape; 0 without heat."""
    total = float(heat.sum(dtype=np.float64))
    inside = float(heat[mask > 0].sum(dtype=np.float64))
    return min(1.0, inside / total) if total > 0 else 0.0


def centred_gaussian(size: tuple[int, ...]) -> Floats:
    """Return a Gaussian around the middle, its standard deviations a quarter of the sides."""
    rows, columns = (
        np.exp(-0.5 * ((np.arange(n) + 0.5 - n / 2) / (_SIGMA_SHARE * n)) ** 2) for n in size
    )
    return np.asarray(np.outer(rows, columns), np.float32)


def widened(mask: Mask, grid: tuple[int, ...]) -> Mask:
    """Widen a mask by the height and width of a cell of a map's ``grid`` (rows, columns).

    Heat is told no finer than that: a cell that sees a defect at its edge is hot all over.
    """
    down, right = (-(-n // cells) for n, cells in zip(mask.shape, grid, strict=True))
    kernel = np.ones((2 * down + 1, 2 * right + 1), np.uint8)
    return np.asarray(cv2.dilate(mask, kernel), np.uint8)


def attention_table(sheets: Iterable[tuple[str, str, Floats, Mask]]) -> pd.DataFrame:
    """Measure how much heat lies on the defects of each sheet.

    Args:
        sheets: Of each sheet its id, its outcome (``hit`` or ``miss``), its map of heat,
            ``(rows, columns)``, and the mask of all its defects, ``(height, width)``, 0 for none.

    Returns:
        The table ``grad_cam_check``.
    """
    rows = []
    for sheet_id, outcome, heat, mask in sheets:
        size = mask.shape
        maps = (spread_heat(heat, size), centred_gaussian(size), np.ones(size, np.float32))
        parts = (mask, widened(mask, heat.shape))
        shares = [heat_share(values, part) for part in parts for values in maps]
        rows.append((sheet_id, outcome, *shares))
    return GRAD_CAM_CHECK.typed(rows)


def summarise_attention(table: pd.DataFrame) -> dict[str, Any]:
    """Compare the heat with the Gaussian, sheet by sheet.

    Returns:
        ``sheets``; ``better``, on how many the heat's share is the larger one; ``low`` and
        ``high``, the exact 95 % interval of that share of sheets; and ``median_ratio`` of the
        heat's share to the Gaussian's, NaN of no sheets.
    """
    heat, gaussian = table["heat_share"].to_numpy(float), table["gaussian_share"].to_numpy(float)
    better = int((heat > gaussian).sum())
    low, high = share_interval(better, len(table))
    ratios = heat / np.maximum(gaussian, np.finfo(float).tiny)
    return {
        "sheets": len(table),
        "better": better,
        "low": low,
        "high": high,
        "median_ratio": float(np.median(ratios)) if len(table) else float("nan"),
    }
