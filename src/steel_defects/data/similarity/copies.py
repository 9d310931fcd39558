"""Deciding on pixels whether a picture is a copy: moved, turned, brightened or saved anew.

Two pictures are compared by their fine structure, with brightness and contrast evened out around
each pixel: sheets of one coil share their light, their borders and their stripes, but not the grain
of their surface. The score is the normalised cross-correlation (Lewis 1995, "Fast normalized
cross-correlation"), the best of all shifts by a few pixels.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import cv2
import numpy as np
from numpy.typing import NDArray

from steel_defects.data.inventory import BLACK_LEVEL
from steel_defects.data.similarity.fingerprints import even_out
from steel_defects.images.orientations import laid_down, oriented
from steel_defects.progress import track
from steel_defects.threads import core_count

Picture = NDArray[np.uint8]
Detail = NDArray[np.float32]
ReadSheet = Callable[[int], Picture]

#: Score from which two pictures are copies. Planted copies reach 0.6 and more, see docs.
COPY_SCORE = 0.5

_MAX_SHIFT = 4  # pixels
_STRUCTURE = 0.02  # deviation under which a picture, evened out, is flat
# Pixels of the longer side at which pictures are compared, and the window they are evened out over.
_COARSE = (400, 4.0)
_FINE = ((800, 4.0), (1600, 6.0))
_WORTH_A_LOOK = 0.4  # score of the coarse comparison from which the finer ones are made


def copy_score(image: Picture, other: Picture, orientation: int) -> float:
    """Compare the fine structure of two pictures.

    Args:
        image: Gray picture of shape ``(height, width)``, uint8.
        other: Another one, of the same shape once ``image`` is turned.
        orientation: That brings ``image`` over ``other``, both laid down if they are oblong. The
            one in which their fingerprints agree best is the right one for any copy.

    Returns:
        The correlation, -1 to 1; from :data:`COPY_SCORE` on the pictures are copies. -1 where the
        shapes differ.
    """
    turned = np.ascontiguousarray(oriented(laid_down(image), orientation))
    target = np.ascontiguousarray(laid_down(other))
    if turned.shape != target.shape:
        return -1.0
    score = _score_at(turned, target, *_COARSE)
    if score < _WORTH_A_LOOK or max(turned.shape) <= _COARSE[0]:
        return score
    # The finest grain tells most, but strong compression takes it away.
    return max(_score_at(turned, target, *size) for size in _FINE)


def _score_at(image: Picture, other: Picture, longest: int, sigma: float) -> float:
    scale = min(1.0, longest / max(image.shape))
    one, two = (_detail(picture, scale, sigma) for picture in (image, other))
    return _correlation(one, two, shift=int(np.ceil(_MAX_SHIFT * scale)) + 1)


def _detail(image: Picture, scale: float, sigma: float) -> Detail:
    """Shrink a picture and even it out; outliers, such as bright scratches, are cut off."""
    if scale < 1:
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    # A wide margin, since the edge between steel and black is no structure of the surface.
    black = cv2.blur((image < BLACK_LEVEL).astype(np.float32), (9, 9))
    steel = (black <= 0.2).astype(np.float32)
    even = even_out(image.astype(np.float32), steel, sigma, floor=2)
    return np.asarray(np.clip(even, -3, 3), np.float32)


def _correlation(detail: Detail, other: Detail, shift: int) -> float:
    """Correlate two pictures, one of them moved by up to ``shift`` pixels each way."""
    shift = shift if min(detail.shape) > 4 * shift else 0
    inner = detail[shift : detail.shape[0] - shift, shift : detail.shape[1] - shift]
    if min(inner.std(), other.std()) < _STRUCTURE:
        return -1.0
    found = cv2.matchTemplate(other, np.ascontiguousarray(inner), cv2.TM_CCOEFF_NORMED)
    return float(found.max())


def copy_scores(pairs: Sequence[Sequence[int]], read: ReadSheet) -> list[float]:
    """Compare pairs of pictures on all cores; see :func:`copy_score`.

    Args:
        pairs: Numbers of two pictures and the orientation that brings the first over the second.
            Sorted, so that the first one of several pairs in a row is read once.
        read: Reads picture number i.

    Returns:
        Score of each pair, in order.
    """

    def compare(first: int, others: list[Sequence[int]]) -> list[float]:
        image = read(first)
        return [copy_score(image, read(other), turn) for _, other, turn in others]

    tasks = [(number, list(group)) for number, group in groupby(pairs, key=lambda pair: pair[0])]
    with ThreadPoolExecutor(core_count()) as pool:
        answers = pool.map(lambda task: compare(*task), tasks)
        parts = list(track(answers, len(tasks), "comparing pictures"))
    return [score for part in parts for score in part]
