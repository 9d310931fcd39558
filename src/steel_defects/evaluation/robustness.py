"""How figures fall when pictures get worse: the corruptions of a camera, in five levels each.

In the manner of Hendrycks and Dietterich 2019 (arXiv:1903.12261), with what a line does to
pictures: lenses out of focus, sensor noise, lamps that age, compression, and strips that wander.
"""

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.evaluation.segmentation import segmentation_metrics

Image = NDArray[np.uint8]

#: Strength of levels 1 to 5 of each corruption, and what it is measured in.
LEVELS: Mapping[str, tuple[float, float, float, float, float]] = {
    "blur": (0.5, 1, 2, 3, 5),
    "noise": (3, 6, 12, 24, 40),
    "brightness": (0.9, 0.75, 0.6, 0.45, 0.3),
    "JPEG": (80, 50, 30, 15, 5),
    "shift": (4, 8, 16, 32, 64),
}
UNITS: Mapping[str, str] = {
    "blur": "standard deviation of the blur, px",
    "noise": "standard deviation of the noise, gray values",
    "brightness": "share of the light that is left",
    "JPEG": "quality of the compression",
    "shift": "px to the right, mirrored at the edge",
}

COLUMNS = (
    *("corruption", "level", "strength", "sheets", "accuracy", "recall", "false_positive_rate"),
    *("mean_dice", "dice_on_positives"),
)


def corrupt(image: Image, corruption: str, level: int, seed: int = 0) -> Image:
    """Make a picture worse.

    Args:
        image: Gray picture of shape ``(height, width)``, uint8.
        corruption: One of :data:`LEVELS`.
        level: 1 to 5; 0 leaves the picture as it is.
        seed: Of the noise.

    Returns:
        A picture of the same shape, uint8.
    """
    if level == 0:
        return image
    return _CORRUPTIONS[corruption](image, LEVELS[corruption][level - 1], seed)


def shifted_mask(mask: Image, corruption: str, level: int) -> Image:
    """Return where a mask of shape ``(height, width)`` lies on the corrupted picture."""
    if corruption != "shift" or level == 0:
        return mask
    return _shift(mask, LEVELS["shift"][level - 1], 0)


def _blur(image: Image, strength: float, seed: int) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), strength), np.uint8)


def _noise(image: Image, strength: float, seed: int) -> Image:
    noise = np.random.default_rng(seed).normal(0, strength, image.shape)
    return _as_picture(image + noise)


def _brightness(image: Image, strength: float, seed: int) -> Image:
    return _as_picture(image * strength)


def _jpeg(image: Image, strength: float, seed: int) -> Image:
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(strength)])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)


def _shift(image: Image, strength: float, seed: int) -> Image:
    """Move a picture; what comes in is mirrored, and a mask's mirror lies with it."""
    pixels = min(int(strength), image.shape[1])
    moved = np.pad(image, ((0, 0), (pixels, 0)), mode="symmetric")
    return np.ascontiguousarray(moved[:, : image.shape[1]])


def _as_picture(values: NDArray[np.floating[Any]]) -> Image:
    return np.asarray(values.round().clip(0, 255), np.uint8)


_CORRUPTIONS: Mapping[str, Callable[[Image, float, int], Image]] = {
    "blur": _blur,
    "noise": _noise,
    "brightness": _brightness,
    "JPEG": _jpeg,
    "shift": _shift,
}


def robustness_row(
    corruption: str,
    level: int,
    labels: NDArray[np.bool_],
    flagged: NDArray[np.bool_] | None,
    pairs: pd.DataFrame,
) -> dict[str, object]:
    """Summarise what models make of corrupted sheets.

    Args:
        corruption: One of :data:`LEVELS`; ``none`` for the pictures as they are.
        level: 0 to 5.
        labels: Whether each sheet is defective, of shape ``(sheets,)``.
        flagged: Whether the gate passes it on, of the same shape; None without a gate.
        pairs: :func:`steel_defects.evaluation.segmentation.pair_table` of these sheets.

    Returns:
        The values of :data:`COLUMNS`; NaN where there is nothing to average.
    """
    found = segmentation_metrics(pairs)
    strength = LEVELS[corruption][level - 1] if level else float("nan")
    gate = [float("nan")] * 3
    if flagged is not None:
        gate = [_mean(flagged == labels), _mean(flagged[labels]), _mean(flagged[~labels])]
    values = (corruption, level, strength, len(labels), *gate)
    return dict(
        zip(COLUMNS, (*values, found["mean_dice"], found["dice_on_positives"]), strict=True)
    )


def _mean(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def choose_for_robustness(sheets: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """Choose sheets, half of them defective as far as there are as many.

    Args:
        sheets: ``sheet_id, has_defect`` and what else is wanted, one row a sheet.
        most: How many to choose at most.
        seed: Decides which.
    """
    order = np.random.default_rng(seed).permutation(len(sheets))
    mixed = sheets.sort_values("sheet_id").iloc[order]
    turn = mixed.groupby("has_defect").cumcount()
    return mixed.iloc[np.argsort(turn.to_numpy(), kind="stable")[:most]].sort_values("sheet_id")
