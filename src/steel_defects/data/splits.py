"""Putting similar sheets into groups, and dividing groups into splits and folds.

No split tears a group apart, and each gets its share of every kind of sheet.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy.cluster.hierarchy import DisjointSet

Pair = tuple[str, str]


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
        For each sheet the first member of its group, in the alphabet; and for each sheet to set
        aside the reason.
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
    """Let the new sheets join; returns those that can't, with the reason."""
    splits = {groups[one]: split for one, split in sorted(earlier_split.items())}
    aside: dict[str, str] = {}
    admitted = set(earlier_split)
    for sheet_id in sorted(set(neighbours) - admitted):
        joined = [one for one in neighbours[sheet_id] if one in admitted]
        roots = {groups[one] for one in joined} | {groups[sheet_id]}
        places = sorted({splits[root] for root in roots if root in splits})
        if len(places) > 1:
            listed = " and ".join(places)
            aside[sheet_id] = f"set aside: similar to sheets that lie in {listed} already"
            continue
        admitted.add(sheet_id)
        for one in joined:
            groups.merge(sheet_id, one)
        if places:
            splits[groups[sheet_id]] = places[0]
    return aside


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

    Returns:
        The part of each sheet.
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
