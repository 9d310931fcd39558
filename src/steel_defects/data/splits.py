"""Dividing groups of sheets into splits and folds, with equal shares of every kind of sheet."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np


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
    rng = np.random.default_rng(seed)
    total = sum(shares.values())
    parts = [part for part, share in shares.items() if share > 0]
    wanted = {part: shares[part] / total for part in parts}
    members: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    sizes = Counter(strata)
    kind = {
        group: min((strata[i] for i in rows), key=lambda s: (sizes[s], s))
        for group, rows in members.items()
    }
    lacking = {s: {p: wanted[p] * sizes[s] for p in parts} for s in sizes}
    lacking_all = {part: wanted[part] * len(groups) for part in parts}
    result = [""] * len(groups)
    names = sorted(members)
    shuffled = [names[i] for i in rng.permutation(len(names))]
    # Groups that have a part come first: what they take is lacking no more.
    order = {g: (g not in fixed, sizes[kind[g]], kind[g], -len(members[g])) for g in shuffled}
    for group in sorted(shuffled, key=order.__getitem__):
        free = max(parts, key=lambda p: (lacking[kind[group]][p], lacking_all[p]))
        part = fixed.get(group, free)
        for index in members[group]:
            result[index] = part
            lacking[strata[index]][part] -= 1
            lacking_all[part] -= 1
    return result


def parts_of_groups(groups: Sequence[str], parts: Sequence[str | None]) -> dict[str, str]:
    """Return the part of each group whose sheets, as far as they have one, have the same.

    Args:
        groups: Group of each sheet.
        parts: Part that each sheet has, or None.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for group, part in zip(groups, parts, strict=True):
        if part is not None:
            found[group].add(part)
    return {group: next(iter(one)) for group, one in found.items() if len(one) == 1}
