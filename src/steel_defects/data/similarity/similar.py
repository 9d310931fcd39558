"""The table of similar sheets: which pictures are copies or look-alikes of which."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from steel_defects.data.inventory import fingerprints_of, thumbnails_of
from steel_defects.data.similarity.copies import COPY_SCORE, copy_scores
from steel_defects.data.similarity.fingerprints import OBLONG, SQUARE, Shape
from steel_defects.data.similarity.look_alikes import look_alikes
from steel_defects.data.similarity.search import nearest, similar_pairs
from steel_defects.data.similarity.shared_parts import shared_quarters
from steel_defects.tables.declared import SIMILAR_SHEETS

ReadPath = Callable[[str], NDArray[np.uint8]]

SAME_FILE, COPY, SHARED_PART, LOOK_ALIKE = "same file", "copy", "shared part", "look-alike"
#: Candidates whose pixels turned out to differ; they are kept so as not to be compared again.
DIFFERENT = "different"
#: Correlation of thumbnails from which sheets look alike; copies are found whatever it is.
LOOK_ALIKE_SIMILARITY = 0.985

# Correlation of fingerprints, as a whole and in each band of frequency, from which pixels are
# compared: below that of any planted copy, see benchmarks/copies.py.
_AT_LEAST, _IN_EVERY_BAND = 0.6, 0.45
_MOST = 8  # pairs of a sheet that are compared, the most similar ones

Rows = NDArray[np.int64]


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
    distinct = inventory.drop_duplicates("sha256").reset_index(drop=True)
    compared = _confirmed(distinct, read, earlier)
    alike = _look_alikes(distinct, look_alike_similarity, compared)
    copies = compared[compared["relation"] == COPY]
    tables = [_same_files(inventory), copies, alike, compared]
    if compare_parts:
        tables.insert(2, _shared_parts(distinct, copies, read))
    pairs = pd.concat([table for table in tables if len(table)] or tables)
    # Of several relations of a pair the first counts.
    pairs = pairs.drop_duplicates(["sheet_id", "other_id"])
    pairs = pairs.sort_values(["sheet_id", "other_id"], ignore_index=True)
    return SIMILAR_SHEETS.typed(pairs)


def _same_files(inventory: pd.DataFrame) -> pd.DataFrame:
    """Pair each further file of the same content with the first."""
    first = inventory.groupby("sha256")["sheet_id"].transform("first")
    again = inventory.assign(first=first)[first != inventory["sheet_id"]]
    return pd.DataFrame(
        {
            "sheet_id": again["first"],
            "other_id": again["sheet_id"],
            "sha256": again["sha256"],
            "other_sha256": again["sha256"],
            "relation": SAME_FILE,
            "similarity": 1.0,
            "score": 1.0,
            "orientation": 0,
        }
    )


def _by_shape(distinct: pd.DataFrame) -> Iterator[tuple[Shape, Rows, NDArray[np.float16]]]:
    """Yield row numbers and fingerprints of the pictures of each shape."""
    prints = list(fingerprints_of(distinct))
    for shape in (SQUARE, OBLONG):
        rows = np.array([k for k, one in enumerate(prints) if len(one) == shape.length], np.int64)
        if len(rows):
            yield shape, rows, np.stack([prints[row] for row in rows])


def _candidates(distinct: pd.DataFrame) -> pd.DataFrame:
    """List the pairs that are similar in some orientation: row numbers, how similar, and how."""
    tables = [pd.DataFrame(columns=_CANDIDATE).astype(_CANDIDATE)]
    for shape, rows, prints in _by_shape(distinct):
        found = similar_pairs(prints, shape, _AT_LEAST, _IN_EVERY_BAND, _MOST)
        columns = (rows[found.first], rows[found.second], found.similarity, found.orientation)
        tables.append(pd.DataFrame(dict(zip(_CANDIDATE, columns, strict=True))).astype(_CANDIDATE))
    return pd.concat(tables).sort_values(["first", "second"], ignore_index=True)


_CANDIDATE = {"first": "int64", "second": "int64", "similarity": "float64", "orientation": "int64"}


def _confirmed(
    distinct: pd.DataFrame, read: ReadPath, earlier: pd.DataFrame | None
) -> pd.DataFrame:
    """Compare the pixels of candidates, unless that was done before."""
    candidates = _candidates(distinct)
    table = _pair_table(distinct, candidates[["first", "second"]].to_numpy())
    known = _known_scores(earlier)
    keys = list(zip(table["sha256"], table["other_sha256"], strict=True))
    new = [k for k, key in enumerate(keys) if key not in known]
    paths = distinct["path"].tolist()
    pairs = candidates[["first", "second", "orientation"]].to_numpy()[new].tolist()
    answers = copy_scores(pairs, lambda number: read(paths[number]))
    known |= {keys[k]: answer for k, answer in zip(new, answers, strict=True)}
    scores = np.array([known[key] for key in keys], np.float64)
    return table.assign(
        relation=np.where(scores >= COPY_SCORE, COPY, DIFFERENT),
        similarity=candidates["similarity"],
        score=scores,
        orientation=candidates["orientation"],
    )


def _known_scores(earlier: pd.DataFrame | None) -> dict[tuple[str, str], float]:
    if earlier is None or not set(SIMILAR_SHEETS.columns) <= set(earlier.columns):
        return {}
    compared = ~earlier["relation"].isin([SAME_FILE, SHARED_PART]) & earlier["score"].notna()
    rows = earlier[compared]
    keys = zip(rows["sha256"], rows["other_sha256"], strict=True)
    return dict(zip(keys, rows["score"], strict=True))


def _shared_parts(distinct: pd.DataFrame, copies: pd.DataFrame, read: ReadPath) -> pd.DataFrame:
    """Compare the quarters of one picture of each set of copies."""
    row = {sheet_id: number for number, sheet_id in enumerate(distinct["sheet_id"])}
    links = copies["sheet_id"].map(row), copies["other_id"].map(row)
    graph = coo_array((np.ones(len(copies)), links), shape=(len(row), len(row)))
    members = connected_components(graph, directed=False)[1]
    first = np.unique(members, return_index=True)[1].tolist()
    paths = distinct["path"].tolist()
    found = shared_quarters(lambda number: read(paths[number]), sorted(first))
    table = _pair_table(distinct, np.array(list(found), np.int64).reshape(-1, 2))
    scores, turns = zip(*found.values(), strict=True) if found else ((), ())
    return table.assign(relation=SHARED_PART, similarity=np.nan, score=scores, orientation=turns)


def _look_alikes(distinct: pd.DataFrame, similarity: float, compared: pd.DataFrame) -> pd.DataFrame:
    thumbnails = thumbnails_of(distinct)
    tables = [_pair_table(distinct, np.zeros((0, 2), np.int64)).assign(similarity=0.0)]
    for _, rows, prints in _by_shape(distinct):
        first, second, value = look_alikes(thumbnails[rows], prints, similarity)
        numbers = np.stack([rows[first], rows[second]], axis=1)
        tables.append(_pair_table(distinct, numbers).assign(similarity=value))
    scores = compared[["sheet_id", "other_id", "score"]]
    table = pd.concat(tables).merge(scores, how="left", on=["sheet_id", "other_id"])
    return table.assign(relation=LOOK_ALIKE, orientation=0)


def _pair_table(distinct: pd.DataFrame, numbers: Rows) -> pd.DataFrame:
    ids, digests = distinct["sheet_id"].to_numpy(), distinct["sha256"].to_numpy()
    first, second = numbers.T
    return pd.DataFrame(
        {
            "sheet_id": ids[first],
            "other_id": ids[second],
            "sha256": digests[first],
            "other_sha256": digests[second],
        }
    )


def nearest_similarity(inventory: pd.DataFrame) -> pd.Series:
    """Return each sheet's similarity to its nearest other one, -1 to 1, in any orientation.

    Args:
        inventory: ``fingerprint`` of each sheet.
    """
    result = np.full(len(inventory), -1.0)
    for shape, rows, prints in _by_shape(inventory):
        result[rows] = nearest(prints, prints, shape, others_only=True)[1]
    return pd.Series(result, index=inventory.index)
