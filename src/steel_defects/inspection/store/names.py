"""Names of sheets: a set that takes some twenty bytes each, and names that are used again."""

import re
from collections.abc import Hashable, Sequence
from typing import TypeVar

import numpy as np

_AT_LEAST = 4096
_RECENT_SHARE = 8
_NUMBER = re.compile(r"#\d+\Z")

Item = TypeVar("Item", bound=Hashable)


def numbered(name: str, number: int) -> str:
    """Return the id of another sheet under a name; no picture's name ends like this."""
    return f"{name}#{number}"


def name_of(sheet_id: str) -> str:
    """Return the name of a sheet's file, without the number of :func:`numbered`."""
    return _NUMBER.sub("", sheet_id)


class NameSet:
    """Remembers names, or tuples with a name in them, by 64 bits of each.

    Two of a million names are taken for one with odds of 1 to 40 million.
    """

    def __init__(self) -> None:
        """Begin without names."""
        self._sorted = np.zeros(0, np.int64)
        self._recent: set[int] = set()

    def __contains__(self, name: Hashable) -> bool:
        return not self.unknown([name])

    def unknown(self, names: Sequence[Item]) -> list[Item]:
        """Return those of some names that are not remembered."""
        recent = [name for name in names if hash(name) not in self._recent]
        if not len(self._sorted):
            return recent
        keys = np.fromiter(map(hash, recent), np.int64, len(recent))
        places = np.searchsorted(self._sorted, keys).clip(max=len(self._sorted) - 1)
        known = self._sorted[places] == keys
        return [name for name, old in zip(recent, known, strict=True) if not old]

    def add(self, name: Hashable) -> None:
        """Remember a name."""
        self._recent.add(hash(name))
        if len(self._recent) > max(_AT_LEAST, len(self._sorted) // _RECENT_SHARE):
            recent = np.fromiter(self._recent, np.int64, len(self._recent))
            self._sorted = np.union1d(self._sorted, recent)
            self._recent.clear()
