"""The table of similar sheets: which pictures are copies or look-alikes of which."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.hierarchy import DisjointSet

from steel_defects.data.inventory import fingerprints_of, thumbnails_of
from steel_defects.data.similarity.copies import COPY_SCORE, copy_scores, shared_quarters
from steel_defects.data.similarity.look_alikes import look_alikes
from steel_defects.data.similarity.search import PAIRS, by_shape, nearest, similar_pairs
from steel_defects.tables.declared import SIMILAR_SHEETS

ReadPath = Callable[[str], NDArray[np.uint8]]

SAME_FILE, COPY, SHARED_PART, LOOK_ALIKE = "same file", "copy", "shared part", "look-alike"
#: Candidates whose pixels turned out to differ; they are kept so as not to be compared again.
DIFFERENT = "different"
#: Correlation of thumbnails from which sheets look alike; copies are found however low it is.
LOOK_ALIKE_SIMILARITY = 0.985

# Correlation of fingerprints, as a whole and in each band of frequency, from which pixels are
# compared: below that of any planted copy, see benchmarks/copies.py.
_AT_LEAST, _IN_EVERY_BAND = 0.6, 0.45
_MOST = 8  # pairs of a sheet that are compared, the most similar ones


def find_similar(
    inventory: pd.DataFrame,
    read: ReadPath,
    look_alike_similarity: float,
    compare_parts: bool = False,
    earlier: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Compare all sheets with each other.

    Args:
        inventory: Sound pictures: ``sheet_id, path, sha256, thumbnail, fingerprint``.
        read: Reads a picture by its path, gray, ``(height, width)``, uint8.
        look_alike_similarity: Correlation of thumbnails from which sheets look alike.
        compare_parts: Search for pictures that share a quarter, too.
        earlier: What this function returned before: its pixel comparisons are not repeated.

    Returns:
        ``similar_sheets``, one row per pair that was worth comparing, sorted.
        ``relation`` is the strongest that was found; ``similarity`` is the correlation of
        fingerprints (of thumbnails for look-alikes; missing for shared parts), ``score`` that of
        pixels (missing where none were compared), and ``orientation`` brings the picture of
        ``sheet_id`` over that of ``other_id``.
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
    first, second = (inventory.loc[pairs[end].to_numpy()] for end in ("first", "second"))
    pairs = pairs.assign(
        sheet_id=first["sheet_id"].to_numpy(), other_id=second["sheet_id"].to_numpy(),
        sha256=first["sha256"].to_numpy(), other_sha256=second["sha256"].to_numpy(),
    )  # fmt: skip
    pairs = pairs.sort_values(["sheet_id", "other_id"], ignore_index=True)
    return SIMILAR_SHEETS.typed(pairs)


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
        pairs = similar_pairs(prints, shape, _AT_LEAST, _IN_EVERY_BAND, _MOST)
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
    """Compare the quarters of one picture of each set of copies."""
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
