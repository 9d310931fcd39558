"""What a camera frame looks like, and whether it can be judged at all."""

import cv2
import numpy as np
from numpy.typing import NDArray

from steel_defects.inspection.config import InspectionConfig
from steel_defects.sheets.inventory import BLACK_LEVEL

_WHITE_LEVEL = 254


def frame_statistics(image: NDArray[np.uint8]) -> dict[str, float]:
    """Measure a gray picture.

    Args:
        image: Of shape ``(height, width)``, uint8.

    Returns:
        ``brightness`` (mean gray value of the steel), ``contrast`` (its standard deviation),
        ``sharpness`` (variance of the Laplacian over the square of the contrast, so that it does
        not follow the light), ``black_share`` and ``white_share``, 0 to 1.
    """
    steel = image >= BLACK_LEVEL
    values = image[steel]
    black = 1 - len(values) / image.size
    white = float((image >= _WHITE_LEVEL).mean())
    if not len(values):
        return {
            "brightness": 0.0,
            "contrast": 0.0,
            "sharpness": 0.0,
            "black_share": black,
            "white_share": white,
        }
    contrast = float(values.std())
    # One pixel in from the black, whose edge would outweigh everything else.
    inner = cv2.erode(steel.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    detail = cv2.Laplacian(image, cv2.CV_32F)[inner]
    sharpness = float(detail.var()) / max(contrast, 1.0) ** 2 if len(detail) else 0.0
    return {
        "brightness": float(values.mean()),
        "contrast": contrast,
        "sharpness": sharpness,
        "black_share": black,
        "white_share": white,
    }


def frame_problem(
    statistics: dict[str, float], least_sharpness: float, config: InspectionConfig
) -> str:
    """Say why a frame can't be judged; empty where it can.

    Args:
        statistics: From :func:`frame_statistics`.
        least_sharpness: Sharpness of the least sharp reference sheets.
        config: The limits.
    """
    if statistics["black_share"] >= config.black_share:
        return "camera: black frame"
    if statistics["white_share"] >= config.saturated_share:
        return "camera: saturated frame"
    if statistics["sharpness"] < config.focus_share * least_sharpness:
        return "camera: out of focus"
    return ""
