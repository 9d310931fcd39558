"""Finding views that resemble each other as a whole: neighbouring sheets of a coil.

Such sheets are no copies, their surface differs pixel by pixel, but light, border and stripes are
the same. A model that has seen one has an easier task with the other, so both belong in one split.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.data.similarity.fingerprints import THUMBNAIL, even_out
from steel_defects.data.similarity.search import Indices, Matrix, pairs_of_block, rank_within

_BLOCK = 2048  # rows and columns of the similarity matrix held at a time: 16 MB
#: Correlation that the structure must have besides, in fingerprints as well as on the steel of
#: thumbnails: a black border alone makes thumbnails alike.
_STRUCTURE = 0.22
_BLACK = 14  # gray value up to which a thumbnail shows no steel
_CONTRAST = 1.0  # gray values; flatter thumbnails show nothing to compare
_PAIRS = {"first": "int64", "second": "int64", "similarity": "float32"}
_CANDIDATES = 16  # pairs of a sheet within a block that are looked at closely, the most similar


def look_alikes(
    thumbnails: NDArray[np.uint8], prints: NDArray[np.floating], similarity: float
) -> pd.DataFrame:
    """List pairs of pictures, each of which is the other's nearest look-alike.

    Only mutual neighbours are listed: likeness, unlike being a copy, is no equivalence, and passing
    it on would chain thousands of sheets into one group.

    Args:
        thumbnails: Of shape ``(pictures, 1024)``, uint8, 16 rows of 64 pixels each.
        prints: Fingerprints of shape ``(pictures, coefficients)``.
        similarity: Correlation of thumbnails from which pictures resemble each other.

    Returns:
        ``first, second, similarity``: numbers of both pictures, and their correlation.
    """
    tables = [pd.DataFrame({"first": [], "second": [], "similarity": []}).astype(_PAIRS)]
    for first, second in _roughly_similar(thumbnails, similarity):
        whole = _correlation(_unit(thumbnails[first]), _unit(thumbnails[second]))
        structure = np.minimum(
            _correlation(prints[first], prints[second]),
            _correlation(_steel(thumbnails[first]), _steel(thumbnails[second])),
        )
        pairs = pd.DataFrame({"first": first, "second": second, "similarity": whole})
        tables.append(pairs[(whole >= similarity) & (structure >= _STRUCTURE)])
    pairs = pd.concat(tables, ignore_index=True)
    ends = np.r_[pairs["first"], pairs["second"]]
    ranks = rank_within(ends, np.r_[pairs["similarity"], pairs["similarity"]])
    return pairs[(ranks == 0).reshape(2, -1).all(axis=0)]


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
            yield pairs_of_block(block, row, column, similarity, _CANDIDATES)[:2]


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
