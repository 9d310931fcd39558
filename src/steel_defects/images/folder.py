"""A folder of pictures, listed at once and read one picture at a time."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError
from steel_defects.images.reading import PICTURE_ENDINGS, UnreadableSheet, decode_gray, read_file
from steel_defects.paths import (
    is_housekeeping,
    leads_out,
    leave_out_housekeeping,
    names_shown_as,
    shown_name,
)

# Where data sets keep their pictures, in order of preference.
_PICTURE_FOLDERS = ("train_images", "images", "JPEGImages")


@dataclass(frozen=True)
class SheetFolder(Mapping[str, NDArray[np.uint8]]):
    """Pictures below a data folder, by sheet id; a picture is read when it is asked for.

    The pictures lie in ``train_images/``, ``images/`` or ``JPEGImages/`` of the folder, or else
    in the folder itself. A sheet's id is its path below the picture folder, POSIX, with its ending.

    Both folders may be symbolic links. Inside, links to files are followed if they stay in the
    picture folder; one that leads out of it is listed, and refused when it is read. Links to
    folders are not followed, so that no picture is listed twice or without end.

    Attributes:
        root: The data folder.
        pictures: Name of the picture folder in it; None for the one that is there.
        follow_links: Follow links wherever they lead, into a data store for instance; one that
            leads to a folder above it is left out.
        bit_depth: As in :func:`decode_gray`.
        beside: A second folder of pictures, relative to the data folder; :meth:`read` takes those
            below it, too. None for none.
    """

    root: Path
    pictures: str | None = None
    follow_links: bool = False
    bit_depth: int | None = None
    beside: str | None = None

    @cached_property
    def picture_folder(self) -> Path:
        """The folder that holds the pictures."""
        if self.pictures is not None:
            return self.root / self.pictures
        for name in _PICTURE_FOLDERS:
            if (self.root / name).is_dir():
                return self.root / name
        return self.root

    @cached_property
    def left_out(self) -> str:
        """What is not looked at, in words, such as ``3 .gif, 1 linked folders``; mostly empty."""
        counts = not_looked_at(self.picture_folder)
        if self.follow_links:
            del counts[LINKED_FOLDERS]
        others = [name for name in _PICTURE_FOLDERS if (self.root / name).is_dir()]
        also = [f"the folder {name}" for name in others if self.root / name != self.picture_folder]
        return ", ".join([*(f"{n:,} {what}" for what, n in counts.most_common()), *also])

    @cached_property
    def sheet_ids(self) -> list[str]:
        """Ids of all pictures, sorted; also of those that :meth:`problem_of` finds fault with."""
        return sorted({shown_name(name) for name in self._names})

    @cached_property
    def _names(self) -> list[str]:
        """Paths below the picture folder, as the file system spells them."""
        folder = self.picture_folder
        if not folder.is_dir():
            raise SteelDefectsError(f"there is no folder {folder}")
        return list(walk(str(folder), follow_links=self.follow_links))

    @cached_property
    def _real_folders(self) -> list[str]:
        folders = [self.picture_folder, *([self.root / self.beside] if self.beside else [])]
        return [os.path.realpath(folder) for folder in folders]

    def path_of(self, sheet_id: str) -> Path:
        """Return the file of a sheet."""
        path = self._listed(sheet_id)
        return self._odd_file(path) or path

    def _listed(self, sheet_id: str) -> Path:
        """Return the path under which a sheet is listed: its file's, if that can be shown."""
        return self.picture_folder / sheet_id

    def _odd_file(self, path: Path) -> Path | None:
        """Return the file that is listed under a path, if its name can't be shown.

        Nothing is listed to find it: a folder that is not the file's may be locked.
        """
        if "\\" not in str(path):  # names are only changed by writing escapes into them
            return None
        names = names_shown_as(os.path.relpath(path, self.picture_folder))
        files = (self.picture_folder / name for name in names)
        return next(filter(os.path.lexists, files), None)

    def relative_path(self, sheet_id: str) -> str:
        """Return a sheet's path below the data folder, POSIX."""
        return self._listed(sheet_id).relative_to(self.root).as_posix()

    def problem_of(self, sheet_id: str) -> str:
        """Say why a sheet's file is not opened at all; empty for one that is."""
        return self._problem(self._listed(sheet_id))

    def _problem(self, path: Path) -> str:
        if self._odd_file(path):
            return "name of the file is not plain text in UTF-8"
        if not self.follow_links and all(leads_out(path, one) for one in self._real_folders):
            return "symbolic link that leads out of the folder"
        # Reading a pipe would wait for ever.
        regular = os.path.isfile(path) or not os.path.exists(path)
        return "" if regular else "not a regular file"

    def read_file(self, sheet_id: str) -> bytes:
        """Read the bytes of a sheet's file.

        Raises:
            UnreadableSheet: It is missing, may not be read, or has a :meth:`problem_of`.
        """
        return self._read(self._listed(sheet_id))

    def _read(self, path: Path) -> bytes:
        problem = self._problem(path)
        if problem:
            raise UnreadableSheet(problem)
        return read_file(path)

    def read(self, relative_path: str) -> NDArray[np.uint8]:
        """Read a gray picture of shape ``(height, width)``, uint8, by the column ``path``.

        Raises:
            UnreadableSheet: See :meth:`read_file` and :func:`decode_gray`.
        """
        return self.decode(self.read_path(relative_path))

    def read_path(self, relative_path: str) -> bytes:
        """Read the bytes of a picture's file by the column ``path``; see :meth:`read_file`."""
        return self._read(self.root / relative_path)

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Decode the bytes of a sheet's file; see :func:`decode_gray`."""
        return decode_gray(data, self.bit_depth)

    def __getitem__(self, sheet_id: str) -> NDArray[np.uint8]:
        """Read a sheet as a gray picture of shape ``(height, width)``, uint8."""
        if sheet_id not in self:
            raise KeyError(sheet_id)
        return self.decode(self.read_file(sheet_id))

    def __contains__(self, sheet_id: object) -> bool:
        # Mapping's own would read the picture, and fail at a broken one.
        if not isinstance(sheet_id, str):
            return False
        path = self.path_of(sheet_id)
        return os.path.lexists(path) and not path.is_dir()

    def __iter__(self) -> Iterator[str]:
        return iter(self.sheet_ids)

    def __len__(self) -> int:
        return len(self.sheet_ids)


