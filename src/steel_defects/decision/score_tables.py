"""Tables of scores as arrays: one row per repeat of the cross-validation, one column per sheet."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ScoredSheets:
    """Scores of sheets, once or once a repeat.

    Attributes:
        sheet_ids: The sheets, in order.
        labels: Whether each is defective, of shape ``(sheets,)``.
        groups: Number of the group of look-alikes that each belongs to, of the same shape.
        scores: Probability of a defect, 0 to 1, of shape ``(repeats, sheets)``.
        thresholds: From which score on it counts as defective, of the same shape.
        classes: Whether each sheet shows a class, by class, each of shape ``(sheets,)``.
    """

    sheet_ids: tuple[str, ...]
    labels: Flags
    groups: NDArray[np.int64]
    scores: Floats
    thresholds: Floats
    classes: Mapping[int, Flags] = field(default_factory=dict)

    @property
    def decisions(self) -> Flags:
        """Whether each sheet counts as defective, of shape ``(repeats, sheets)``."""
        return np.asarray(self.scores >= self.thresholds)


def hold_out(scores: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the rows of the one hold-out model, of one split."""
    return scores[scores["repeat"].isna() & (scores["split"] == split)]


def out_of_fold(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a cross-validation; none where there was none."""
    return scores[scores["repeat"].notna()]


def evidence_rows(scores: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return the rows of ``sheet_scores`` to choose thresholds by; test sheets are not among them.

    Args:
        scores: ``sheet_scores``.
        source: ``out_of_fold``, or ``calibration`` for that split.
    """
    if source == "calibration":
        return hold_out(scores, "calibration").assign(repeat=0)
    crossed = out_of_fold(scores)
    return crossed[crossed["split"] != "test"]


def scored_sheets(
    rows: pd.DataFrame,
    splits: pd.DataFrame,
    annotations: pd.DataFrame | None = None,
    column: str = "score",
) -> ScoredSheets:
    """Arrange rows of ``sheet_scores``.

    Args:
        rows: ``sheet_id, repeat, has_defect, threshold`` and the scores, one row per sheet and
            repeat; ``repeat`` is null throughout for scores of one model.
        splits: ``sheet_id, group_id`` of these sheets at least.
        annotations: ``sheet_id, class_id``, one row per sheet and class that it shows.
        column: Where the scores stand.

    Raises:
        SteelDefectsError: A score is not a number, or some sheet was not scored in every repeat.
    """
    require_numbers(rows[column].to_numpy(float))
    labels, scores = labels_and_scores(rows, column)
    if scores.size != len(rows):
        raise SteelDefectsError(
            "the out-of-fold scores lack some sheets in some repeats; "
            "run the pipeline classification again"
        )
    ids = np.sort(rows["sheet_id"].astype(str).unique())
    shape = (max(1, len(scores)), len(ids))
    shown = [] if annotations is None else annotations.groupby("class_id")["sheet_id"]
    return ScoredSheets(
        sheet_ids=tuple(ids.tolist()),
        labels=labels,
        groups=groups_of(rows, splits),
        scores=scores.reshape(shape),
        thresholds=labels_and_scores(rows, "threshold")[1].reshape(shape),
        classes={int(number): pd.Index(ids).isin(part.astype(str)) for number, part in shown},
    )


def labels_and_scores(rows: pd.DataFrame, column: str = "score") -> tuple[Flags, Floats]:
    """Arrange ``sheet_id, repeat, has_defect`` and scores, one row per sheet and repeat.

    Returns:
        Whether each sheet is defective, ``(sheets,)``, and its scores, ``(repeats, sheets)``.
    """
    numbered = rows.assign(repeat=rows["repeat"].astype("Int64").fillna(0).astype(int))
    wide = numbered.pivot(index="repeat", columns="sheet_id", values=column)
    labels = rows.drop_duplicates("sheet_id").set_index("sheet_id")["has_defect"]
    return labels.loc[wide.columns].to_numpy(bool), wide.to_numpy(float)


def groups_of(rows: pd.DataFrame, splits: pd.DataFrame) -> NDArray[np.int64]:
    """Number the groups of the sheets in rows, in the order of :func:`labels_and_scores`.

    Args:
        rows: ``sheet_id``, any number of rows a sheet.
        splits: ``sheet_id, group_id`` of these sheets at least.
    """
    ids = np.sort(rows["sheet_id"].astype(str).unique())
    named = splits.set_index("sheet_id")["group_id"].loc[ids]
    return pd.factorize(named.to_numpy())[0].astype(np.int64)


def require_numbers(scores: Floats) -> None:
    """Refuse scores that are not numbers.

    Raises:
        SteelDefectsError: A score is NaN.
    """
    broken = int(np.isnan(scores).sum())
    if broken:
        raise SteelDefectsError(
            f"{broken} of {scores.size} scores are not numbers, so that the network has diverged; "
            "train it again with a lower classification.learning_rate"
        )
