"""Locks that keep processes, also those of other machines, off one another's files."""

import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from steel_defects.errors import SteelDefectsError
from steel_defects.files import UNSUPPORTED, note_once

logger = logging.getLogger(__name__)

#: Seconds that :func:`lock_all` waits for another process, and between two tries.
_LONGEST_WAIT = 600.0
_BETWEEN_TRIES = 0.5


def lock(handle: int, folder: Path) -> bool:
    """Lock an open file until it is closed, unless another process has locked it.

    Returns:
        Whether it is locked now; also true on a drive that knows no locks, which is said of the
        folder once.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        note_once("the drive of %s knows no locks: let only one process run there", folder)
    return True


def lock_all(paths: Iterable[Path]) -> ExitStack:
    """Lock several files, and wait some minutes for a process that has locked one of them.

    All processes lock in the same order, so that no two wait for each other. The files stay empty
    but for a note of who has locked them. What is returned unlocks them when it is closed.

    Raises:
        SteelDefectsError: Another process has locked one for too long.
    """
    with ExitStack() as stack:
        for path in sorted(paths):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("a+b"))
            _wait_for(file, path)
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
            file.flush()
        return stack.pop_all()


def _wait_for(file: BinaryIO, path: Path) -> None:
    give_up, said = time.monotonic() + _LONGEST_WAIT, False
    while not lock(file.fileno(), path.parent):
        file.seek(0)
        owner = file.read().decode(errors="replace") or "another process"
        if time.monotonic() >= give_up:
            raise SteelDefectsError(
                f"another run ({owner}) is writing {path.stem}; let it end, then run this again"
            )
        if not said:
            logger.warning("another run (%s) is writing %s; this one waits", owner, path.stem)
        said = True
        time.sleep(_BETWEEN_TRIES)
