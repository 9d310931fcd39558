"""Reading pictures of sheets as gray arrays."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError

PICTURE_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})

# Where a whole file of the format ends; decoders fill the rest of a truncated one with gray.
_END_MARKERS = {b"\xff\xd8": b"\xff\xd9", b"\x89PNG": b"IEND"}
_TAIL = 4096


class UnreadableSheet(SteelDefectsError):
    """A picture that is missing, empty, cut off, or no picture at all."""


def read_gray(path: Path) -> NDArray[np.uint8]:
    """Read a picture as luminance, in the orientation in which its pixels are stored.

    Returns:
        Gray picture of shape ``(height, width)``, uint8.

    Raises:
        UnreadableSheet: The file is missing, empty, truncated, or not a picture.
    """
    return decode_gray(read_file(path))


def read_file(path: Path) -> bytes:
    """Read the bytes of a picture file.

    Raises:
        UnreadableSheet: The file is missing or may not be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableSheet(f"cannot be read: {error.strerror}") from error


def decode_gray(data: bytes) -> NDArray[np.uint8]:
    """Decode the bytes of a picture file; see :func:`read_gray`."""
    if not data:
        raise UnreadableSheet("empty file")
    for start, end in _END_MARKERS.items():
        if data.startswith(start) and end not in data[-_TAIL:]:
            raise UnreadableSheet("truncated file")
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise UnreadableSheet("cannot be decoded as a picture") from error
    if image is None:
        raise UnreadableSheet("not a picture")
    return np.asarray(image, dtype=np.uint8)


def resize(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize a picture to ``size`` (height, width), averaging where it shrinks."""
    if image.shape == tuple(size):
        return image
    shrinks = image.shape[0] >= size[0] and image.shape[1] >= size[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=how), dtype=np.uint8)
