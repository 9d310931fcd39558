"""Run-length encoding as the Severstal competition writes it.

A mask is a string of pairs ``start length start length …`` over the pixels in column-major order
(down the first column, then the next), counted from 1. Pairs are sorted and do not overlap.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError


class RleError(SteelDefectsError):
    """An encoded mask breaks a rule of the format."""


def parse(rle: str, pixels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read the runs of an encoded mask of a sheet of so many pixels, and check them.

    Returns:
        Zero-based first pixels and lengths of the runs, each of shape ``(runs,)``.

    Raises:
        RleError: The string is not numeric, has an odd count, or its runs are empty, unsorted,
            overlapping, or outside the sheet.
    """
    text = rle.strip()
    # NumPy's own reading would admit signs, fractions and other words.
    if not text.isascii() or text.translate(_DIGITS_AND_SPACES):
        raise RleError("mask has a value that is not a positive whole number")
    # Numbers beyond 64 bits become the largest there is, which lies past the end of any sheet.
    values = np.fromstring(text, dtype=np.int64, sep=" ")
    if len(values) % 2:
        raise RleError(f"mask has an odd count of values ({len(values)})")
    starts, lengths = values[0::2] - 1, values[1::2]
    if (starts < 0).any():
        raise RleError("mask has a start below 1")
    if (lengths < 1).any():
        raise RleError("mask has a run of length 0")
    if (starts >= pixels).any() or (lengths > pixels - starts).any():
        raise RleError(f"mask runs past the end of the sheet ({pixels} pixels)")
    if (np.diff(starts) <= 0).any():
        raise RleError("mask has runs out of order")
    if (starts[1:] < starts[:-1] + lengths[:-1]).any():
        raise RleError("mask has runs that overlap")
    return starts, lengths


_DIGITS_AND_SPACES = dict.fromkeys(map(ord, "0123456789 \t\n\r\f\v"))


def decode(rle: str, height: int, width: int) -> NDArray[np.uint8]:
    """Turn an encoded mask into pixels, or raise an RleError as :func:`parse` does.

    Returns:
        Mask of shape ``(height, width)``, uint8, 1 inside the defect and 0 elsewhere.
    """
    starts, lengths = parse(rle, height * width)
    flat = np.zeros(height * width, dtype=np.uint8)
    for start, end in zip(starts.tolist(), (starts + lengths).tolist(), strict=True):
        flat[start:end] = 1
    return flat.reshape(width, height).T


def encode(mask: NDArray[np.generic]) -> str:
    """Turn a mask into its run-length encoding, with the longest possible runs.

    Args:
        mask: Array of shape ``(height, width)``; every value other than 0 counts as defect.
    """
    pixels = (np.asarray(mask) != 0).view(np.uint8)
    # OpenCV transposes in blocks, five times as fast as NumPy's copy of a transposed view.
    blocks = pixels.size and pixels.flags.c_contiguous
    flat = np.asarray(cv2.transpose(pixels) if blocks else pixels.T).reshape(-1)
    if not flat.size:
        return ""
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = ([0] if flat[0] else [], changes, [flat.size] if flat[-1] else [])
    runs = np.concatenate(ends).astype(np.int64)
    runs[1::2] -= runs[0::2]
    runs[0::2] += 1
    return (len(runs) * "%d " % tuple(runs.tolist()))[:-1]


def area(rle: str) -> int:
    """Return the number of defective pixels of a well-formed encoded mask."""
    return sum(map(int, rle.split()[1::2]))


def dice(intersection: int, truth: int, predicted: int) -> float:
    """Dice coefficient of two masks from their areas; 1 where both are empty."""
    total = truth + predicted
    return 2 * intersection / total if total else 1.0


def overlap(mask: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Intersection over union of two masks, ``(height, width)``, 0 or 1; 1 where both are empty."""
    return iou(*map(cv2.countNonZero, (mask & other, mask, other)))


def iou(intersection: int, truth: int, predicted: int) -> float:
    """Intersection over union of two masks from their areas; 1 where both are empty."""
    union = truth + predicted - intersection
    return intersection / union if union else 1.0
