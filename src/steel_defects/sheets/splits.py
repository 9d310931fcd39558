"""Dividing groups of sheets into splits and folds, with equal shares of every kind of sheet."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np


def assign_groups(
    groups: Sequence[str], strata: Sequence[str], shares: Mapping[str, float], seed: int
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

    Returns:
        The part of each sheet.
    """
    rng = np.random.default_rng(seed)
    total = sum(shares.values())
    parts = [part for part, share in shares.items() if share > 0]
    wanted = {part: shares[part] / total for part in parts}
    members: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    sizes = {stratum: strata.count(stratum) for stratum in set(strata)}
    kind = {
        group: min((strata[i] for i in rows), key=lambda s: (sizes[s], s))
        for group, rows in members.items()
    }
    lacking = {s: {p: wanted[p] * sizes[s] for p in parts} for s in sizes}
    lacking_all = {part: wanted[part] * len(groups) for part in parts}
    result = [""] * len(groups)
    shuffled = [sorted(members)[i] for i in rng.permutation(len(members))]
    for group in sorted(shuffled, key=lambda g: (sizes[kind[g]], kind[g], -len(members[g]))):
        part = max(parts, key=lambda p: (lacking[kind[group]][p], lacking_all[p]))
        for index in members[group]:
            result[index] = part
            lacking[strata[index]][part] -= 1
            lacking_all[part] -= 1
    return result
