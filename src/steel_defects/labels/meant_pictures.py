"""Which pictures files of labels mean: tools write names in full, cut short, or with folders."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from posixpath import normpath

from steel_defects.labels.shapes import PictureLabels


@dataclass(frozen=True)
class Meant:
    """Sheets that labels may mean; one that is sure, or any number that are not."""

    sheet_ids: list[str]
    sure: bool


class Pictures:
    """The pictures of a data folder, to be found by what a file calls them.

    Args:
        paths: Path below the data folder, POSIX, of each picture, by its sheet id.
    """

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._by_name = {False: _Index(paths, str), True: _Index(paths, _stem)}
        ids = {sheet_id: sheet_id for sheet_id in paths}
        self._by_id = {False: _Index(ids, str), True: _Index(ids, _stem)}
        folders = [PurePosixPath(path).parent for path in paths.values()]
        self._folders = {"" if str(one) == "." else str(one) for one in folders}
        self._parts = {part for one in folders for part in one.parts}

    def meant_by(self, labels: PictureLabels) -> Meant:
        """Find the picture that labels mean.

        The path from the file's own folder is looked for first, then from the data folder and from
        the folder of pictures, then the end of any path. A picture in another folder or subset
        than the file's is not sure to be meant, nor is one of several.
        """
        index = self._by_name[labels.any_ending]
        bound = labels.bound or labels.folder in self._folders
        for name in labels.names:
            for path in (f"{labels.folder}/{name}", name):
                place = normpath(path).lstrip("/")
                elsewhere = path == name and bound and not place.startswith(f"{labels.folder}/")
                if not elsewhere and (found := index.at(place)):
                    return Meant(found, len(found) == 1)
        for name in () if bound else labels.names:
            if found := self._by_id[labels.any_ending].at(normpath(name).lstrip("/")):
                return Meant(found, len(found) == 1)
        # A path that leads out of the folder, as that of another machine does, tells the name only.
        names = [name.rpartition("/")[2] if _leads_out(name) else name for name in labels.names]
        paths = sorted({path for name in names for path in index.ending(name)})
        here = self._within(paths, labels)
        found = [one for path in here or paths for one in index.at(path)]
        return Meant(found, len(found) == 1 and bool(here) and not bound)

    def _within(self, paths: list[str], labels: PictureLabels) -> list[str]:
        """Leave out the paths of other subsets."""
        if labels.subset not in self._parts:
            return paths
        return [path for path in paths if labels.subset in path.split("/")]


class SentPictures:
    """Pictures that were sent under these names, to be found by them alone.

    Args:
        sheets: Sheet that each name means, POSIX.
    """

    def __init__(self, sheets: Mapping[str, str]) -> None:
        self._sheets = sheets
        self._by_last: dict[str, set[str]] = {}
        for name, sheet_id in sheets.items():
            self._by_last.setdefault(name.rpartition("/")[2], set()).add(sheet_id)

    def meant_by(self, labels: PictureLabels) -> Meant:
        """Find the picture that labels mean.

        The folder ``images`` of a job, and what leads to it, may stand before a name. A name
        without a folder may have lost it, and is sure only where no other ends like it.
        """
        for name in labels.names:
            whole = normpath(name).lstrip("/")
            for path in (whole, *_after_images(whole)):
                if "/" in path and path in self._sheets:
                    return Meant([self._sheets[path]], sure=True)
            last = next((one for one in (*_after_images(whole), whole) if "/" not in one), "")
            if alike := sorted(self._by_last.get(last, ())):
                return Meant(alike, sure=len(alike) == 1)
        return Meant([], sure=False)


def _after_images(path: str) -> list[str]:
    parts = path.split("/")
    places = [n for n, part in enumerate(parts[:-1]) if part == "images"]
    return ["/".join(parts[n + 1 :]) for n in places]


class _Index:
    """Pictures by their paths, with the ending or without."""

    def __init__(self, paths: Mapping[str, str], change: Callable[[str], str]) -> None:
        self._at: dict[str, list[str]] = {}
        for sheet_id, path in sorted(paths.items()):
            self._at.setdefault(change(path), []).append(sheet_id)
        self._by_last: dict[str, list[str]] = {}
        for path in self._at:
            self._by_last.setdefault(path.rpartition("/")[2], []).append(path)

    def at(self, path: str) -> list[str]:
        return self._at.get(path, [])

    def ending(self, name: str) -> Iterable[str]:
        name = normpath("/" + name).lstrip("/")
        same_last = self._by_last.get(name.rpartition("/")[2], ())
        return [path for path in same_last if f"/{path}".endswith(f"/{name}")]


def _stem(path: str) -> str:
    return PurePosixPath(path).with_suffix("").as_posix()


def _leads_out(name: str) -> bool:
    return normpath(name).startswith(("/", "..")) or name[1:2] == ":"
