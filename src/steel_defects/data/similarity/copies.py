"""Deciding on pixels whether a picture, or a part of it, is a copy: moved, turned, saved anew.

Two pictures are compared by their fine structure, with brightness and contrast evened out around
each pixel: sheets of one coil share their light, their borders and their stripes, but not the grain
of their surface. The score is the normalised cross-correlation (Lewis 1995, "Fast normalized
cross-correlation"), the best of all shifts by a few pixels.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.data.inventory import BLACK_LEVEL
from steel_defects.data.similarity.fingerprints import SQUARE, even_out, fingerprint, shape_of
from steel_defects.data.similarity.search import similar_pairs
from steel_defects.images.orientations import laid_down, oriented
from steel_defects.progress import track
from steel_defects.threads import map_in_order

Picture = NDArray[np.uint8]
Detail = NDArray[np.float32]
ReadSheet = Callable[[int], Picture]

#: Score from which two pictures are copies. Planted copies reach 0.6 and more, see docs.
COPY_SCORE = 0.5
#: Score from which quarters are copies. Higher than for whole pictures, since two short pieces of
#: straight scratches may well resemble each other.
PART_SCORE = 0.55

_MAX_SHIFT = 4  # pixels
_STRUCTURE = 0.02  # deviation under which a picture, evened out, is flat
# Pixels of the longer side at which pictures are compared, and the window they are evened out over.
_COARSE = (400, 4.0)
_FINE = ((800, 4.0), (1600, 6.0))
_WORTH_A_LOOK = 0.4  # score of the coarse comparison from which the finer ones are made

_QUARTERS = 4
# Correlation of the fingerprints of quarters, as a whole and in each band, from which pixels are
# compared, and pairs of a quarter that are compared at most.
_AT_LEAST, _IN_EVERY_BAND, _MOST = 0.6, 0.4, 8


def copy_score(image: Picture, other: Picture, orientation: int) -> float:
    """Compare the fine structure of two gray pictures, uint8.

    The orientation brings one over the other, both laid down if they are oblong. The one in which
    their fingerprints agree best is the right one for any copy.

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
    return float(cv2.matchTemplate(other, np.ascontiguousarray(inner), cv2.TM_CCOEFF_NORMED).max())


def copy_scores(pairs: Sequence[Sequence[int]], read: ReadSheet) -> list[float]:
    """Compare pairs of pictures on all cores; see :func:`copy_score`.

    Args:
        pairs: Numbers of two pictures and the orientation that brings the first over the second.
            Sorted, so that the first one of several pairs in a row is read once.
        read: Reads picture number i.

    Returns:
        Score of each pair, in order.
    """

    def compare(others: list[Sequence[int]]) -> list[float]:
        image = read(others[0][0])
        return [copy_score(image, read(other), turn) for _, other, turn in others]

    tasks = [list(group) for _, group in groupby(pairs, key=itemgetter(0))]
    answers = track(map_in_order(compare, tasks), len(tasks), "comparing pictures")
    return [score for scores in answers for score in scores]


# --- parts: one picture was pasted into another, as in stitched data sets ---------------------


def quarter(image: Picture, number: int) -> Picture:
    """Cut out quarter 0 to 3 of a picture, of shape ``(height // 2, width // 2)``."""
    tall, wide = image.shape[0] // 2, image.shape[1] // 2
    top, left = (number // 2) * tall, (number % 2) * wide
    return image[top : top + tall, left : left + wide]


def shared_quarters(read: ReadSheet, numbers: Sequence[int]) -> pd.DataFrame:
    """Compare every quarter of each picture with every quarter of every other one.

    Args:
        read: Reads picture number i, gray, uint8. Pictures whose sides differ twofold are passed
            over.
        numbers: The pictures to compare, no two of them copies of each other.

    Returns:
        ``first, second, score, orientation`` of the best pair of quarters, one row per pair of
        pictures that share one; the smaller number comes first.
    """
    prints, owners = [], []
    for number in numbers:
        image = read(number)
        if shape_of(*image.shape) is SQUARE and min(image.shape) >= 64:
            prints += [fingerprint(quarter(image, part)) for part in range(_QUARTERS)]
            owners += [(number, part) for part in range(_QUARTERS)]
    described = np.array(prints).reshape(-1, SQUARE.length)
    pairs = similar_pairs(described, SQUARE, _AT_LEAST, _IN_EVERY_BAND, _MOST)
    pairs = pairs.sort_values(["first", "second"], ignore_index=True)
    pictures = np.array(owners, np.int64).reshape(-1, 2)[:, 0]
    owned = pairs.assign(first=pictures[pairs["first"]], second=pictures[pairs["second"]])
    apart = owned["first"] != owned["second"]
    scores = copy_scores(
        pairs.loc[apart, ["first", "second", "orientation"]].to_numpy().tolist(),
        lambda index: quarter(read(owners[index][0]), owners[index][1]),
    )
    owned = owned[apart].assign(score=scores)
    owned = owned[owned["score"] >= PART_SCORE].sort_values("score", ascending=False, kind="stable")
    best = owned.drop_duplicates(["first", "second"]).sort_values(["first", "second"])
    return best[["first", "second", "score", "orientation"]]
