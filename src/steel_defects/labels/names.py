"""Names of pictures that are not there, and which change of names would make them those of others.

Spreadsheets, exports and file systems change names: they drop endings and leading zeros, write
other slashes, capital letters or Unicode forms, add folders or leave them out.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from steel_defects.errors import shown
from steel_defects.images.reading import PICTURE_ENDINGS
from steel_defects.labels.masks import Finding, Misnamed

_FOLDER, _SUBFOLDER = "the folder", "the subfolder"
_ENDINGS = PICTURE_ENDINGS | {".json", ".txt", ".xml"}

Change = tuple[str, ...]
#: For each name: what would have to change, and the pictures that it may mean.
Near = Mapping[str, tuple[str, list[str]]]


def _without_ending(name: str) -> str:
    stem, ending = os.path.splitext(name)
    return stem if ending.lower() in _ENDINGS else name


def _without_zeros(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    stem, dot, ending = last.partition(".")
    number = stem.lstrip("0") or "0" if stem.isdecimal() else stem
    return folder + slash + number + dot + ending


#: What each change does to a name; all pictures' names are changed in the same way.
_CHANGES: Mapping[str, Callable[[str], str]] = {
    "slashes": lambda name: name.replace("\\", "/"),
    "the Unicode form": lambda name: unicodedata.normalize("NFC", name),
    "the ending": _without_ending,
    "capital letters": str.casefold,
    "leading zeros": _without_zeros,
}


def near_names(names: Iterable[str], pictures: Collection[str]) -> Near:
    """Find the pictures that names may mean, none of which is there as it is written.

    Args:
        names: None of them is a picture's.
        pictures: Names of all pictures, POSIX, below their folder.

    Returns:
        For each name that may mean pictures: what would have to change, such as ``the ending``,
        and the pictures, sorted.
    """
    everything = (*_CHANGES, _FOLDER, _SUBFOLDER)
    by_last: dict[str, list[str]] = {}
    for picture in sorted(pictures):
        by_last.setdefault(_changed(picture, everything).rpartition("/")[2], []).append(picture)
    near = {}
    for name in dict.fromkeys(names):
        candidates = by_last.get(_changed(name, everything).rpartition("/")[2], ())
        same = [picture for picture in candidates if _same(name, picture, everything)]
        if same:
            near[name] = " and ".join(_needed(name, same[0], everything)), same
    return near


def _changed(name: str, change: Change) -> str:
    for kind, apply in _CHANGES.items():
        if kind in change:
            name = apply(name)
    return name


def _same(name: str, picture: str, change: Change) -> bool:
    """Say whether a name is a picture's after a change of both."""
    name, picture = _changed(name, change), _changed(picture, change)
    without_folder = _FOLDER in change and name.endswith("/" + picture)
    without_subfolder = _SUBFOLDER in change and picture.endswith("/" + name) and "/" not in name
    return name == picture or without_folder or without_subfolder


def _needed(name: str, picture: str, change: Change) -> Change:
    """Leave out of a change what is not needed; another case of the ending is one of letters."""
    for kind in change:
        fewer = tuple(other for other in change if other != kind)
        if _same(name, picture, fewer):
            change = fewer
    return change


def may_mean(where: str, label: str, change: str, pictures: Iterable[str]) -> list[Finding]:
    """Set aside the pictures that a label may mean.

    Args:
        where: The place in the file, for people.
        label: What the label is called there.
        change: What would have to change, as :func:`near_names` says.
        pictures: Sheet ids.
    """
    reason = f"{label} may mean this picture: {change} would have to change"
    return [Finding(where, sheet_id, reason) for sheet_id in pictures]


def misnamed_of(names: Sequence[str], near: Near, of: int) -> Misnamed | None:
    """Sum up labels that may mean other pictures than they name.

    Args:
        names: Of these labels, one for each.
        near: From :func:`near_names`.
        of: Number of all labels.
    """
    if not names:
        return None
    [(change, _)] = Counter(near[name][0] for name in names).most_common(1)
    first = next(name for name in names if near[name][0] == change)
    return Misnamed(len(names), of, change, (shown(first), shown(near[first][1][0])))
