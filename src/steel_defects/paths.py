"""Paths that come from outside: links that lead elsewhere, names that can't be shown."""

import glob
import hashlib
import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path

from steel_defects.errors import SteelDefectsError

logger = logging.getLogger(__name__)

_LONGEST = 200  # bytes; file systems take 255, and an ending is added
# Control characters, and bytes that are not UTF-8: neither belongs in a table or on a terminal.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# How shown_name writes them; no file's name holds a zero byte.
_ESCAPE = re.compile(rb"\\(?:x(?!00)(?:[018-9a-f][0-9a-f]|7f)|[nrt])")
# Names that drives and desktops keep for themselves: thumbnails, snapshots, what was deleted.
_HOUSEKEEPING = re.compile(
    r"[.@#$].*|__MACOSX|~snapshot|lost\+found|System Volume Information", re.DOTALL
)
# How the name of a sheet's file may end, and what :func:`flat_name` and a number of a name add.
_SHEET = re.compile(r"\.(jpe?g|png|bmp|tiff?|webp|jp2)(#\d+)?(_[0-9a-f]{8})?\Z", re.IGNORECASE)
_DIGITS = re.compile(r"(\d+)")
_told: set[str] = set()


def is_housekeeping(name: str) -> bool:
    """Tell by its name whether a file or folder belongs to the drive or the desktop."""
    return _HOUSEKEEPING.fullmatch(name) is not None


def leave_out_housekeeping(folder: str, names: Iterable[str]) -> list[str]:
    """Return those of a folder's names that belong to the data; say once which others there are.

    Names of folders may end in a slash.
    """
    data: list[str] = []
    left_out: list[str] = []
    for name in names:
        (left_out if is_housekeeping(name.rstrip("/")) else data).append(name)
    if left_out and folder not in _told:
        _told.add(folder)
        logger.warning(
            "%s: %d names are left out, such as %s: names that begin so belong to the drive or the "
            "desktop; rename what is a sheet",
            shown_name(folder), len(left_out), shown_name(left_out[0]),
        )  # fmt: skip
    return data


def leads_out(path: Path, folder: str) -> bool:
    """Tell whether a file, once all links are followed, lies outside a real path."""
    # Not Path.resolve, which fails at links that go round in a circle.
    return not os.path.realpath(path).startswith(os.path.join(folder, ""))


def flat_name(path: str) -> str:
    """Return a file's name for a path: no longer than file systems take, and no two paths alike.

    Folders are joined by two underscores. Where that could mean another path, too, or is too long,
    a digest tells.
    """
    plain = path.strip("/")
    name = plain.replace("/", "__")
    raw = os.fsencode(name)
    if "__" not in plain and "___" not in name and len(raw) <= _LONGEST:
        return name
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
    return f"{raw[-_LONGEST:].decode('utf-8', 'ignore')}_{digest}"


def jpeg_name(path: str) -> str:
    """Return the name of a JPEG that is made of a sheet: as in :func:`flat_name`, no two alike.

    A JPEG keeps its ending; other endings stay before the new one, as in ``a.png.jpg``.
    """
    name = flat_name(path)
    stem, ending = os.path.splitext(name)
    # Another sheet may be called like the stem; its picture takes this name.
    free = ending.lower() in (".jpg", ".jpeg") and not _SHEET.search(stem)
    return name if free else f"{name}.jpg"


def shown_name(name: str) -> str:
    r"""Return a file's name as text that any table or message can hold.

    Args:
        name: A name as the file system gives it: bytes that are not UTF-8 are lone surrogates.

    Returns:
        The name itself, or, where it has such bytes or control characters, the name with these
        written as escapes such as ``\xe9``.
    """
    if not _UNFIT.search(name):
        return name
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return _UNFIT.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def natural_order(name: str) -> tuple[list[int | str], str]:
    """Return a key that sorts names by the numbers in them: ``f_9999`` before ``f_10000``."""
    return [int(text) if text.isdecimal() else text for text in _DIGITS.split(name)], name


def names_shown_as(shown: str) -> list[str]:
    r"""Return names, other than the text itself, that :func:`shown_name` writes as this text.

    In a name, escapes stand either all for bytes or all for characters, such as ``\x85``; names
    that mix them, or hold an escape as plain text too, are left out.
    """

    def with_escapes_as(encoding: str) -> str:
        def plain(escape: re.Match[bytes]) -> bytes:
            return escape[0].decode("unicode_escape").encode(encoding)

        return os.fsdecode(_ESCAPE.sub(plain, os.fsencode(shown)))

    names = map(with_escapes_as, ("latin-1", "utf-8"))
    return [name for name in names if shown_name(name) == shown != name]


def refuse_remote(dataset: str, filepath: str) -> None:
    """Refuse an address such as ``s3://…`` in the place of a path.

    Raises:
        SteelDefectsError: The dataset does not lie on this machine.
    """
    if "://" in filepath:
        raise SteelDefectsError(
            f"{dataset} lies at {filepath}, but steel_defects works on local folders only; copy it "
            "to a disk of this machine and give its path there"
        )


def refuse_pattern(folder: str, otherwise: str = "") -> None:
    """Refuse a folder whose path Kedro takes for a pattern; ``otherwise`` says what else helps.

    Raises:
        SteelDefectsError: The path has characters of patterns.
    """
    if glob.escape(folder) != folder:
        raise SteelDefectsError(
            f"Kedro takes {folder} for a pattern and finds nothing there: rename its folders so "
            f"that they have none of the characters [ * ?{otherwise}"
        )
