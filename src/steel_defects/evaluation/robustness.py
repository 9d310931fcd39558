"""How figures fall when pictures get worse: the corruptions of a camera, in five levels each.

In the manner of Hendrycks and Dietterich 2019 (arXiv:1903.12261), with what a line does to
pictures: lenses out of focus, sensor noise, lamps that age, compression, and strips that wander.
"""

from collections.abc import Mapping

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
    strength = LEVELS[corruption][level - 1]
    if corruption == "blur":
        return np.asarray(cv2.GaussianBlur(image, (0, 0), strength), np.uint8)
    if corruption == "JPEG":
        encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(strength)])[1]
        return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)
    if corruption == "shift":
        return shifted_mask(image, corruption, level)
    changed = image * strength
    if corruption == "noise":
        changed = image + np.random.default_rng(seed).normal(0, strength, image.shape)
    return np.asarray(changed.round().clip(0, 255), np.uint8)


def shifted_mask(mask: Image, corruption: str, level: int) -> Image:
    """Return where a mask of shape ``(height, width)`` lies on the corrupted picture.

    What comes in is mirrored, as in the picture.
    """
    if corruption != "shift" or level == 0:
        return mask
    width = mask.shape[1]
    pixels = min(int(LEVELS["shift"][level - 1]), width)
    moved = np.pad(mask, ((0, 0), (pixels, 0)), mode="symmetric")
    return np.ascontiguousarray(moved[:, :width])


def robustness_row(
    corruption: str,
    level: int,
    labels: NDArray[np.bool_],
    flagged: NDArray[np.bool_] | None,
    pairs: pd.DataFrame,
) -> dict[str, object]:
    """Summarise what models make of corrupted sheets.

    Args:
        corruption: One of :data:`LEVELS`.
        level: 0 to 5; 0 for the pictures as they are.
        labels: Whether each sheet is defective, of shape ``(sheets,)``.
        flagged: Whether the gate passes it on, of the same shape; None without a gate.
        pairs: :func:`steel_defects.evaluation.segmentation.pair_table` of these sheets.

    Returns:
        A row of the table ``robustness``; NaN where there is nothing to average.
    """
    figures = segmentation_metrics(pairs)
    gate: dict[str, float] = dict.fromkeys(("accuracy", "recall", "false_positive_rate"), np.nan)
    if flagged is not None:
        shares = (flagged == labels, flagged[labels], flagged[~labels])
        gate = dict(zip(gate, (pd.Series(share).mean() for share in shares), strict=True))
    return {
        "corruption": corruption,
        "level": level,
        "strength": LEVELS[corruption][level - 1] if level else np.nan,
        "sheets": len(labels),
        **gate,
        **{name: figures[name] for name in ("mean_dice", "dice_on_positives")},
    }


def choose_for_robustness(sheets: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """Choose sheets, half of them defective as far as there are as many.

    Args:
        sheets: ``sheet_id, has_defect`` and what else is wanted, one row per sheet.
        most: How many to choose at most.
        seed: Decides which.
    """
    order = np.random.default_rng(seed).permutation(len(sheets))
    mixed = sheets.sort_values("sheet_id").iloc[order]
    turn = mixed.groupby("has_defect").cumcount()
    return mixed.iloc[np.argsort(turn.to_numpy(), kind="stable")[:most]].sort_values("sheet_id")