def not_looked_at(folder: Path) -> Counter[str]:
    """Count what lies below a folder and is no picture that is read: endings, and linked folders.

    Tables and texts that people keep beside pictures do not count, nor do names that drives and
    desktops keep for themselves.
    """
    counts: Counter[str] = Counter()
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_housekeeping(name)]
        counts[LINKED_FOLDERS] += sum(os.path.islink(os.path.join(place, one)) for one in folders)
        endings = [os.path.splitext(name)[1].lower() for name in files if not is_housekeeping(name)]
        counts.update(one or "files without an ending" for one in endings if one not in _READ)
    return +counts


#: What :func:`not_looked_at` calls links to folders.
LINKED_FOLDERS = "linked folders"
_READ = PICTURE_ENDINGS | {".csv", ".json", ".yml", ".yaml", ".xml", ".txt", ".md", ".ndjson"}


def walk(
    folder: str,
    order: Callable[[str], Any] | None = None,
    below: str = "",
    *,
    follow_links: bool = False,
    way: Sequence[str] = (),
) -> Iterator[str]:
    """List the pictures below a folder.

    Args:
        folder: Its path.
        order: Key by which the names in each folder are sorted; a folder, with its slash, stands
            where the paths of its pictures belong.
        below: What the paths that are returned begin with.
        follow_links: Whether links to folders are followed, but for those to a folder above.
        way: The folders that lead here.

    Raises:
        SteelDefectsError: A folder can't be listed; its sheets would be missing without a word.
    """
    way = (*way, folder)
    names = list_folder(folder, follow_links)
    for name in sorted(names, key=order) if order else names:
        if not name.endswith("/"):
            yield below + name
            continue
        inside = os.path.join(folder, name[:-1])
        # Without follow_links, no link is among the folders.
        if not (follow_links and leads_up(inside, way)):
            yield from walk(inside, order, below + name, follow_links=follow_links, way=way)


def leads_up(inside: str, way: Sequence[str]) -> bool:
    """Tell whether a folder is a link to one of those that lead to it, or to one above them."""
    if not os.path.islink(inside):
        return False
    above = os.path.join(os.path.realpath(inside), "")
    return any(os.path.join(os.path.realpath(one), "").startswith(above) for one in way)


def list_folder(folder: str, follow_links: bool = False) -> list[str]:
    """Return the pictures in a folder, and the folders in it, which end in a slash.

    Raises:
        SteelDefectsError: It can't be listed.
    """
    try:
        with os.scandir(folder) as entries:
            names = (_name(entry, follow_links) for entry in entries)
            return leave_out_housekeeping(folder, filter(None, names))
    except OSError as error:
        raise SteelDefectsError(f"cannot list {shown_name(folder)}: {error.strerror}") from error


def _name(entry: os.DirEntry[str], follow_links: bool) -> str:
    # Not entry.is_dir alone, which fails at links that go round in a circle.
    if entry.is_dir(follow_symlinks=False) or (follow_links and os.path.isdir(entry.path)):
        return entry.name + "/"
    if os.path.splitext(entry.name)[1].lower() not in PICTURE_ENDINGS:
        return ""
    return "" if entry.is_symlink() and os.path.isdir(entry.path) else entry.name
