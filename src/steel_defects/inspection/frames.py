"""What a camera frame looks like, and whether it can be judged at all."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from steel_defects.inspection.config import InspectionConfig
from steel_defects.sheets.inventory import BLACK_LEVEL
from steel_defects.sheets.reading import UnreadableSheet, decode_gray

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


@dataclass(frozen=True)
class Frame:
    """A sheet that was read, ready to be judged.

    Attributes:
        sheet_id: The sheet.
        image: Gray picture of shape ``(height, width)``, uint8; None for an unreadable one.
        digest: Of its pixels, by which a repeated frame is told; empty for an unreadable one.
        statistics: From :func:`frame_statistics`; empty for an unreadable one.
        problem: Why it can't be read; empty for one that can.
    """

    sheet_id: str
    image: NDArray[np.uint8] | None
    digest: str = ""
    statistics: dict[str, float] = field(default_factory=dict)
    problem: str = ""


def read_frame(read_file: Callable[[str], bytes], sheet_id: str) -> Frame:
    """Read and measure a sheet; one that can't be read is a frame with a problem.

    Args:
        read_file: Returns the bytes of a sheet's file, or raises an UnreadableSheet.
        sheet_id: The sheet.
    """
    try:
        image = decode_gray(read_file(sheet_id))
    except UnreadableSheet as error:
        return Frame(sheet_id, None, problem=f"unreadable: {error}")
    pixels = hashlib.sha256(repr(image.shape).encode())
    pixels.update(np.ascontiguousarray(image).data)
    return Frame(sheet_id, image, pixels.hexdigest(), frame_statistics(image))
