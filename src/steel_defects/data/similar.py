"""Which pictures are copies or look-alikes of which.

Fingerprints and thumbnails find candidates. Whether a picture, or a part of it, is a copy (moved,
turned, saved anew) is decided on pixels: on the fine structure, with brightness and contrast evened
out, since sheets of one coil share light, borders and stripes, but not the grain of their surface.
The score is the normalised cross-correlation (Lewis 1995, "Fast normalized cross-correlation"), the
best of all shifts by a few pixels.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.hierarchy import DisjointSet

from steel_defects.data.appearance import BLACK_LEVEL
from steel_defects.data.inventory import (
    SQUARE,
    even_out,
    fingerprint,
    fingerprints_of,
    shape_of,
    thumbnails_of,
)
from steel_defects.data.search import PAIRS, by_shape, look_alikes, nearest, similar_pairs
from steel_defects.images.orientations import laid_down, oriented
from steel_defects.images.reading import resize
from steel_defects.progress import track
from steel_defects.tables.declared import SIMILAR_SHEETS
from steel_defects.threads import map_in_order

Picture = NDArray[np.uint8]
Detail = NDArray[np.float32]
ReadPath = Callable[[str], Picture]
ReadSheet = Callable[[int], Picture]

SAME_FILE, COPY, SHARED_PART, LOOK_ALIKE = "same file", "copy", "shared part", "look-alike"
#: Candidates whose pixels turned out to differ; they are kept so as not to be compared again.
DIFFERENT = "different"
#: Correlation of thumbnails from which sheets look alike; copies are found however low it is.
LOOK_ALIKE_SIMILARITY = 0.985

#: Score from which two pictures are copies. Planted copies reach 0.6 and more, see docs.
COPY_SCORE = 0.5
#: Score from which quarters are copies: two short pieces of straight scratches may well be alike.
PART_SCORE = 0.55

# Correlation of fingerprints, as a whole and in each band of frequency, from which pixels are
# compared (below that of any planted copy, see benchmarks/copies.py), and the most pairs of a sheet
# that are. For quarters of pictures, too.
_CANDIDATES = 0.6, 0.45, 8
_CANDIDATE_QUARTERS = 0.6, 0.4, 8
_MAX_SHIFT = 4  # pixels
_STRUCTURE = 0.02  # deviation under which a picture, evened out, is flat
# Pixels of the longer side at which pictures are compared, and the window they are evened out over.
_COARSE = (400, 4.0)
_FINE = ((800, 4.0), (1600, 6.0))
_WORTH_A_LOOK = 0.4  # score of the coarse comparison from which the finer ones are made


def find_similar(
    inventory: pd.DataFrame,
    read: ReadPath,
    look_alike_similarity: float,
    compare_parts: bool = False,
    earlier: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Compare all sheets with each other.

    Args:
        inventory: ``sheet_id, path, sha256, thumbnail, fingerprint`` of sound pictures.
        read: Reads a picture by its path, gray, ``(height, width)``, uint8.
        look_alike_similarity: Correlation of thumbnails from which sheets look alike.
        compare_parts: Search for pictures that share a quarter, too.
        earlier: What this function returned before: its pixel comparisons are not repeated.

    Returns:
        ``similar_sheets``, one row per pair that was worth comparing, sorted, with the strongest
        ``relation``; ``similarity`` is the correlation of fingerprints (of thumbnails for
        look-alikes; missing for shared parts), ``score`` that of pixels (missing where none were
        compared), and ``orientation`` brings the picture of ``sheet_id`` over the other.
    """
    inventory = inventory.sort_values(["sha256", "sheet_id"], ignore_index=True)
    distinct = inventory.drop_duplicates("sha256")
    compared = _compared(distinct, read, _known_scores(earlier))
    copies = compared[compared["relation"] == COPY]
    parts = [_shared_parts(distinct, copies, read)] if compare_parts else []
    alike = _look_alikes(distinct, look_alike_similarity, compared)
    # Of several relations of a pair the first counts.
    tables = [_same_files(inventory), copies, *parts, alike, compared]
    pairs = pd.concat([table for table in tables if len(table)] or tables)
    pairs = pairs.drop_duplicates(["first", "second"])
    ids, digests = inventory["sheet_id"], inventory["sha256"]
    pairs = pairs.assign(
        sheet_id=pairs["first"].map(ids), other_id=pairs["second"].map(ids),
        sha256=pairs["first"].map(digests), other_sha256=pairs["second"].map(digests),
    )  # fmt: skip
    return SIMILAR_SHEETS.typed(pairs.sort_values(["sheet_id", "other_id"], ignore_index=True))


