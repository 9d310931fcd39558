"""The project's own error: a message for the person at the terminal."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SteelDefectsError(Exception):
    """Something the user can mend.

    The message says in one line what is wrong, where, and what to do about it.
    """


class Stopped(SteelDefectsError):
    """The user ended a run with Ctrl-C; the message says how far it had come."""


class Refused(SteelDefectsError):
    """A run did what it was asked, and the answer is no: going on from there changes nothing."""


@contextmanager
def disk_refusals(place: Path, remedy: str) -> Iterator[None]:
    """Say in one line what a disk refuses to the code of a ``with`` statement.

    Args:
        place: What is written.
        remedy: What is safe, and what to do.

    Raises:
        SteelDefectsError: No room is left, or it can't be written for another reason.
    """
    try:
        yield
    except OSError as error:
        reason = "no room is left" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise SteelDefectsError(f"cannot write to {place}: {reason}; {remedy}") from error


def shown(text: str, limit: int = 80) -> str:
    """Make text that came from a file safe to show in a message.

    Args:
        text: Any text, of any length, with any characters.
        limit: Number of its characters that are kept, at least 1.

    Returns:
        The text on one line, cut to ``limit`` characters and an ellipsis if it is longer, with
        control characters and other invisible ones written as escapes.
    """
    shortened = text if len(text) <= limit else text[:limit] + "…"
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in shortened
    )
