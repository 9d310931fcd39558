"""Pictures as JPEG files."""

from typing import Any

import cv2
import numpy as np

Picture = np.ndarray[Any, np.dtype[np.uint8]]

_LONGEST = 65_500  # pixels of a side; libjpeg writes no more


def to_jpeg(picture: Picture, quality: int = 85) -> bytes:
    """Encode a picture; one that is too large for the format is made smaller first.

    Args:
        picture: Gray, of shape ``(height, width)``, or BGR, ``(height, width, 3)``, uint8.
        quality: 1 to 100.
    """
    scale = _LONGEST / max(picture.shape[:2])
    if scale < 1:
        height, width = (max(1, int(side * scale)) for side in picture.shape[:2])
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        picture = np.asarray(small, np.uint8)
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])
