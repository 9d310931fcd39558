"""COCO: ``images``, ``annotations`` and ``categories`` in one JSON file for each part of the data.

Source of the format: cocodataset.org/#format-data. Numbers of images and categories hold in their
own file only: tools count them from 0 or 1 in each.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.labels.formats.files import Part, folder_of, read_json
from steel_defects.labels.shapes import (
    Bitmap,
    Mask,
    Outline,
    PictureLabels,
    Ring,
    Shape,
    Size,
    ring_of,
)

_LARGEST = 1 << 28  # pixels of a mask
_AREAS = 200  # that the rule of filling is judged by, at most

Side = Annotated[int, Field(ge=1)]
Id = int | str


class Runs(Part):
    """A mask: lengths of its runs down the columns, as numbers or packed into text."""

    size: tuple[Side, Side]
    counts: list[Annotated[int, Field(ge=0, le=_LARGEST)]] | str


class Annotation(Part):
    """A shape. ``iscrowd`` is not asked for: tools set it for masks that are stored as runs."""

    id: Id = ""
    image_id: Id
    category_id: Id
    segmentation: list[list[float]] | list[float] | Runs | None = None
    area: float | None = None


class Image(Part):
    """A picture."""

    id: Id
    file_name: str
    width: Side | None = None
    height: Side | None = None


class Category(Part):
    """A class."""

    id: Id
    name: str


class CocoFile(Part):
    """The file."""

    images: list[Image]
    annotations: list[Annotation] = []
    categories: list[Category]


def read(root: Path, files: Sequence[Path]) -> Iterator[PictureLabels | str]:
    """Read files of COCO; every picture that one lists is finished.

    Raises:
        SteelDefectsError: A file is no COCO, or two of its pictures or classes share a number.
    """
    for path in files:
        yield from _read(path, folder_of(path, root), path.relative_to(root).as_posix())


def _read(path: Path, folder: str, shown_path: str) -> Iterator[PictureLabels | str]:
    content = read_json(path, CocoFile)
    for kind in (content.images, content.categories):
        [(number, count)] = Counter(one.id for one in kind).most_common(1) or [(0, 0)]
        if count > 1:
            raise SteelDefectsError(f"{path}: two entries have the id {number}; give each its own")
    sizes = {image.id: _size(image) for image in content.images}
    inclusive = _outline_belongs(content.annotations, sizes)
    if inclusive:
        yield f"{shown_path}: the areas it states fit outlines that belong to their shapes"
    shapes: dict[Id, list[Shape]] = {image.id: [] for image in content.images}
    strays = [one for one in content.annotations if one.image_id not in shapes]
    if strays:
        yield f"{shown_path}: {len(strays):,} annotations are of pictures that it does not list"
    names = {category.id: category.name for category in content.categories}
    for annotation in content.annotations:
        where = f"{shown_path}, annotation {shown(str(annotation.id))}"
        if annotation.category_id not in names:
            raise SteelDefectsError(
                f"{where} has category {annotation.category_id}, which the file does not name"
            )
        shape = _shape(annotation, names[annotation.category_id], where, inclusive)
        shapes.get(annotation.image_id, []).append(shape)
    subset = path.stem.rpartition("_")[2]
    for image in content.images:
        where = f"{shown_path}, picture {shown(image.file_name)}"
        name, drawn = image.file_name.replace("\\", "/"), tuple(shapes[image.id])
        yield PictureLabels((name,), folder, where, drawn, sizes[image.id], subset)


def _size(image: Image) -> Size | None:
    return (image.height, image.width) if image.height and image.width else None


def _shape(annotation: Annotation, name: str, where: str, inclusive: bool) -> Shape:
    drawn = annotation.segmentation
    if isinstance(drawn, Runs):
        return Shape(name, _Runs(drawn), where)
    rings = _rings(drawn)
    if not rings:
        return Shape(name, None, where, "a box without an outline")
    return Shape(name, Outline(rings, inclusive=inclusive), where)


def _rings(drawn: list[list[float]] | list[float] | Runs | None) -> tuple[Ring, ...]:
    if not drawn or isinstance(drawn, Runs):
        return ()
    lists = drawn if isinstance(drawn[0], list) else [drawn]
    return tuple(ring_of(one) for one in lists if isinstance(one, list) and one)


class _Runs:
    """A mask of a whole picture."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def mask(self, size: Size) -> Mask:
        if self._runs.size != size:
            sizes = (*self._runs.size[::-1], *size[::-1])
            raise SteelDefectsError("a mask of {}×{} for a picture of {}×{}".format(*sizes))
        return Bitmap(decode(self._runs)).mask(size)

    def leaves(self, size: Size) -> bool:
        return False


def decode(runs: Runs) -> Mask:
    """Turn runs into pixels of shape ``size``, uint8, 0 or 1.

    Raises:
        SteelDefectsError: They do not fill the size.
    """
    height, width = runs.size
    if height * width > _LARGEST:
        raise SteelDefectsError(f"a mask of {width}×{height} pixels")
    counts = _unpacked(runs.counts) if isinstance(runs.counts, str) else runs.counts
    if sum(counts) != height * width or min(counts, default=0) < 0:
        raise SteelDefectsError("the runs of a mask do not fill its picture")
    values = np.arange(len(counts), dtype=np.uint8) % 2
    return np.repeat(values, counts).reshape(width, height).T


def _unpacked(text: str) -> list[int]:
    """Read lengths as COCO packs them: five bits a character, differences from the third on.

    Not by pycocotools, whose reader trusts the text: a wrong one crashes the process.
    """
    counts: list[int] = []
    value, bits = 0, 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or bits > 60:
            raise SteelDefectsError("the runs of a mask are not packed as COCO packs them")
        value |= (code & 31) << bits
        bits += 5
        if not code & 32:
            value -= 1 << bits if code & 16 else 0
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value, bits = 0, 0
    return counts


def _outline_belongs(annotations: Sequence[Annotation], sizes: dict[Id, Size | None]) -> bool:
    """Say which rule of filling the areas that the file states fit better."""
    differences = np.zeros(2)
    drawn = (
        (one, sizes.get(one.image_id)) for one in annotations if isinstance(one.segmentation, list)
    )
    for annotation, size in islice(drawn, _AREAS):
        rings = _rings(annotation.segmentation)
        if size and rings and annotation.area and size[0] * size[1] <= _LARGEST:
            for rule in (0, 1):
                area = _area(rings, size, inclusive=bool(rule))
                differences[rule] += abs(area - annotation.area)
    return bool(differences[1] < differences[0])


def _area(rings: tuple[Ring, ...], size: Size, inclusive: bool) -> int:
    try:
        return int(Outline(rings, inclusive=inclusive).mask(size).sum())
    except SteelDefectsError:
        return 0
