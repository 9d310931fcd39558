"""The tables of splits: kept from run to run, with new sheets fitted in."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from steel_defects.data.splits import assign_groups, parts_of_groups
from steel_defects.tables.declared import SPLIT_ASSIGNMENTS

logger = logging.getLogger(__name__)

#: Share of the sheets by which a kept split may differ from a new one before it is told.
LARGEST_GAP = 0.05


@dataclass(frozen=True)
class Division:
    """How sheets are to be divided: the share of each split, and folds of a cross-validation.

    Each repeat has folds of its own; the seed decides what is left to chance.
    """

    shares: Mapping[str, float]
    folds: int
    repeats: int
    seed: int


def earlier_splits(assignments: pd.DataFrame, shares: Mapping[str, float]) -> dict[str, str]:
    """Return the split of each content, as far as it is one that still takes sheets."""
    if assignments.empty:
        return {}
    usable = assignments[assignments["split"].map(lambda split: shares.get(split, 0) > 0)]
    return dict(zip(usable["sha256"], usable["split"], strict=True))


def divide(
    sheets: pd.DataFrame, strata: list[str], assignments: pd.DataFrame, division: Division
) -> pd.DataFrame:
    """Divide sheets into splits and folds; those that were divided before stay where they are.

    Args:
        sheets: ``sheet_id, sha256, group_id``.
        strata: Kind of each sheet.
        assignments: ``sha256, split, fold`` of an earlier division; empty to start from the seed.
        division: How to divide.

    Returns:
        ``sheet_id, group_id, split, fold``, the last one a list with one number per repeat.
    """
    groups, digests = sheets["group_id"].tolist(), sheets["sha256"].tolist()
    earlier = earlier_splits(assignments, division.shares)
    fixed = parts_of_groups(groups, [earlier.get(digest) for digest in digests])
    split = assign_groups(groups, strata, division.shares, division.seed, fixed)
    moved = {group for group, digest in zip(groups, digests, strict=True) if digest in earlier}
    if moved := moved - set(fixed):
        logger.warning(
            "splits: sheets of different splits turned out to be similar; %d groups are divided "
            "anew, such as that of %s", len(moved), min(moved),
        )  # fmt: skip
    if fixed:
        unmoved = sum(group in fixed for group in groups)
        logger.info(
            "splits: %d sheets stay where they were, %d are new; resplit: true starts anew",
            unmoved, len(groups) - unmoved,
        )  # fmt: skip
        anew = assign_groups(groups, strata, division.shares, division.seed)
        _warn_of_other_shares(split, anew)
    folds = [
        _folds(groups, strata, digests, assignments, division, r) for r in range(division.repeats)
    ]
    fold = [list(map(int, numbers)) for numbers in zip(*folds, strict=True)]
    return sheets[["sheet_id", "group_id"]].assign(split=split, fold=fold)


def _warn_of_other_shares(kept: list[str], anew: list[str]) -> None:
    """Say so where sheets that stay leave a split far from what it would get if they did not."""
    counts, wanted = Counter(kept), Counter(anew)
    split = max(sorted(counts | wanted), key=lambda split: abs(counts[split] - wanted[split]))
    if abs(counts[split] - wanted[split]) > LARGEST_GAP * len(kept):
        logger.warning(
            "splits: %s keeps %.0f %% of the sheets and would have %.0f %% if all were divided "
            "anew; data_engineering.resplit: true does so",
            split, 100 * counts[split] / len(kept), 100 * wanted[split] / len(kept),
        )  # fmt: skip


def _folds(
    groups: list[str],
    strata: list[str],
    digests: list[str],
    assignments: pd.DataFrame,
    division: Division,
    repeat: int,
) -> list[str]:
    """Assign the folds of a repeat; earlier ones count if there were as many folds."""
    known: dict[str, str] = {}
    if len(assignments):
        folds = assignments["fold"].map(lambda fold: fold[repeat] if repeat < len(fold) else -1)
        if folds.min() >= 0 and folds.max() == division.folds - 1:
            known = dict(zip(assignments["sha256"], folds.astype(str), strict=True))
    fixed = parts_of_groups(groups, [known.get(digest) for digest in digests])
    equal = {str(fold): 1.0 for fold in range(division.folds)}
    return assign_groups(groups, strata, equal, division.seed + 1 + repeat, fixed)


def assignments_of(sheets: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Return what a later division needs to keep this one: ``sha256, split, fold``.

    A sheet is known by its content, whatever its file is called.
    """
    joined = splits.merge(sheets[["sheet_id", "sha256"]], on="sheet_id")
    return SPLIT_ASSIGNMENTS.typed(joined.drop_duplicates("sha256").reset_index(drop=True))