# Tables of pairs name pictures by their rows in the inventory until they are put together.


def _same_files(inventory: pd.DataFrame) -> pd.DataFrame:
    """Pair each further file of the same content with the first."""
    rows = inventory.index.to_series()
    first = rows.groupby(inventory["sha256"]).transform("first")
    again = first != rows
    pairs = pd.DataFrame({"first": first[again], "second": rows[again]})
    return pairs.assign(relation=SAME_FILE, similarity=1.0, score=1.0, orientation=0)


def _compared(
    distinct: pd.DataFrame, read: ReadPath, known: dict[tuple[str, str], float]
) -> pd.DataFrame:
    """Compare the pixels of all pairs with similar fingerprints, unless that was done before."""
    tables = [pd.DataFrame(columns=list(PAIRS)).astype(PAIRS)]
    for shape, rows, prints in by_shape(fingerprints_of(distinct)):
        pairs = similar_pairs(prints, shape, *_CANDIDATES)
        tables.append(_renumbered(pairs, distinct.index[rows]))
    pairs = pd.concat(tables).sort_values(["first", "second"], ignore_index=True)
    digests = (distinct["sha256"].loc[pairs[end]] for end in ("first", "second"))
    keys = list(zip(*digests, strict=True))
    new = [number for number, key in enumerate(keys) if key not in known]
    tasks = pairs[["first", "second", "orientation"]].to_numpy()[new].tolist()
    answers = copy_scores(tasks, lambda row: read(distinct["path"][row]))
    known = known | {keys[number]: answer for number, answer in zip(new, answers, strict=True)}
    scores = np.array([known[key] for key in keys], np.float64)
    return pairs.assign(relation=np.where(scores >= COPY_SCORE, COPY, DIFFERENT), score=scores)


def _renumbered(pairs: pd.DataFrame, rows: pd.Index) -> pd.DataFrame:
    first, second = (rows[pairs[end].to_numpy()] for end in ("first", "second"))
    return pairs.assign(first=first.to_numpy(), second=second.to_numpy())


def _known_scores(earlier: pd.DataFrame | None) -> dict[tuple[str, str], float]:
    if earlier is None or not set(SIMILAR_SHEETS.columns) <= set(earlier.columns):
        return {}
    compared = ~earlier["relation"].isin([SAME_FILE, SHARED_PART]) & earlier["score"].notna()
    rows = earlier[compared]
    keys = zip(rows["sha256"], rows["other_sha256"], strict=True)
    return dict(zip(keys, rows["score"], strict=True))


def _shared_parts(distinct: pd.DataFrame, copies: pd.DataFrame, read: ReadPath) -> pd.DataFrame:
    sets = DisjointSet(distinct.index)
    for first, second in copies[["first", "second"]].itertuples(index=False):
        sets.merge(first, second)
    numbers = sorted(min(members) for members in sets.subsets())
    pairs = shared_quarters(lambda row: read(distinct["path"][row]), numbers)
    return pairs.assign(relation=SHARED_PART, similarity=np.nan)


