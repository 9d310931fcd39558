"""Pascal VOC, and other folders of masks in colour: ``labelmap.txt`` names the colours.

Source of the format: host.robots.ox.ac.uk/pascal/VOC, and docs.cvat.ai, "Segmentation mask".
``ImageSets/Segmentation/*.txt`` lists the finished pictures; one without a mask is clean. Value
255, and the colour of it, is neither a class nor background: its pixels belong to no shape.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.images.reading import PICTURE_ENDINGS
from steel_defects.labels.formats.files import folder_of, read_lines
from steel_defects.labels.shapes import Bitmap, PictureLabels, Shape

_MASKS = "SegmentationClass"
_VOID = 255
_VOID_COLOUR = 224 << 16 | 224 << 8 | 192
_BACKGROUND = ("background", "")
Values = NDArray[np.int64]


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
        place, finished = folder_of(folder, root), set()
        for path in masks:
            where = path.relative_to(root).as_posix()
            shapes, size, void = _read_mask(path, names, where)
            voids += void
            stem = path.relative_to(folder).with_suffix("").as_posix()
            finished.add(stem)
            yield PictureLabels(_pictures(stem), place, where, shapes, size)
        for where, stem in _listed(folder.parent, root):
            if stem not in finished:
                finished.add(stem)
                yield PictureLabels(_pictures(stem), place, where, ())
    if voids:
        yield f"{voids:,} masks have void pixels, which count as background"


def _mask_folder(path: Path, root: Path) -> Path | None:
    """Return the folder of masks that a file lies in, which may have folders in it."""
    names = folder_of(path, root).split("/")
    mask_folders = (n for n, name in enumerate(names) if name in (_MASKS, "annotations"))
    depth = next(mask_folders, None)
    return None if depth is None else root.joinpath(*names[: depth + 1])


def _colour_file(folder: Path) -> Path | None:
    files = (place / "labelmap.txt" for place in (folder, folder.parent))
    return next((path for path in files if path.is_file()), None)


def _pictures(stem: str) -> tuple[str, ...]:
    """Return the paths, beside the folder of masks, that a mask's picture may have."""
    folders, endings = ("JPEGImages/", "images/", "train_images/", ""), sorted(PICTURE_ENDINGS)
    return tuple(f"{folder}{stem}{ending}" for folder in folders for ending in endings)


def _listed(base: Path, root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted((base / "ImageSets" / "Segmentation").glob("*.txt")):
        for line in read_lines(path):
            if line.strip():
                yield path.relative_to(root).as_posix(), line.strip()


@dataclass(frozen=True)
class _Names:
    """Names of the values of masks, or of their colours; None where nothing names them."""

    of: Mapping[int, str] | None
    colours: bool = False

    def name(self, value: int) -> str | None:
        return str(value) if self.of is None else self.of.get(value)


def _names(path: Path | None) -> _Names:
    """Read ``labelmap.txt``, whose lines may leave out the colours: they number the names then."""
    if path is None:
        return _Names(None)
    texts = (line.strip() for line in read_lines(path))
    lines = [line for line in texts if line and not line.startswith("#")]
    if all(line.split(":")[1:2] in ([], [""]) for line in lines):
        return _Names(dict(enumerate(line.split(":")[0] for line in lines)))
    return _Names(_colours(lines, path), colours=True)


def _colours(lines: Sequence[str], path: Path) -> dict[int, str]:
    names = {}
    for line in lines:
        name, _, rest = line.partition(":")
        try:
            red, green, blue = (int(part) for part in rest.split(":")[0].split(","))
        except ValueError as error:
            raise SteelDefectsError(f"{path}: {shown(line)} is not NAME:RED,GREEN,BLUE") from error
        names[red << 16 | green << 8 | blue] = name
    return names


def _read_mask(
    path: Path, names: _Names, where: str
) -> tuple[tuple[Shape, ...], tuple[int, int], bool]:
    """Return a shape for each class, the size, and whether there are void pixels."""
    values = _by_colour(path) if names.colours else _by_number(path)
    void = _VOID_COLOUR if names.colours else _VOID
    shapes = []
    present = np.unique(values).tolist()
    for value in present:
        name = names.name(value)
        if value in (0, void) or name in _BACKGROUND:
            continue
        if name is None:
            colour = f"colour {value >> 16},{value >> 8 & 255},{value & 255}"
            what = colour if names.colours else f"value {value}"
            raise SteelDefectsError(f"{path} has the {what}, which labelmap.txt lacks")
        shapes.append(Shape(name, Bitmap((values == value).astype(np.uint8)), where))
    height, width = values.shape
    return tuple(shapes), (height, width), void in present


def _by_colour(path: Path) -> Values:
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise SteelDefectsError(f"{path} cannot be decoded as a picture")
    blue, green, red = (picture[..., channel].astype(np.int64) for channel in range(3))
    return red << 16 | green << 8 | blue


def _by_number(path: Path) -> Values:
    # Not OpenCV, which replaces the indices of a palette by its colours.
    try:
        with PngImageFile(path) as picture:
            values = np.asarray(picture)
    except Exception as error:
        # Pillow fails in a dozen ways at bytes that are not what it expects.
        raise SteelDefectsError(f"{path} cannot be decoded as a PNG picture") from error
    if values.ndim != 2:
        raise SteelDefectsError(f"{path} is in colour; labelmap.txt is to name its colours")
    return values.astype(np.int64)
