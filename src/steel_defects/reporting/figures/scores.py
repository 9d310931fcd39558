"""Score tables as the gate's figures need them."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Labels = NDArray[np.bool_]
Floats = NDArray[np.float64]


def hold_out_rows(frame: pd.DataFrame) -> tuple[Labels, Floats]:
    """Return labels and scores of the hold-out test rows, without those of a cross-validation.

    Args:
        frame: ``split, repeat, has_defect, score``, one row per sheet and repeat.

    Returns:
        Whether each test sheet is defective and its score, each of shape ``(sheets,)``.
    """
    rows = frame[(frame["split"] == "test") & frame["repeat"].isna()]
    return rows["has_defect"].to_numpy(bool), rows["score"].to_numpy(np.float64)


def with_both_kinds(
    scores_by_backbone: Mapping[str, pd.DataFrame],
) -> Iterator[tuple[str, tuple[Labels, Floats]]]:
    """Yield the backbones whose test sheets are both clean and defective, with those rows."""
    for name, frame in scores_by_backbone.items():
        labels, scores = hold_out_rows(frame)
        if labels.any() and not labels.all():
            yield name, (labels, scores)


def hits_and_alarms(labels: Labels, scores: Floats) -> tuple[Floats, Floats]:
    """Count flagged defective and flagged clean sheets at every distinct score, highest first.

    Args:
        labels: Whether each sheet is defective, of shape ``(sheets,)``.
        scores: Its score, of the same shape.

    Returns:
        Two arrays of shape ``(distinct scores,)``.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    flagged = labels[order]
    return np.cumsum(flagged)[ends].astype(float), np.cumsum(~flagged)[ends].astype(float)
