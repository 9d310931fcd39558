"""Which unlabelled sheets to label next: those that are uncertain, and unlike what is labelled.

Uncertain sheets alone resemble each other, and sheets that are merely far apart are oddities. So
sheets are picked one at a time, the one with the highest product of uncertainty and distance to the
nearest sheet that is labelled or picked before: the greedy solution of the k-centre problem
(Gonzalez 1985; Sener and Savarese 2018, arXiv:1708.00489), weighted by doubt.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.data.inventory import thumbnails_of

Numbers = NDArray[np.floating]
Indices = NDArray[np.int64]

# Uncertainty of a sheet about which nothing is uncertain: distance alone then decides.
_LEAST_UNCERTAINTY = 0.05


def informative_order(
    scores: Numbers, features: Numbers, labelled: NDArray[np.bool_], count: int, cut: float = 0.5
) -> Indices:
    """Return the unlabelled sheets to label next, the most informative first.

    Args:
        scores: Presence of each class, or the gate's score, 0 to 1, of shape ``(sheets, scores)``;
            those of labelled sheets play no part.
        features: What sheets look like, such as fingerprints, of shape ``(sheets, features)``;
            their lengths play no part.
        labelled: Whether each sheet is labelled, of shape ``(sheets,)``.
        count: Number of sheets wanted.
        cut: Score at which presence is decided, between 0 and 1.

    Returns:
        Numbers of the sheets, as many as are wanted, or as there are without a label.
    """
    candidates = np.flatnonzero(~labelled)
    vectors = _unit(features)
    doubt = _LEAST_UNCERTAINTY + uncertainty(scores[candidates], cut)
    away = _distances(vectors[candidates], vectors[labelled])
    picked = np.zeros(min(count, len(candidates)), np.int64)
    for place in range(len(picked)):
        best = int(np.argmax(doubt * away))
        picked[place] = candidates[best]
        away = np.minimum(away, 1 - vectors[candidates] @ vectors[candidates[best]])
        doubt[best] = -1.0  # never again
    return picked


def appearance_of(sheets: pd.DataFrame) -> Numbers:
    """Return what sheets look like, for :func:`informative_order`: their ``thumbnail``.

    What all of them share, such as the darker edges of the line's light, is taken out.

    Returns:
        Float64 of shape ``(sheets, features)``.
    """
    flat = thumbnails_of(sheets).reshape(len(sheets), -1).astype(np.float64)
    deviation = np.maximum(flat.std(axis=0), 1.0) if len(flat) else 1.0
    return np.asarray((flat - flat.mean(axis=0)) / deviation if len(flat) else flat)


def uncertainty(scores: Numbers, cut: float = 0.5) -> Numbers:
    """Return how near the least certain score of each sheet is to the cut, 0 (sure) to 1.

    Scores are of shape ``(sheets, scores)``, 0 to 1; what is returned of shape ``(sheets,)``.
    """
    above = (1 - scores) / (1 - cut)
    return np.asarray(np.minimum(scores / cut, above).max(axis=1, initial=0.0), np.float64)


def _unit(features: Numbers) -> Numbers:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, 1e-12), np.float64)


def _distances(vectors: Numbers, others: Numbers) -> Numbers:
    """Return the distance of each vector to the nearest other one; 2, the largest, without any."""
    nearest = np.full(len(vectors), -1.0)
    for first in range(0, len(others), 1024):  # a block of the similarity matrix at a time
        block = vectors @ others[first : first + 1024].T
        nearest = np.maximum(nearest, block.max(axis=1))
    return np.maximum(1 - nearest, 0.0)
