"""Which files of a watched folder were judged, and what becomes of one that is written again."""

import logging
from collections import Counter
from collections.abc import Collection
from itertools import count

from steel_defects.decision.reasons import UNREADABLE
from steel_defects.inspection.frames import Frame
from steel_defects.inspection.store.names import NameSet, numbered

logger = logging.getLogger(__name__)

#: Name of a file, its size in bytes and its time of change in nanoseconds.
FileState = tuple[str, int, int]


class JudgedFiles:
    """Remembers names, states and pixels of files that were judged, in some sixty bytes each.

    A file that is written again is the same sheet if it could not be read before, else another
    one, whose id has a number. With the pixels that it had before it is not judged again.
    """

    def __init__(self) -> None:
        """Begin without files."""
        self._known = NameSet()
        self._unreadable: dict[str, tuple[str, str]] = {}  # by name: id and reason of the review
        self._counts: Counter[str] = Counter()

    def add(self, name: str, sheet_id: str, reason: str, frame: str) -> None:
        """Remember a file.

        Args:
            name: Its name.
            sheet_id: The id under which it was judged.
            reason: That of its verdict.
            frame: Digest of its pixels.
        """
        self._known.add(sheet_id)
        self._known.add((name, frame))
        self._unreadable.pop(name, None)
        if reason.startswith(UNREADABLE):
            self._unreadable[name] = (sheet_id, reason)

    def add_state(self, state: FileState) -> None:
        """Remember that a file was judged in this state."""
        self._known.add(state)

    def unknown_names(self, names: Collection[str]) -> list[str]:
        """Return names under which no file was judged."""
        return self._known.unknown(list(names))

    def unknown_states(self, states: list[FileState]) -> list[FileState]:
        """Return states in which no file was judged."""
        return self._known.unknown(states)

    def id_for(self, frame: Frame) -> str:
        """Return the id under which a file is judged; empty where its row stays as it is.

        Args:
            frame: What was read, with the name of the file for its id.
        """
        name = frame.sheet_id
        sheet_id, reason = self._unreadable.get(name, ("", ""))
        if sheet_id:
            return sheet_id if frame.problem != reason else ""
        if frame.digest and (name, frame.digest) in self._known:
            self._counts["same"] += 1
            return ""
        if name not in self._known:
            return name
        self._counts["other"] += 1
        ids = (numbered(name, number) for number in count(2))
        return next(sheet_id for sheet_id in ids if sheet_id not in self._known)

    def tell_of_names(self) -> None:
        """Say how many names were used again since this was last said."""
        if other := self._counts.pop("other", 0):
            logger.warning(
                "files written again with other pixels: %d; each has a new row, whose sheet_id "
                "ends in #2, #3 and so on; a camera should not use names again", other,
            )  # fmt: skip
        if same := self._counts.pop("same", 0):
            logger.warning("files written again with the same pixels: %d; their rows stay", same)
