"""Putting similar sheets into groups, and dividing groups into splits and folds.

No split tears a group apart, and each gets its share of every kind of sheet.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import DisjointSet

from steel_defects.tables.declared import SHEET_GROUPS, SPLIT_ASSIGNMENTS

logger = logging.getLogger(__name__)

Pair = tuple[str, str]

#: Share of the sheets by which a kept split may differ from a new one before it is told.
LARGEST_GAP = 0.05


def group_sheets(
    sheet_ids: Sequence[str], pairs: Iterable[Pair], earlier_split: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Join similar sheets, without joining what lies in different splits already.

    Sheets that have a split are joined first. Each new one then joins the groups that it is similar
    to, unless these lie in different splits: wherever it went, it would leak into another one.

    Args:
        sheet_ids: All sheets.
        pairs: Sheets that belong together. If a belongs to b and b to c, all three share a group.
        earlier_split: Split of the sheets that had one before.

    Returns:
        The first member, in the alphabet, of each sheet's group; and why sheets are set aside.
    """
    neighbours: dict[str, list[str]] = {sheet_id: [] for sheet_id in sheet_ids}
    for one, other in pairs:
        neighbours[one].append(other)
        neighbours[other].append(one)
    groups = DisjointSet(sorted(sheet_ids))
    for one in sorted(earlier_split):
        for other in neighbours[one]:
            if other in earlier_split:
                groups.merge(one, other)
    aside = _admit(groups, neighbours, earlier_split)
    return {one: min(members) for members in groups.subsets() for one in members}, aside


def _admit(
    groups: DisjointSet, neighbours: Mapping[str, list[str]], earlier_split: Mapping[str, str]
) -> dict[str, str]:
    """Let the new sheets join, and return those that can't, with the reason."""
    splits = {groups[one]: split for one, split in sorted(earlier_split.items())}
    aside: dict[str, str] = {}
    admitted = set(earlier_split)
    for sheet_id in sorted(set(neighbours) - admitted):
        joined = [one for one in neighbours[sheet_id] if one in admitted]
        roots = {groups[one] for one in joined} | {groups[sheet_id]}
        places = sorted({splits[root] for root in roots if root in splits})
        if len(places) > 1:
            reason = f"set aside: similar to sheets that lie in {' and '.join(places)} already"
            aside[sheet_id] = reason
            continue
        admitted.add(sheet_id)
        for one in joined:
            groups.merge(sheet_id, one)
        if places:
            splits[groups[sheet_id]] = places[0]
    return aside


def groups_beside(groups: pd.DataFrame, alone: list[str], pairs: Iterable[Pair]) -> pd.DataFrame:
    """Give sheets for segmenters alone the group that they resemble, or one of their own.

    Those of the data folder keep theirs, and no two of these are joined: a sheet that resembles
    two of them is set aside.

    Args:
        groups: ``sheet_groups`` of the data folder.
        alone: Ids of the sheets for segmenters alone.
        pairs: Sheets that belong together, of both folders.

    Returns:
        ``sheet_groups`` of the sheets for segmenters alone.
    """
    placed = groups[groups["problem"] == ""].set_index("sheet_id")["group_id"].to_dict()
    ids = [*placed, *alone]
    known = set(ids)
    related = [pair for pair in pairs if known.issuperset(pair)]
    places = {sheet_id: f"the group of {group}" for sheet_id, group in placed.items()}
    joined, aside = group_sheets(ids, related, places)
    names = {joined[sheet_id]: group for sheet_id, group in placed.items()}
    return SHEET_GROUPS.typed(
        (one, names.get(joined[one], joined[one]), aside.get(one, "")) for one in alone
    )


