"""Finding sheets that look alike, so that they never end up in different splits."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_THUMBNAIL = (64, 16)  # width, height
_ROWS = 2048  # of the similarity matrix held at a time: 2048 × 12,568 × 4 bytes are 100 MB


def fingerprint(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Reduce a picture to a small thumbnail without its mean.

    Args:
        image: Gray picture of shape ``(height, width)``, uint8.

    Returns:
        Vector of shape ``(1024,)`` and length 1 (0 for a flat picture). The product of two is the
        correlation of the thumbnails, between -1 and 1.
    """
    thumbnail = cv2.resize(image, _THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
    vector = (thumbnail - thumbnail.mean()).reshape(-1)
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-3 else np.zeros_like(vector)


def alike_groups(
    fingerprints: NDArray[np.float32], digests: list[str], similarity: float
) -> NDArray[np.int64]:
    """Group sheets that are the same file or look alike.

    Args:
        fingerprints: One a row, of shape ``(sheets, 1024)``.
        digests: SHA-256 of each file.
        similarity: Correlation of fingerprints from which two sheets belong together.

    Returns:
        Number of the group of each sheet, of shape ``(sheets,)``. Likeness is passed on: if a is
        like b and b like c, all three share a group.
    """
    count = len(digests)
    pairs = [*_similar_pairs(fingerprints, similarity), *_equal_pairs(digests)]
    left, right = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    links = coo_array((np.ones(len(left)), (left, right)), shape=(count, count))
    return connected_components(links, directed=False)[1].astype(np.int64)


def _similar_pairs(
    fingerprints: NDArray[np.float32], similarity: float
) -> Iterator[tuple[int, int]]:
    for first in range(0, len(fingerprints), _ROWS):
        block = fingerprints[first : first + _ROWS] @ fingerprints.T
        for row, column in np.argwhere(block >= similarity).tolist():
            if first + row < column:
                yield first + row, column


def _equal_pairs(digests: list[str]) -> Iterator[tuple[int, int]]:
    first_with: dict[str, int] = {}
    for index, digest in enumerate(digests):
        earlier = first_with.setdefault(digest, index)
        if earlier != index:
            yield earlier, index
