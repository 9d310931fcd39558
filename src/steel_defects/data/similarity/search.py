"""Searching for similar pictures among all pairs, in all orientations, in constant memory."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.data.similarity.fingerprints import OBLONG, SQUARE, Shape
from steel_defects.images.orientations import FLIPS

Matrix = NDArray[np.float32]
Indices = NDArray[np.int64]

_ROWS, _COLUMNS = 1024, 4096  # of the similarity matrix that are held at a time: 16 MB


#: Columns of pairs of pictures, which are named by their numbers, the earlier one first.
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
    parts = (grid[:, y::2, x::2] for y in (0, 1) for x in (0, 1))
    return [
        np.ascontiguousarray(part.reshape(len(grid), part.shape[1] * part.shape[2]))
        for part in parts
    ]


def similarity_blocks(
    prints: NDArray[np.floating],
    others: NDArray[np.floating],
    shape: Shape,
    *,
    upper: bool = False,
) -> Iterator[tuple[int, int, Matrix]]:
    """Correlate pictures with others in the best of their orientations, block by block.

    Args:
        prints: Fingerprints of shape ``(pictures, shape.length)``.
        others: Fingerprints to compare with, of shape ``(others, shape.length)``.
        shape: How all are described.
        upper: Leave out blocks in which no row number is below a column number.

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
    prints: NDArray[np.floating],
    others: NDArray[np.floating],
    orientations: Indices,
    shape: Shape,
) -> Matrix:
    """Correlate pairs in bands of frequency, and return the lowest of the correlations.

    Two sheets may resemble each other as a whole for their joints or their shading alone; a copy
    agrees in coarse and in fine structure.

    Args:
        prints: Fingerprint of one picture of each pair, of shape ``(pairs, shape.length)``.
        others: Fingerprint of the other one.
        orientations: That bring the one over the other, 0 to 7.
        shape: How both are described.
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
    """List the pairs of pictures that are similar in some orientation.

    Args:
        prints: Fingerprints of shape ``(pictures, shape.length)``.
        shape: How they are described.
        at_least: Correlation from which a pair is listed.
        in_every_band: Correlation that it must have in each band of frequency, too.
        most: Pairs of a picture with later ones within a block that are listed at most, the most
            similar ones: pictures without structure may resemble thousands.

    Returns:
        One row per pair: the numbers of the pictures, the correlation of their fingerprints, and
        the orientation that brings the first over the second; see :data:`PAIRS`.
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

    Args:
        block: Correlations.
        row: Number of the picture of its first row.
        column: Number of the picture of its first column.
        at_least: Correlation from which a pair is listed.
        most: Pairs of a picture that are listed at most, the most similar ones.

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
    """Find the most similar of the others for each picture.

    Args:
        prints: Fingerprints of shape ``(pictures, shape.length)``.
        others: Fingerprints of shape ``(others, shape.length)``.
        shape: How all are described.
        others_only: Both are the same pictures, and none is to be its own neighbour.

    Returns:
        Its number and the correlation, each of shape ``(pictures,)``; -1 and -1.0 without others.
    """
    number = np.full(len(prints), -1, np.int64)
    best = np.full(len(prints), -1.0, np.float32)
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
