"""Searching for similar pictures among all pairs, in constant memory.

Copies are found by fingerprints, in all orientations. Look-alikes, views that resemble each other
as a whole such as neighbouring sheets of a coil, are found by thumbnails: their surface differs
pixel by pixel, but light, border and stripes are the same. A model that has seen one has an easier
task with the other, so both belong in one split.
"""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.data.inventory import OBLONG, SQUARE, THUMBNAIL, Shape, even_out
from steel_defects.images.orientations import FLIPS

Matrix = NDArray[np.float32]
Indices = NDArray[np.int64]

_ROWS, _COLUMNS = 1024, 4096  # of the similarity matrix that are held at a time: 16 MB
_BLOCK = 2048  # rows and columns of the same, for thumbnails
# Correlation that the structure of look-alikes must have besides, in fingerprints as well as on the
# steel of thumbnails: a black border alone makes thumbnails alike.
_STRUCTURE = 0.22
_BLACK = 14  # gray value up to which a thumbnail shows no steel
_CONTRAST = 1.0  # gray values; flatter thumbnails show nothing to compare
_CANDIDATES = 16  # look-alikes of a sheet within a block that are looked at closely
#: Columns of pairs of pictures: their numbers, the earlier one first, the correlation of their
#: fingerprints, and the orientation that brings the first over the second.
PAIRS = {"first": "int64", "second": "int64", "similarity": "float64", "orientation": "int64"}


def by_shape(
    prints: Iterable[NDArray[np.float16]],
) -> Iterator[tuple[Shape, Indices, NDArray[np.float16]]]:
    """Yield numbers and fingerprints of the pictures of each shape."""
    prints = list(prints)
    for shape in (SQUARE, OBLONG):
        rows = np.array([k for k, one in enumerate(prints) if len(one) == shape.length], np.int64)
        if len(rows):
            yield shape, rows, np.stack([prints[row] for row in rows])


