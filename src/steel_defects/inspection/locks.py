"""Locks that keep processes, also those of other machines, off one another's files."""

import errno
import fcntl
import logging
from pathlib import Path

from steel_defects.errors import SteelDefectsError

logger = logging.getLogger(__name__)


def lock(handle: int, folder: Path) -> None:
    """Lock an open file until it is closed.

    Args:
        handle: The file.
        folder: Is named where another process has it.

    Raises:
        SteelDefectsError: Another process has locked it.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SteelDefectsError(f"another process is inspecting these sheets ({folder})") from None
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise
        logger.warning("the drive of %s knows no locks: let only one process run there", folder)
