"""Files and folders that are replaced as a whole, so that nobody reads half of one."""

import errno
import glob
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError
from steel_defects.paths import is_housekeeping

logger = logging.getLogger(__name__)

#: What network drives answer that cannot lock files, or force folders to the disk.
UNSUPPORTED = (
    errno.EACCES, errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP,
)  # fmt: skip

_notes: set[tuple[str, int]] = set()

#: Seconds after which a temporary file that nobody writes to counts as left by a killed process.
_STALE_SECONDS = 3600


@contextmanager
def replaced(path: Path, ending: str = ".tmp") -> Iterator[Path]:
    """Give the path of a temporary file, which takes the place of ``path`` when the block ends.

    If the block fails, the temporary file is deleted and ``path`` stays as it was. Its name is
    used only once, so that two processes never write to the same one.

    Args:
        path: The file to write; its folder is made.
        ending: Of the temporary file; some writers choose the format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*{ending}"):
        # Its process may finish it in this very moment.
        with suppress(FileNotFoundError):
            if time.time() - leftover.stat().st_mtime > _STALE_SECONDS:
                leftover.unlink()
    temporary = path.with_name(f".{path.name}.{uuid4().hex}{ending}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def force(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk, if its drive knows how."""
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        note_once(
            "the drive of %s cannot force it to the disk: a power failure may lose the last files",
            path,
        )


def note_once(text: str, place: Path) -> None:
    """Log what the drive of a place cannot do, once; ``%s`` in the text stands for the place."""
    note = text, place.stat().st_dev
    if note not in _notes:
        _notes.add(note)
        logger.warning(text, place)


def mapped_bytes(path: Path, first: int = 0) -> NDArray[np.uint8]:
    """Map the bytes of a file from ``first`` on into memory; pages are read when looked at."""
    if path.stat().st_size <= first:
        return np.zeros(0, np.uint8)
    # A plain array over the map: slicing np.memmap costs ten times as much.
    return np.asarray(np.memmap(path, np.uint8, mode="r", offset=first))


def check_target(path: Path, folder: bool) -> None:
    """Say that a file or folder will not be writable before hours of work go into it.

    Raises:
        SteelDefectsError: It cannot be written, or is a file instead of a folder or the reverse.
    """
    # A link that leads nowhere is there, too, and in the way.
    there = next(place for place in (path, *path.parents) if os.path.lexists(place))
    needs_folder = folder or there != path
    if there.is_dir() != needs_folder:
        kinds = ("folder", "file") if needs_folder else ("file", "folder")
        raise SteelDefectsError(
            f"cannot write to {path}: {there} is no {kinds[0]}; move it away, or link it to a "
            f"{kinds[0]}"
        )
    places = {there} if needs_folder else {there, there.parent}
    for place in sorted(places):
        if not os.access(place, os.W_OK):
            raise SteelDefectsError(
                f"cannot write to {path}: {place} is not writable; change its permissions, or "
                "data_root in globals.yml"
            )


@contextmanager
def replaced_contents(folder: Path, last: str) -> Iterator[Path]:
    """Give a temporary folder, whose files take the place of those in ``folder`` at the end.

    ``folder`` itself stays, because it may be a mount point or a link, and so do hidden names in
    it. If the block fails, the old files stay. They are moved away before any of them is deleted:
    a process that is killed leaves no half of them.

    Args:
        folder: Is made where there is none.
        last: The file that says that the others are whole; it is put in place after them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in _temporary_folders(folder):
        shutil.rmtree(leftover)
    new, old = (folder / f".{uuid4().hex}.{ending}" for ending in ("new", "old"))
    new.mkdir()
    try:
        yield new
        old.mkdir()
        for path in visible(folder):
            path.rename(old / path.name)
        if (folder / last).exists():
            (folder / last).rename(old / last)
        for path in sorted(new.iterdir(), key=lambda path: path.name == last):
            path.rename(folder / path.name)
        shutil.rmtree(old)
    finally:
        shutil.rmtree(new)


def visible(folder: Path) -> list[Path]:
    """List what is in a folder, without what drives and desktops put there themselves."""
    return [path for path in folder.iterdir() if not is_housekeeping(path.name)]


def was_replacing(folder: Path, last: str) -> bool:
    """Say whether :func:`replaced_contents` was killed while it moved files into a folder."""
    return any((leftover / last).exists() for leftover in _temporary_folders(folder))


def _temporary_folders(folder: Path) -> list[Path]:
    return [*folder.glob(".*.new"), *folder.glob(".*.old")]
