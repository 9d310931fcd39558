"""A set of names that takes some twenty bytes a name."""

from collections.abc import Sequence

import numpy as np

_AT_LEAST = 4096
_RECENT_SHARE = 8


class NameSet:
    """Remembers names by 64 bits of each.

    Two of a million names are taken for one with odds of 1 to 40 million.
    """

    def __init__(self) -> None:
        """Begin without names."""
        self._sorted = np.zeros(0, np.int64)
        self._recent: set[int] = set()

    def __contains__(self, name: str) -> bool:
        return not self.unknown([name])

    def unknown(self, names: Sequence[str]) -> list[str]:
        """Return those of some names that are not remembered."""
        recent = [name for name in names if hash(name) not in self._recent]
        if not len(self._sorted):
            return recent
        keys = np.fromiter(map(hash, recent), np.int64, len(recent))
        places = np.searchsorted(self._sorted, keys).clip(max=len(self._sorted) - 1)
        known = self._sorted[places] == keys
        return [name for name, old in zip(recent, known, strict=True) if not old]

    def add(self, name: str) -> None:
        """Remember a name."""
        self._recent.add(hash(name))
        if len(self._recent) > max(_AT_LEAST, len(self._sorted) // _RECENT_SHARE):
            recent = np.fromiter(self._recent, np.int64, len(self._recent))
            self._sorted = np.union1d(self._sorted, recent)
            self._recent.clear()
