"""Where sheets come from: a folder, or a text file that lists pictures."""

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.images.folder import SheetFolder, list_folder, walk
from steel_defects.images.reading import PICTURE_ENDINGS, UnreadableSheet, read_file
from steel_defects.inspection.store.names import NameSet, name_of
from steel_defects.paths import natural_order, shown_name

logger = logging.getLogger(__name__)

#: In the folder of a watched job: the picture folder with which it began.
PICTURES_NOTE = "pictures.txt"
_LONGEST_LINE = 2**16  # characters of a list's line; Linux takes paths of 4,096 bytes


class SheetFile(NamedTuple):
    """A sheet as it was listed; size (bytes) and time of change are 0 where there is no file."""

    sheet_id: str
    size: int
    modified_ns: int


def _order(name: str) -> tuple[list[int | str], str]:
    return natural_order(shown_name(name))


class FolderSource(SheetFolder):
    """The pictures of a folder, also of those in it, in natural order of their names.

    Sheets that were judged under one name, as a camera used it again, share a file.
    """

    @property
    def place(self) -> Path:
        """The folder that holds the pictures."""
        return self.picture_folder

    def list_files(self) -> Iterator[SheetFile]:
        """List the pictures in natural order of ids; only one folder's names are held at a time.

        Raises:
            SteelDefectsError: A folder can't be listed; its sheets would be missing.
        """
        last = ""
        for name in walk(str(self.place), _order, follow_links=self.follow_links):
            sheet_id = shown_name(name)
            if sheet_id != last:  # two odd names may be shown as one
                yield SheetFile(sheet_id, *size_and_time(self.place / name))
            last = sheet_id

    def _listed(self, sheet_id: str) -> Path:
        return super()._listed(name_of(sheet_id))


class ListSource:
    """The pictures that a text file, its ``place``, names, a path a line, in its order.

    Paths are taken from the list's folder on, unless they are absolute. Empty lines and lines that
    begin with ``#`` are left out, and so is a path that stands in the list a second time.
    """

    def __init__(self, place: Path) -> None:
        self.place = place

    def list_files(self) -> Iterator[SheetFile]:
        """Read the list.

        Raises:
            SteelDefectsError: It can't be read, or is no text.
        """
        seen = NameSet()
        for line in self._lines():
            sheet_id = Path(line).as_posix()
            if sheet_id not in seen:
                seen.add(sheet_id)
                yield SheetFile(sheet_id, *size_and_time(self.path_of(sheet_id)))

    def _lines(self) -> Iterator[str]:
        try:
            with self.place.open(encoding="utf-8-sig") as file:
                for line in map(str.strip, iter(partial(file.readline, _LONGEST_LINE + 1), "")):
                    fault = "it is binary" if "\0" in line else ""
                    if not fault and len(line) > _LONGEST_LINE:
                        fault = f"a line is longer than {_LONGEST_LINE:,} characters"
                    if fault:
                        raise SteelDefectsError(f"{self.place} is no list of paths, {fault}")
                    if line and not line.startswith("#"):
                        yield line
        except UnicodeDecodeError as error:
            raise SteelDefectsError(f"{self.place} is no list of paths in UTF-8") from error
        except OSError as error:
            raise SteelDefectsError(f"cannot read {self.place}: {error.strerror}") from error

    def read_file(self, sheet_id: str) -> bytes:
        """Return the bytes of a sheet's file, or raise an UnreadableSheet."""
        path = self.path_of(sheet_id)
        # Reading a pipe would wait for ever.
        if os.path.exists(path) and not os.path.isfile(path):
            raise UnreadableSheet("not a regular file")
        return read_file(path)

    def path_of(self, sheet_id: str) -> Path:
        """Return the file of a sheet."""
        return self.place.parent / sheet_id

    def relative_path(self, sheet_id: str) -> str:
        """Return the path as the list has it, POSIX."""
        return sheet_id


#: Sheets to inspect, in the order in which they are inspected.
SheetSource = FolderSource | ListSource


def open_source(place: Path, follow_links: bool = False) -> SheetSource:
    """Tell a folder from a list.

    Raises:
        SteelDefectsError: There is neither.
    """
    if place.is_dir():
        source = FolderSource(place, follow_links=follow_links)
        chosen = f"{source.place.name}/"
        # Where the pictures of a data set are in a folder of their own, say what is left out.
        siblings = list_folder(str(place)) if source.place != place else []
        if others := [name for name in siblings if name != chosen]:
            logger.warning(
                "of %s only %s is inspected, not what is next to it, such as %s",
                shown(str(place)), chosen, shown_name(others[0]),
            )  # fmt: skip
        return source
    if place.suffix.lower() in PICTURE_ENDINGS:
        raise SteelDefectsError(f"{place} is a picture; give its folder, or a list of paths")
    if place.is_file():
        return ListSource(place)
    raise SteelDefectsError(f"there is neither a folder nor a list of paths at {shown(str(place))}")


def as_begun(source: SheetSource, job: Path, begin: bool = False) -> SheetSource:
    """Return the sheets of a watched job: those of the picture folder with which it began.

    A folder ``images/`` that somebody makes later would be taken for it; so the job's folder notes
    it once, with ``begin``.
    """
    note = job / PICTURES_NOTE
    if not isinstance(source, FolderSource) or not (begin or note.is_file()):
        return source
    if not note.is_file():
        note.write_bytes(os.fsencode(source.place.relative_to(source.root)))
    begun = replace(source, pictures=os.fsdecode(note.read_bytes()))
    if begun.place != source.place:
        logger.warning("the job goes on with %s, where it began", shown(str(begun.place)))
    return begun


def size_and_time(path: str | Path) -> tuple[int, int]:
    """Return bytes and time of change (nanoseconds) of a file; 0 and 0 where there is none."""
    try:
        file = os.stat(path)
    except OSError:
        return 0, 0
    return file.st_size, file.st_mtime_ns