def _parities(prints: NDArray[np.floating], shape: Shape, transposed: bool) -> list[Matrix]:
    """Sort coefficients by how they answer to mirroring: even or odd down, and across."""
    grid = prints.reshape(-1, *shape.size).astype(np.float32)
    grid = grid.swapaxes(1, 2) if transposed else grid
    quarter = (len(grid), shape.length // 4)
    return [
        np.ascontiguousarray(grid[:, y::2, x::2].reshape(quarter)) for y in (0, 1) for x in (0, 1)
    ]


def similarity_blocks(
    prints: NDArray[np.floating], others: NDArray[np.floating], shape: Shape, *, upper: bool = False
) -> Iterator[tuple[int, int, Matrix]]:
    """Correlate pictures with others in the best of their orientations, block by block.

    Fingerprints are of shape ``(pictures, shape.length)``. ``upper`` leaves out blocks in which no
    row number is below a column number.

    Yields:
        Number of the first row and the first column of a block, and the block: correlations, -1 to
        1, of shape ``(rows, columns)``, float32.
    """
    for column in range(0, len(others), _COLUMNS):
        # Sorted block by block: all of them at once would take four times the memory.
        right = _parities(others[column : column + _COLUMNS], shape, transposed=False)
        last = min(len(prints), column + len(right[0])) if upper else len(prints)
        for row in range(0, last, _ROWS):
            rows = prints[row : row + _ROWS]
            lefts = (_parities(rows, shape, transposed) for transposed in _transposes(shape))
            blocks = [
                _best_flip(*(one @ other.T for one, other in zip(left, right, strict=True)))
                for left in lefts
            ]
            yield row, column, blocks[0] if len(blocks) == 1 else np.maximum(*blocks)


def _transposes(shape: Shape) -> tuple[bool, ...]:
    """An oblong picture was laid down already, and a transposed one would fit nothing."""
    return (False, True) if shape is SQUARE else (False,)


def _best_flip(even: Matrix, across: Matrix, down: Matrix, both: Matrix) -> Matrix:
    """Return the largest of the four sums that mirroring down and across leads to."""
    upright, mirrored = even + down, np.subtract(even, down, out=even)
    upright += np.abs(np.add(across, both, out=down), out=down)
    mirrored += np.abs(np.subtract(across, both, out=both), out=both)
    return np.maximum(upright, mirrored, out=upright)


def best_orientation(
    prints: NDArray[np.floating], others: NDArray[np.floating], shape: Shape
) -> NDArray[np.int64]:
    """Return the orientation, 0 to 7, that brings each picture closest to its other one."""
    right = _parities(others, shape, transposed=False)
    scores = []
    for transposed in _transposes(shape):
        left = _parities(prints, shape, transposed)
        parts = [(one * other).sum(axis=1) for one, other in zip(left, right, strict=True)]
        for flip in FLIPS:
            down, across = -1 if flip & 2 else 1, -1 if flip & 1 else 1
            signs = (1, across, down, across * down)
            scores.append(sum(sign * part for sign, part in zip(signs, parts, strict=True)))
    return np.asarray(np.argmax(scores, axis=0), np.int64)


def least_band(
    prints: NDArray[np.floating], others: NDArray[np.floating], orientations: Indices, shape: Shape
) -> Matrix:
    """Correlate pairs in bands of frequency, and return the lowest of the correlations.

    Two sheets may resemble each other as a whole for their joints or their shading alone; a copy
    agrees in coarse and in fine structure. Fingerprints are of shape ``(pairs, shape.length)``;
    each orientation, 0 to 7, brings the first of a pair over the second.
    """
    one = _turned(prints, orientations, shape)
    two = others.reshape(-1, *shape.size).astype(np.float32)
    bands = itertools.pairwise(shape.bands)
    return np.min([_correlation(one, two, low, high) for low, high in bands], axis=0)


def _turned(prints: NDArray[np.floating], orientations: Indices, shape: Shape) -> Matrix:
    """Turn fingerprints as their pictures would be turned; of shape ``(pictures, *size)``."""
    grid = prints.reshape(-1, *shape.size).astype(np.float32)
    if shape is SQUARE:
        grid = np.where((orientations & 4 > 0)[:, None, None], grid.swapaxes(1, 2), grid)
    grid[:, 1::2] *= np.where(orientations & 2, -1, 1)[:, None, None]
    grid[:, :, 1::2] *= np.where(orientations & 1, -1, 1)[:, None, None]
    return grid


def _correlation(one: Matrix, two: Matrix, low: int, high: int) -> Matrix:
    first, second = one[:, :, low:high], two[:, :, low:high]
    product = (first * second).sum((1, 2))
    squares = (first**2).sum((1, 2)) * (second**2).sum((1, 2))
    return np.asarray(product / np.sqrt(np.maximum(squares, 1e-12)), np.float32)


def similar_pairs(
    prints: NDArray[np.floating], shape: Shape, at_least: float, in_every_band: float, most: int
) -> pd.DataFrame:
    """List the pairs of pictures that are similar in some orientation, as :data:`PAIRS`.

    Args:
        prints: Fingerprints of shape ``(pictures, shape.length)``.
        shape: How they are described.
        at_least: Correlation from which a pair is listed.
        in_every_band: Correlation that it must have in each band of frequency, too.
        most: Pairs of a picture with later ones within a block that are listed at most, the most
            similar ones: pictures without structure may resemble thousands.
    """
    tables = [pd.DataFrame(columns=list(PAIRS)).astype(PAIRS)]
    for row, column, block in similarity_blocks(prints, prints, shape, upper=True):
        first, second, similarity = pairs_of_block(block, row, column, at_least, most)
        turns = best_orientation(prints[first], prints[second], shape)
        agree = least_band(prints[first], prints[second], turns, shape) >= in_every_band
        columns = dict(zip(PAIRS, (first, second, similarity, turns), strict=True))
        tables.append(pd.DataFrame(columns)[agree].astype(PAIRS))
    return pd.concat(tables, ignore_index=True)


def pairs_of_block(
    block: Matrix, row: int, column: int, at_least: float, most: int
) -> tuple[Indices, Indices, Matrix]:
    """List the pairs of each picture with later ones in a block of the similarity matrix.

    ``row`` and ``column`` number the pictures of its first row and column; ``at_least`` and
    ``most`` are those of :func:`similar_pairs`.

    Returns:
        Numbers of both pictures of each pair, and their correlation.
    """
    rows, columns = np.nonzero(block >= at_least)
    later = columns + column > rows + row
    rows, columns = rows[later], columns[later]
    values = block[rows, columns]
    best = rank_within(rows, values) < most
    return rows[best] + row, columns[best] + column, values[best]


def rank_within(owners: Indices, values: Matrix) -> Indices:
    """Return the place, from 0, of each value among its owner's, the largest first."""
    places = pd.Series(values).groupby(owners).rank(method="first", ascending=False)
    return places.to_numpy().astype(np.int64) - 1


def nearest(
    prints: NDArray[np.floating],
    others: NDArray[np.floating],
    shape: Shape,
    *,
    others_only: bool = False,
) -> tuple[Indices, Matrix]:
    """Find the most similar of the others for each picture; see :func:`similarity_blocks`.

    With ``others_only`` both are the same pictures, and none is to be its own neighbour.

    Returns:
        Its number and the correlation, each of shape ``(pictures,)``; -1 and -1.0 without others.
    """
    number, best = np.full(len(prints), -1, np.int64), np.full(len(prints), -1.0, np.float32)
    for row, column, block in similarity_blocks(prints, others, shape):
        where = slice(row, row + len(block))
        if others_only:
            same = np.arange(len(block))[:, None] + row == np.arange(block.shape[1]) + column
            block[same] = -1
        place = block.argmax(axis=1)
        value = block[np.arange(len(block)), place]
        better = value > best[where]
        number[where] = np.where(better, place + column, number[where])
        best[where] = np.where(better, value, best[where])
    return number, best


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
    tables = []
    for first, second in _roughly_similar(thumbnails, similarity):
        whole = _row_products(_unit(thumbnails[first]), _unit(thumbnails[second]))
        structure = np.minimum(
            _row_products(prints[first], prints[second]),
            _row_products(_steel(thumbnails[first]), _steel(thumbnails[second])),
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


def _row_products(one: NDArray[np.floating], other: NDArray[np.floating]) -> Matrix:
    return np.asarray((one.astype(np.float32) * other.astype(np.float32)).sum(axis=1))
