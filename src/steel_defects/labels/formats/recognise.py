"""Which format the labels of a data folder have."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import leads_up
from steel_defects.labels.formats import (
    coco,
    cvat,
    label_studio,
    labelme,
    supervisely,
    voc,
    yolo,
)
from steel_defects.labels.formats.files import Reader, folder_of, named
from steel_defects.paths import is_housekeeping

READERS: Mapping[str, Reader] = {
    "coco": coco.read,
    "cvat": cvat.read,
    "labelme": labelme.read,
    "label_studio": label_studio.read,
    "supervisely": supervisely.read,
    "voc": voc.read,
    "yolo": yolo.read,
}
_JSON = {"coco", "labelme", "label_studio", "supervisely"}
_BROKEN = "broken"  # JSON of which nobody can say what it is
_BOXES = "boxes"  # of Pascal VOC
#: Folder of a data folder for what people labelled again, which is read apart from the labels.
CORRECTIONS = "corrections"
_NO_LABELS = {"classes.txt", "labelmap.txt", "obj.names", "meta.json", "notes.json"}


@dataclass(frozen=True)
class LabelFolder:
    """A data folder with labels of whatever format, which is looked for where they are read."""

    root: Path
    follow_links: bool = False


@dataclass(frozen=True)
class LabelFiles:
    """Files of labels below a data folder.

    Attributes:
        root: The data folder.
        kind: Their format: a key of :data:`READERS`.
        files: All files of this format, sorted.
    """

    root: Path
    kind: str
    files: tuple[Path, ...]

    def __str__(self) -> str:
        first = self.files[0].relative_to(self.root)
        files = "1 file" if len(self.files) == 1 else f"{len(self.files):,} files"
        return f"{files} of the format {self.kind}, such as {first}"


def has_labels(folder: LabelFolder) -> bool:
    """Tell whether there are files of labels of any known format below a data folder."""
    return any(_kind(path, folder.root) for path in _candidates(folder))


def kinds_in(folder: LabelFolder) -> set[str]:
    """Return the formats of all files of labels below a data folder: keys of :data:`READERS`."""
    kinds = {_kind(path, folder.root) for path in _candidates(folder)}
    return {kind for kind in READERS if kind in kinds}


def recognise(folder: LabelFolder, wanted: str | None = None) -> LabelFiles:
    """Find the files of labels below a data folder, by what they hold.

    Args:
        folder: The data folder.
        wanted: A format; None finds out which one it is.

    Raises:
        SteelDefectsError: There are none, or of several formats.
    """
    root = folder.root
    found: dict[str, list[Path]] = {}
    for path in _candidates(folder):
        if kind := _kind(path, root):
            found.setdefault(kind, []).append(path)
    broken, boxes = found.pop(_BROKEN, []), found.pop(_BOXES, [])
    kinds = [wanted] if wanted in found else sorted(found) if wanted is None else []
    if len(kinds) > 1:
        names = (f"{kind} ({found[kind][0].relative_to(root)})" for kind in kinds)
        raise SteelDefectsError(
            f"{root} has labels of several formats: {' and '.join(names)}; name one in "
            "data_engineering.labels"
        )
    if not kinds:
        what = f"no labels of the format {wanted}" if wanted else "no labels"
        faults = {"can't be read": broken, "holds boxes, but outlines or masks are needed": boxes}
        names = (
            f"; {files[0].relative_to(root)} {what}" for what, files in faults.items() if files
        )
        also = next(names, "")
        raise SteelDefectsError(
            f"there are {what} below {root}{also}{_links(folder)}; docs/how-to/labels.md says what "
            "is looked for"
        )
    [kind] = kinds
    # Half a file must not pass for a picture without labels: its reader refuses it.
    halves = broken if kind in _JSON else []
    return LabelFiles(root, kind, tuple(sorted(found[kind] + halves)))


def _links(folder: LabelFolder) -> str:
    """Say that there are linked folders, into which nobody looked."""
    linked = any(one.is_symlink() and one.is_dir() for one in folder.root.iterdir())
    return "" if folder.follow_links or not linked else " (links: only with follow_links=true)"


def _candidates(folder: LabelFolder) -> Iterator[Path]:
    # An export, which is read for itself, may have a folder of that name.
    is_export = folder.root.parent.name == CORRECTIONS
    for path in _files(folder.root, folder.follow_links, ()):
        if is_export or not path.is_relative_to(folder.root / CORRECTIONS):
            yield path


def _files(place: Path, follow_links: bool, way: tuple[str, ...]) -> Iterator[Path]:
    try:
        paths = sorted(place.iterdir())
    except OSError as error:
        raise SteelDefectsError(f"cannot list {named(place)}: {error.strerror}") from error
    way = (*way, str(place))
    for path in paths:
        if is_housekeeping(path.name):
            continue
        if path.is_dir():
            linked = path.is_symlink()
            if not linked or (follow_links and not leads_up(str(path), way)):
                yield from _files(path, follow_links, way)
        # Reading a pipe would wait for ever.
        elif path.name not in _NO_LABELS and path.is_file():
            yield path


def _kind(path: Path, root: Path) -> str | None:
    if voc.is_mask(path, root):
        return "voc"
    if path.suffix.lower() == ".txt":
        return "yolo" if "labels" in folder_of(path, root).split("/") else None
    if path.suffix.lower() == ".json" and "ann" in folder_of(path, root).split("/"):
        return "supervisely"
    look = _LOOKS.get(path.suffix.lower())
    return look(path) if look else None


def _kind_of_xml(path: Path) -> str | None:
    try:
        for _, element in ElementTree.iterparse(path, events=("start",)):
            return {"annotations": "cvat", "annotation": _BOXES}.get(element.tag)
    except (ElementTree.ParseError, OSError, ValueError, LookupError):
        return None
    return None


def _kind_of_json(path: Path) -> str | None:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, OSError, RecursionError):
        return _BROKEN
    if isinstance(content, list):
        tasks = any(isinstance(one, dict) and "data" in one for one in content)
        return "label_studio" if tasks else None
    keys = set(content) if isinstance(content, dict) else set()
    if "images" in keys and keys & {"annotations", "categories"}:
        return "coco"
    return "labelme" if "shapes" in keys and keys & {"imagePath", "imageHeight"} else None


_LOOKS: Mapping[str, Callable[[Path], str | None]] = {
    ".xml": _kind_of_xml,
    ".json": _kind_of_json,
}
