"""Finding views that resemble each other as a whole: neighbouring sheets of a coil.

Such sheets are no copies, their surface differs pixel by pixel, but light, border and stripes are
the same. A model that has seen one has an easier task with the other, so both belong in one split.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from steel_defects.data.similarity.fingerprints import THUMBNAIL, even_out
from steel_defects.data.similarity.search import Indices, Matrix, rank_within

_BLOCK = 2048  # rows and columns of the similarity matrix held at a time: 16 MB
#: Correlation that the structure must have besides, in fingerprints as well as on the steel of
#: thumbnails: a black border alone makes thumbnails alike.
_STRUCTURE = 0.22
_BLACK = 14  # gray value up to which a thumbnail shows no steel
_CONTRAST = 1.0  # gray values; flatter thumbnails show nothing to compare
_CANDIDATES = 16  # pairs of a sheet within a block that are looked at closely, the most similar


def look_alikes(
    thumbnails: NDArray[np.uint8], prints: NDArray[np.floating], similarity: float
) -> tuple[Indices, Indices, Matrix]:
    """List pairs of pictures, each of which is the other's nearest look-alike.

    Only mutual neighbours are listed: likeness, unlike being a copy, is no equivalence, and passing
    it on would chain thousands of sheets into one group.

    Args:
        thumbnails: Of shape ``(pictures, 1024)``, uint8, 16 rows of 64 pixels each.
        prints: Fingerprints of shape ``(pictures, coefficients)``.
        similarity: Correlation of thumbnails from which pictures resemble each other.

    Returns:
        Numbers of the earlier and the later picture of each pair, and their correlation.
    """
    first, second, value = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    for candidates in _roughly_similar(thumbnails, similarity):
        one, other = candidates
        whole = _correlation(_unit(thumbnails[one]), _unit(thumbnails[other]))
        structure = np.minimum(
            _correlation(prints[one], prints[other]),
            _correlation(_steel(thumbnails[one]), _steel(thumbnails[other])),
        )
        alike = (whole >= similarity) & (structure >= _STRUCTURE)
        first, second = np.r_[first, one[alike]], np.r_[second, other[alike]]
        value = np.r_[value, whole[alike]]
    return _mutual(first, second, value)


def _roughly_similar(
    thumbnails: NDArray[np.uint8], similarity: float
) -> Iterator[tuple[Indices, Indices]]:
    """Yield candidates, compared at a quarter of the size, at which they agree even better."""
    width, height = THUMBNAIL
    cells = thumbnails.reshape(-1, height // 4, 4, width // 4, 4).mean((2, 4), dtype=np.float32)
    units = _unit(cells.reshape(len(thumbnails), width * height // 16))
    for row in range(0, len(units), _BLOCK):
        for column in range(row, len(units), _BLOCK):
            block = units[row : row + _BLOCK] @ units[column : column + _BLOCK].T
            rows, columns = np.nonzero(block >= similarity)
            later = columns + column > rows + row
            rows, columns = rows[later], columns[later]
            keep = rank_within(rows, block[rows, columns]) < _CANDIDATES
            yield rows[keep] + row, columns[keep] + column


def _unit(vectors: NDArray[np.generic]) -> Matrix:
    """Take away the mean and scale to length 1; flat ones become 0."""
    values = vectors.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    flat = length < _CONTRAST * np.sqrt(values.shape[1])
    values *= np.where(flat, 0, 1 / np.maximum(length, 1e-6))
    return values


def _steel(thumbnails: NDArray[np.uint8]) -> Matrix:
    """Even out the steel of thumbnails, so that neither light nor border weighs anything."""
    width, height = THUMBNAIL
    evened = [
        even_out(picture, (picture > _BLACK).astype(np.float32), sigma=2, floor=1).reshape(-1)
        for picture in thumbnails.reshape(-1, height, width).astype(np.float32)
    ]
    stacked = np.array(evened, np.float32).reshape(len(thumbnails), width * height)
    length = np.linalg.norm(stacked, axis=1, keepdims=True)
    return np.asarray(stacked / np.maximum(length, 1e-6), np.float32)


def _correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> Matrix:
    """Multiply unit vectors, row by row."""
    return np.asarray((one.astype(np.float32) * other.astype(np.float32)).sum(axis=1))


def _mutual(first: Indices, second: Indices, value: Matrix) -> tuple[Indices, Indices, Matrix]:
    """Keep the pairs that are the best of both of their members."""
    ends, values = np.r_[first, second], np.r_[value, value]
    best = (rank_within(ends, values) == 0).reshape(2, -1).all(axis=0)
    return first[best], second[best], value[best]
