"""Which pictures files of labels mean: tools write names in full, cut short, or with folders."""

from collections.abc import Iterable, Mapping, Sequence
from posixpath import normpath

from steel_defects.labels.shapes import PictureLabels


class Pictures:
    """The pictures of a data folder, to be found by what a file calls them.

    Args:
        paths: Path below the data folder, POSIX, of each picture, by its sheet id.
    """

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._by_path = {path: sheet_id for sheet_id, path in paths.items()}
        self._by_last: dict[str, list[str]] = {}
        for path in sorted(self._by_path):
            self._by_last.setdefault(path.rpartition("/")[2], []).append(path)

    def meant_by(self, labels: PictureLabels) -> list[str]:
        """Return the sheet ids that labels may mean: one, if all is well; several if unclear.

        The path from the file's own folder is looked for first, then from the data folder, then
        the end of any path; of several, those of the file's folder or subset.
        """
        for name in labels.names:
            for path in (f"{labels.folder}/{name}", name):
                if sheet_id := self._by_path.get(normpath(path).lstrip("/")):
                    return [sheet_id]
        # A path that leads out of the folder, as that of another machine does, tells the name only.
        names = [name.rpartition("/")[2] if _leads_out(name) else name for name in labels.names]
        ends = {path for name in names for path in self._ending(name)}
        return [self._by_path[path] for path in sorted(_nearest(ends, labels))]

    def _ending(self, name: str) -> Iterable[str]:
        name = normpath("/" + name).lstrip("/")
        same_last = self._by_last.get(name.rpartition("/")[2], ())
        return [path for path in same_last if f"/{path}".endswith(f"/{name}")]


def _leads_out(name: str) -> bool:
    return normpath(name).startswith(("/", "..")) or name[1:2] == ":"


def _nearest(paths: Iterable[str], labels: PictureLabels) -> Sequence[str]:
    paths = list(paths)
    if len(paths) < 2:
        return paths
    below = [path for path in paths if labels.folder and path.startswith(f"{labels.folder}/")]
    if len(below) == 1:
        return below
    subset = [path for path in paths if labels.subset in path.split("/")]
    return subset if len(subset) == 1 else paths