def assign_groups(
    groups: Sequence[str],
    strata: Sequence[str],
    shares: Mapping[str, float],
    seed: int,
    fixed: Mapping[str, str] | None = None,
) -> list[str]:
    """Give every sheet a part, whole groups at a time, stratified.

    Strata are served from the rarest to the most common, since rare ones leave the least choice
    (the order of iterative stratification, Sechidis et al. 2011, doi:10.1007/978-3-642-23808-6_10).
    A group goes where its stratum lacks most; between equals, where sheets lack most.

    Args:
        groups: Group of each sheet.
        strata: Kind of each sheet, such as its combination of defect classes.
        shares: Share of the sheets that each part should get; they are scaled to a sum of 1.
        seed: Decides between equals.
        fixed: Part of the groups that have one already.
    """
    fixed = fixed or {}
    total = sum(shares.values())
    wanted = {part: share / total for part, share in shares.items() if share > 0}
    members: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    sizes = Counter(strata)
    lacking = {s: {part: share * sizes[s] for part, share in wanted.items()} for s in sizes}
    lacking_all = {part: share * len(groups) for part, share in wanted.items()}
    result = [""] * len(groups)
    for group, kind in _in_order(members, strata, fixed, seed):
        free = max(wanted, key=lambda part: (lacking[kind][part], lacking_all[part]))
        part = fixed.get(group, free)
        for index in members[group]:
            result[index] = part
            lacking[strata[index]][part] -= 1
            lacking_all[part] -= 1
    return result


def _in_order(
    members: Mapping[str, list[int]], strata: Sequence[str], fixed: Mapping[str, str], seed: int
) -> list[tuple[str, str]]:
    """Return groups with their rarest stratum, in the order in which they are served."""
    sizes = Counter(strata)
    names = sorted(members)
    shuffled = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    kinds = {
        group: min((strata[i] for i in members[group]), key=lambda s: (sizes[s], s))
        for group in shuffled
    }

    def order(group: str) -> tuple[bool, int, str, int]:
        # Groups that have a part come first: what they take is lacking no more.
        return group not in fixed, sizes[kinds[group]], kinds[group], -len(members[group])

    return [(group, kinds[group]) for group in sorted(shuffled, key=order)]


def parts_of_groups(groups: Sequence[str], parts: Sequence[str | None]) -> dict[str, str]:
    """Return the part of each group whose sheets, as far as they have one, have the same."""
    of_group: dict[str, set[str]] = defaultdict(set)
    for group, part in zip(groups, parts, strict=True):
        if part is not None:
            of_group[group].add(part)
    return {group: parts.pop() for group, parts in of_group.items() if len(parts) == 1}


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
    folds = []
    equal = {str(fold): 1.0 for fold in range(division.folds)}
    for repeat in range(division.repeats):
        known = _earlier_folds(assignments, repeat, division.folds)
        fixed = parts_of_groups(groups, [known.get(digest) for digest in digests])
        folds.append(assign_groups(groups, strata, equal, division.seed + 1 + repeat, fixed))
    fold = [list(map(int, numbers)) for numbers in zip(*folds, strict=True)]
    return sheets[["sheet_id", "group_id"]].assign(split=split, fold=fold)


def _warn_of_other_shares(kept: list[str], anew: list[str]) -> None:
    counts, wanted = Counter(kept), Counter(anew)
    split = max(sorted(counts | wanted), key=lambda split: abs(counts[split] - wanted[split]))
    if abs(counts[split] - wanted[split]) > LARGEST_GAP * len(kept):
        logger.warning(
            "splits: %s keeps %.0f %% of the sheets and would have %.0f %% if all were divided "
            "anew; data_engineering.resplit: true does so",
            split, 100 * counts[split] / len(kept), 100 * wanted[split] / len(kept),
        )  # fmt: skip


def _earlier_folds(assignments: pd.DataFrame, repeat: int, count: int) -> dict[str, str]:
    """Return the fold of each content in a repeat, if there were as many folds."""
    folds = assignments["fold"].map(lambda fold: fold[repeat] if repeat < len(fold) else -1)
    if not len(folds) or folds.min() < 0 or folds.max() != count - 1:
        return {}
    return dict(zip(assignments["sha256"], folds.astype(str), strict=True))


def assignments_of(sheets: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Return what a later division needs to keep this one: ``sha256, split, fold``.

    A sheet is known by its content, whatever its file is called.
    """
    joined = splits.merge(sheets[["sheet_id", "sha256"]], on="sheet_id")
    return SPLIT_ASSIGNMENTS.typed(joined.drop_duplicates("sha256").reset_index(drop=True))
