"""Putting similar sheets into groups, which splits never tear apart."""

from collections.abc import Iterable, Mapping, Sequence

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
        pairs: Sheets that belong together. Belonging is passed on: if a belongs to b and b to c,
            all three share a group.
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
    first: dict[str, str] = {}
    for subset in groups.subsets():
        members = sorted(subset)
        first |= dict.fromkeys(members, members[0])
    return first, aside


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
        found = {splits[root]: root for root in sorted(roots) if root in splits}
        if len(found) > 1:
            listed = " and ".join(sorted(found))
            aside[sheet_id] = f"set aside: similar to sheets that lie in {listed} already"
            continue
        admitted.add(sheet_id)
        for one in joined:
            groups.merge(sheet_id, one)
        if found:
            splits[groups[sheet_id]] = next(iter(found))
    return aside