def _look_alikes(distinct: pd.DataFrame, similarity: float, compared: pd.DataFrame) -> pd.DataFrame:
    thumbnails = thumbnails_of(distinct)
    tables = [pd.DataFrame({"first": [], "second": [], "similarity": []}).astype("int64")]
    for _, rows, prints in by_shape(fingerprints_of(distinct)):
        pairs = look_alikes(thumbnails[rows], prints, similarity)
        tables.append(_renumbered(pairs, distinct.index[rows]))
    scores = compared[["first", "second", "score"]]
    table = pd.concat(tables).merge(scores, how="left", on=["first", "second"])
    return table.assign(relation=LOOK_ALIKE, orientation=0)


def nearest_similarity(inventory: pd.DataFrame) -> pd.Series:
    """Return each sheet's similarity to its nearest other one, -1 to 1, in any orientation.

    Args:
        inventory: ``fingerprint`` of each sheet.
    """
    result = np.full(len(inventory), -1.0)
    for shape, rows, prints in by_shape(fingerprints_of(inventory)):
        result[rows] = nearest(prints, prints, shape, others_only=True)[1]
    return pd.Series(result, index=inventory.index)


def copy_score(image: Picture, other: Picture, orientation: int) -> float:
    """Return the correlation, -1 to 1, of the fine structure of two gray pictures, uint8.

    The orientation, that in which their fingerprints agree best, brings one over the other, both
    laid down if they are oblong. -1 where the shapes then differ.
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
    height, width = (max(1, round(side * scale)) for side in image.shape)
    image = resize(image, (height, width))
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
    """Return the :func:`copy_score` of each pair of pictures, in order; works on all cores.

    Args:
        pairs: Numbers of two pictures and the orientation that brings the first over the second.
            Sorted, so that the first one of several pairs in a row is read once.
        read: Reads picture number i.
    """

    def compare(others: list[Sequence[int]]) -> list[float]:
        image = read(others[0][0])
        return [copy_score(image, read(other), turn) for _, other, turn in others]

    tasks = [list(group) for _, group in groupby(pairs, key=itemgetter(0))]
    answers = track(map_in_order(compare, tasks), len(tasks), "comparing pictures")
    return [score for scores in answers for score in scores]


def quarter(image: Picture, number: int) -> Picture:
    """Cut out quarter 0 to 3 of a picture, of shape ``(height // 2, width // 2)``."""
    tall, wide = image.shape[0] // 2, image.shape[1] // 2
    top, left = (number // 2) * tall, (number % 2) * wide
    return image[top : top + tall, left : left + wide]


def shared_quarters(read: ReadSheet, numbers: Sequence[int]) -> pd.DataFrame:
    """Compare every quarter of each picture with every quarter of every other one.

    No two of the pictures, which are read by their number, are to be copies of each other; oblong
    ones are passed over.

    Returns:
        ``first, second, score, orientation`` of the best pair of quarters, one row per pair of
        pictures that share one; the smaller number comes first.
    """
    prints, owners = [], []
    for number in numbers:
        image = read(number)
        if shape_of(*image.shape) is SQUARE and min(image.shape) >= 64:
            prints += [fingerprint(quarter(image, part)) for part in range(4)]
            owners += [(number, part) for part in range(4)]
    described = np.array(prints).reshape(-1, SQUARE.length)
    pairs = similar_pairs(described, SQUARE, *_CANDIDATE_QUARTERS)
    pairs = pairs.sort_values(["first", "second"], ignore_index=True)
    pictures = np.array(owners, np.int64).reshape(-1, 2)[:, 0]
    owned = pairs.assign(first=pictures[pairs["first"]], second=pictures[pairs["second"]])
    apart = owned["first"] != owned["second"]
    tasks = pairs.loc[apart, ["first", "second", "orientation"]].to_numpy().tolist()
    scores = copy_scores(tasks, lambda row: quarter(read(owners[row][0]), owners[row][1]))
    owned = owned[apart].assign(score=scores)
    owned = owned[owned["score"] >= PART_SCORE].sort_values("score", ascending=False, kind="stable")
    best = owned.drop_duplicates(["first", "second"]).sort_values(["first", "second"])
    return best[["first", "second", "score", "orientation"]]
