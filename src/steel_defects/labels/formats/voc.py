"""Pascal VOC, and other folders of masks in colour: ``labelmap.txt`` names the colours.

Source of the format: host.robots.ox.ac.uk/pascal/VOC, and docs.cvat.ai, "Segmentation mask".
``ImageSets/Segmentation/*.txt`` lists the finished pictures; one without a mask is clean. Value
255, and the colour of it, is neither a class nor background: its pixels belong to no shape.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.labels.formats.files import folder_of, named, open_png, read_bytes, read_lines
from steel_defects.labels.shapes import Bitmap, PictureLabels, Shape

_MASKS = "SegmentationClass"
_VOID = 255
_VOID_COLOUR = 224 << 16 | 224 << 8 | 192
_BACKGROUND = "background"
_SUFFIXED = re.compile(r"[_.\- ][^_.\- /]+\Z")


def is_mask(path: Path, root: Path) -> bool:
    """Tell by its place below a data folder whether a file is a mask of this format."""
    folder = _mask_folder(path, root)
    if path.suffix.lower() != ".png" or folder is None:
        return False
    return folder.name == _MASKS or _colour_file(folder) is not None


def read(root: Path, files: Sequence[Path]) -> Iterator[PictureLabels | str]:
    """Read masks in folders ``SegmentationClass``, or ``annotations`` with a ``labelmap.txt``.

    Raises:
        SteelDefectsError: A mask can't be read, or has a value without a class.
    """
    voids = 0
    folders: dict[Path, list[Path]] = {}
    for path in files:
        if folder := _mask_folder(path, root):
            folders.setdefault(folder, []).append(path)
    for folder, masks in sorted(folders.items()):
        names = _names(_colour_file(folder))
        place = folder_of(folder, root)
        stems = {path.relative_to(folder).with_suffix("").as_posix(): path for path in masks}
        for stem, path in stems.items():
            labels = _read_mask(path, names, stem, root, place)
            voids += labels.void is not None
            yield labels
        listed = dict(_listed(folder.parent, root))
        unlisted = [stem for stem in stems if stem not in listed]
        for stem in sorted(listed.keys() - stems.keys()):
            # Listed and without a mask is clean, unless the mask is only called otherwise.
            near = next((one for one in unlisted if _SUFFIXED.sub("", one) == stem), None)
            fault = f"listed without a mask, but there is {shown(stems[near].name)}" if near else ""
            yield _labels(stem, place, listed[stem], fault=fault)
    if voids:
        yield f"{voids:,} masks have void pixels, which neither train nor count"


def _mask_folder(path: Path, root: Path) -> Path | None:
    """Return the folder of masks that a file lies in, which may have folders in it."""
    names = folder_of(path, root).split("/")
    mask_folders = (n for n, name in enumerate(names) if name in (_MASKS, "annotations"))
    depth = next(mask_folders, None)
    return None if depth is None else root.joinpath(*names[: depth + 1])


def _colour_file(folder: Path) -> Path | None:
    files = (place / "labelmap.txt" for place in (folder, folder.parent))
    return next((path for path in files if path.is_file()), None)


def _labels(stem: str, place: str, where: str, **more: Any) -> PictureLabels:
    """Make the labels of a picture, which lies in a folder beside that of the masks."""
    folders = ("JPEGImages/", "images/", "train_images/", "")
    names = tuple(f"{folder}{stem}" for folder in folders)
    return PictureLabels(names, place, where, any_ending=True, bound=True, **more)


def _listed(base: Path, root: Path) -> Iterator[tuple[str, str]]:
    """Yield the names in lists of finished pictures, and the list."""
    for path in sorted((base / "ImageSets" / "Segmentation").glob("*.txt")):
        for line in read_lines(path):
            if line.strip():
                yield line.strip(), path.relative_to(root).as_posix()


@dataclass(frozen=True)
class _Names:
    """Names of the values of masks, or of their colours; None where nothing names them."""

    of: Mapping[int, str] | None
    colours: bool = False

    def name(self, value: int) -> str | int | None:
        """Return the name of a value, or the number of its class; None for neither."""
        if self.of is None:
            return value if 0 < value < _VOID else None
        return self.of.get(value)


def _names(path: Path | None) -> _Names:
    """Read ``labelmap.txt``, whose lines may leave out the colours: they number the names then."""
    if path is None:
        return _Names(None)
    texts = (line.strip() for line in read_lines(path))
    lines = [line for line in texts if line and not line.startswith("#")]
    if any(line.split(":")[1:2] not in ([], [""]) for line in lines):
        return _Names(_colours(lines, path), colours=True)
    names = [line.split(":")[0] for line in lines]
    if names[:1] != [_BACKGROUND]:
        raise SteelDefectsError(
            f"{named(path)} numbers the classes: its first line must be {_BACKGROUND}, number 0"
        )
    return _Names(dict(enumerate(names)))


def _colours(lines: Sequence[str], path: Path) -> dict[int, str]:
    names: dict[int, str] = {}
    for line in lines:
        name, _, rest = line.partition(":")
        try:
            red, green, blue = (int(part) for part in rest.split(":")[0].split(","))
        except ValueError as error:
            message = f"{named(path)}: {shown(line)} is not NAME:RED,GREEN,BLUE"
            raise SteelDefectsError(message) from error
        colour = red << 16 | green << 8 | blue
        if colour in names:
            raise SteelDefectsError(f"{named(path)}: {shown(line)} has the colour of another class")
        names[colour] = name
    return names


def _read_mask(path: Path, names: _Names, stem: str, root: Path, place: str) -> PictureLabels:
    """Return a shape for each class of a mask, and its void pixels."""
    where = path.relative_to(root).as_posix()
    values = _values(path, names)
    shapes, void = [], None
    for value in np.unique(values).tolist():
        name = names.name(value)
        if name == _BACKGROUND or (name is None and value == 0):
            continue
        if name is None and value == (_VOID_COLOUR if names.colours else _VOID):
            void = Bitmap.of(values == value)
            continue
        if name is None:
            colour = f"colour {value >> 16},{value >> 8 & 255},{value & 255}"
            what = colour if names.colours else f"value {value}"
            raise SteelDefectsError(f"{named(path)} has the {what}, which labelmap.txt lacks")
        shapes.append(Shape(name, Bitmap.of(values == value), where))
    fault = "" if shapes or not void else "its mask has void pixels, and no class"
    height, width = values.shape
    return _labels(
        stem, place, where, shapes=tuple(shapes), size=(height, width), void=void, fault=fault
    )


def _values(path: Path, names: _Names) -> NDArray[np.integer]:
    """Read the values of a mask, or its colours as numbers."""
    where = named(path)
    data = read_bytes(path)
    if data.startswith(b"\xff\xd8"):
        raise SteelDefectsError(f"{where} is a JPEG, which blurs classes into others")
    values, _ = open_png(data, where, names.colours)
    if names.colours:
        red, green, blue = (values[..., channel].astype(np.uint32) for channel in range(3))
        return red << 16 | green << 8 | blue
    if values.ndim != 2:
        raise SteelDefectsError(f"{where} is in colour; labelmap.txt is to name its colours")
    return values
