"""Finding pictures that share a part: one was pasted into the other, as in stitched data sets."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from steel_defects.data.similarity.copies import ReadSheet, copy_scores
from steel_defects.data.similarity.fingerprints import SQUARE, fingerprint, shape_of
from steel_defects.data.similarity.search import similar_pairs

Picture = NDArray[np.uint8]

#: Pixel score from which quarters are copies. Higher than for whole pictures, since two short
#: pieces of straight scratches may well resemble each other.
PART_SCORE = 0.55

_QUARTERS = 4
# Correlation of fingerprints, as a whole and in each band, from which pixels are compared.
_AT_LEAST, _IN_EVERY_BAND = 0.6, 0.4
_MOST = 8


def quarter(image: Picture, number: int) -> Picture:
    """Cut out quarter 0 to 3 of a picture, of shape ``(height // 2, width // 2)``."""
    tall, wide = image.shape[0] // 2, image.shape[1] // 2
    top, left = (number // 2) * tall, (number % 2) * wide
    return image[top : top + tall, left : left + wide]


def shared_quarters(
    read: ReadSheet, numbers: Sequence[int]
) -> dict[tuple[int, int], tuple[float, int]]:
    """Compare every quarter of each picture with every quarter of every other one.

    Args:
        read: Reads picture number i, gray, uint8. Pictures whose sides differ twofold are passed
            over.
        numbers: The pictures to compare, no two of them copies of each other.

    Returns:
        Score and orientation (see :func:`steel_defects.data.similarity.copies.copy_score`) of
        the best pair of quarters, for each pair of pictures that share one; the smaller number
        comes first.
    """
    prints, owners = [], []
    for number in numbers:
        image = read(number)
        if shape_of(*image.shape) is SQUARE and min(image.shape) >= 64:
            prints += [fingerprint(quarter(image, part)) for part in range(_QUARTERS)]
            owners += [(number, part) for part in range(_QUARTERS)]
    if not prints:
        return {}
    found = similar_pairs(np.stack(prints), SQUARE, _AT_LEAST, _IN_EVERY_BAND, _MOST)
    columns = (found.first.tolist(), found.second.tolist(), found.orientation.tolist())
    pairs = [
        (a, b, turn)
        for a, b, turn in sorted(zip(*columns, strict=True))
        if owners[a][0] != owners[b][0]
    ]
    scores = copy_scores(pairs, lambda index: quarter(read(owners[index][0]), owners[index][1]))
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for (a, b, turn), score in zip(pairs, scores, strict=True):
        key = owners[a][0], owners[b][0]
        if score >= PART_SCORE and score > best.get(key, (0.0, 0))[0]:
            best[key] = score, turn
    return best
