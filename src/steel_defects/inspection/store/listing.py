"""The list of a job's sheets, kept on disk: a million names take no memory."""

import hashlib
import os
import tempfile
from array import array
from collections.abc import Iterable
from pathlib import Path

from steel_defects.inspection.sources import SheetFile


class SheetList:
    """The ids of a job's sheets, a line each, read a part at a time.

    Attributes:
        count: Number of sheets.
        digest: Of ids, sizes and times of change of all sheets.
        part_sheets: Sheets of a part; the last one may have fewer.
    """

    def __init__(self, path: Path, count: int, digest: str) -> None:
        """Take a list that :func:`write_list` wrote."""
        self.count, self.digest = count, digest
        self._path, self._starts = path, array("q")
        self.part_sheets = max(1, count)

    def divide(self, part_sheets: int, shards: int) -> None:
        """Fix the size of parts: small enough that each machine has at least one."""
        self.part_sheets = max(1, min(part_sheets, -(-self.count // shards)))
        self._starts = array("q")
        with self._path.open("rb") as file:
            place = 0
            for number, line in enumerate(file):
                if number % self.part_sheets == 0:
                    self._starts.append(place)
                place += len(line)

    def move(self, path: Path) -> None:
        """Give the file its final name."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path.replace(path)
        self._path = path

    def remove(self) -> None:
        """Delete the file."""
        self._path.unlink(missing_ok=True)

    @property
    def parts(self) -> int:
        """Number of parts."""
        return -(-self.count // self.part_sheets)

    def span(self, part: int) -> range:
        """Return which sheets are a part's; both are counted from 0."""
        first = part * self.part_sheets
        return range(first, min(first + self.part_sheets, self.count))

    def ids(self, part: int) -> list[str]:
        """Return the sheets of a part."""
        with self._path.open("rb") as file:
            file.seek(self._starts[part])
            return [file.readline().decode()[:-1] for _ in self.span(part)]

    def share(self, shard: int, shards: int) -> range:
        """Return the parts of one of several machines, counted from 1: parts that are neighbours.

        All parts are some machine's, and none is two machines'.
        """
        return range(self.parts * (shard - 1) // shards, self.parts * shard // shards)


def write_list(files: Iterable[SheetFile], folder: Path) -> SheetList:
    """Write the ids of sheets to a file of a folder, under a name of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    # Not named after the process: those of machines that share the folder may have one number.
    handle, name = tempfile.mkstemp(prefix="sheets.", suffix=".tmp", dir=folder)
    path = Path(name)
    digest, count = hashlib.sha256(), 0
    try:
        with os.fdopen(handle, "wb") as out:
            for file in files:
                count += 1
                out.write(file.sheet_id.encode() + b"\n")
                digest.update(repr(tuple(file)).encode())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return SheetList(path, count, digest.hexdigest())
