"""Run-length encoding as the Severstal competition writes it.

A mask is a string of pairs ``start length start length …`` over the pixels in column-major order
(down the first column, then the next), counted from 1. Pairs are sorted and do not overlap.
"""

import numpy as np
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError


class RleError(SteelDefectsError):
    """An encoded mask breaks a rule of the format."""


def parse(rle: str, pixels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read the runs of an encoded mask and check them.

    Args:
        rle: The encoded mask; an empty string is an empty mask.
        pixels: Number of pixels of the sheet (height × width).

    Returns:
        Zero-based first pixels and lengths of the runs, each of shape ``(runs,)``.

    Raises:
        RleError: The string is not numeric, has an odd count, or its runs are empty, unsorted,
            overlapping, or outside the sheet.
    """
    words = rle.split()
    # isdecimal() alone would admit other scripts' digits and int() alone signs and underscores.
    if not all(word.isascii() and word.isdecimal() and len(word) < 19 for word in words):
        raise RleError("mask has a value that is not a positive whole number")
    if len(words) % 2:
        raise RleError(f"mask has an odd count of values ({len(words)})")
    values = np.array(words, dtype=np.int64)
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


def decode(rle: str, height: int, width: int) -> NDArray[np.uint8]:
    """Turn an encoded mask into pixels.

    Returns:
        Mask of shape ``(height, width)``, 1 inside the defect and 0 elsewhere.

    Raises:
        RleError: See :func:`parse`.
    """
    starts, lengths = parse(rle, height * width)
    flat = np.zeros(height * width, dtype=np.uint8)
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        flat[start : start + length] = 1
    return flat.reshape(width, height).T


def encode(mask: NDArray[np.generic]) -> str:
    """Turn a mask into its run-length encoding.

    Args:
        mask: Array of shape ``(height, width)``; every value other than 0 counts as defect.

    Returns:
        The encoded mask, with the longest possible runs; an empty string for an empty mask.
    """
    flat = np.asarray(mask).T.reshape(-1) != 0
    edges = np.flatnonzero(np.diff(flat, prepend=False, append=False))
    starts, ends = edges[0::2], edges[1::2]
    return " ".join(map(str, np.stack([starts + 1, ends - starts], axis=1).reshape(-1).tolist()))


def area(rle: str) -> int:
    """Return the number of defective pixels of a well-formed encoded mask."""
    return sum(map(int, rle.split()[1::2]))
