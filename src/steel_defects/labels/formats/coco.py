"""COCO: ``images``, ``annotations`` and ``categories`` in one JSON file for each part of the data.

Source of the format: cocodataset.org/#format-data. Numbers of images and categories hold in their
own file only: tools count them from 0 or 1 in each.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from math import prod
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator, Field

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.labels.coco_runs import unpack
from steel_defects.labels.formats.files import Part, folder_of, named, read_json
from steel_defects.labels.shapes import (
    Mask,
    Outline,
    PictureLabels,
    Ring,
    Shape,
    Size,
    ring_of,
    some,
)

_LARGEST = 1 << 26  # pixels of a mask
_AREAS = 200  # that the rule of filling is judged by, at most
_FITTING = 0.03  # of the areas, by which those of the right rule differ at most

Side = Annotated[int, Field(ge=1)]
#: Numbers are text in some files, and in parts of others.
Id = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]


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
        [(number, count)] = Counter(one.id for one in kind).most_common(1) or [("", 0)]
        if count > 1:
            raise SteelDefectsError(
                f"{named(path)}: two entries have the id {shown(number)}; give each its own"
            )
    sizes = {image.id: _size(image) for image in content.images}
    inclusive = _outline_belongs(content.annotations, sizes)
    if inclusive:
        yield f"{shown_path}: the areas it states fit outlines that belong to their shapes"
    shapes: dict[str, list[Shape]] = {image.id: [] for image in content.images}
    strays = [one for one in content.annotations if one.image_id not in shapes]
    if strays:
        yield f"{shown_path}: {len(strays):,} annotations are of pictures that it does not list"
    names = {category.id: category.name for category in content.categories}
    for annotation in content.annotations:
        where = f"{shown_path}, annotation {shown(annotation.id)}"
        if annotation.category_id not in names:
            number = shown(annotation.category_id)
            raise SteelDefectsError(f"{where} has category {number}, which the file does not name")
        shape = _shape(annotation, names[annotation.category_id], where, inclusive)
        shapes.get(annotation.image_id, []).append(shape)
    subset = path.stem.rpartition("_")[2]
    for image in content.images:
        where = f"{shown_path}, picture {shown(image.file_name)}"
        drawn = tuple(shapes[image.id])
        # It may be the picture of one of the strays.
        fault = "is listed without a shape beside shapes of no picture" if strays else ""
        name = image.file_name.replace("\\", "/")
        yield PictureLabels(
            (name,), folder, where, drawn, sizes[image.id], subset, fault="" if drawn else fault
        )


def _size(image: Image) -> Size | None:
    return (image.height, image.width) if image.height and image.width else None


def _shape(annotation: Annotation, name: str, where: str, inclusive: bool) -> Shape:
    drawn = annotation.segmentation
    if isinstance(drawn, Runs):
        return Shape(name, _Runs(drawn), where)
    rings = _rings(drawn, where)
    if not rings:
        return Shape(name, None, where, "a box without an outline")
    return Shape(name, Outline(rings, inclusive=inclusive), where)


def _rings(
    drawn: list[list[float]] | list[float] | Runs | None, where: str = "it"
) -> tuple[Ring, ...]:
    if not drawn or isinstance(drawn, Runs):
        return ()
    if not isinstance(drawn[0], list):
        return (ring_of([one for one in drawn if not isinstance(one, list)], where),)
    lists = [one for one in drawn if isinstance(one, list) and one]
    if all(len(one) == 2 for one in lists):  # pairs of x and y, of one ring
        return (np.asarray(lists, np.float64),) if len(lists) > 2 else ()
    return tuple(ring_of(one, where) for one in lists)


class _Runs:
    """A mask of a whole picture."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def mask(self, size: Size) -> Mask:
        if self._runs.size != size:
            sizes = (*self._runs.size[::-1], *size[::-1])
            raise SteelDefectsError("a mask of {}×{} for a picture of {}×{}".format(*sizes))
        return some(decode(self._runs))

    def remark(self, size: Size) -> str:
        return ""


def decode(runs: Runs) -> Mask:
    """Turn runs into pixels of shape ``size``, uint8, 0 or 1.

    Raises:
        SteelDefectsError: They do not fill the size.
    """
    height, width = runs.size
    if height * width > _LARGEST:
        raise SteelDefectsError(f"a mask of {width}×{height} pixels")
    counts = unpack(runs.counts) if isinstance(runs.counts, str) else runs.counts
    if sum(counts) != height * width or min(counts, default=0) < 0:
        raise SteelDefectsError("the runs of a mask do not fill its picture")
    values = np.arange(len(counts), dtype=np.uint8) % 2
    return np.repeat(values, counts).reshape(width, height).T


def _outline_belongs(annotations: Sequence[Annotation], sizes: dict[str, Size | None]) -> bool:
    """Say whether the areas that the file states fit the inclusive rule, and it alone.

    Others are fitted by neither, such as those of boxes.
    """
    differences, total = np.zeros(2), 0.0
    drawn = (one for one in annotations if isinstance(one.segmentation, list))
    for annotation in islice(drawn, _AREAS):
        size = sizes.get(annotation.image_id)
        if not size or not annotation.area or prod(size) > _LARGEST:
            continue
        areas = [_area(annotation, size, inclusive=rule) for rule in (False, True)]
        if all(areas):
            differences += np.abs(np.array(areas) - annotation.area)
            total += annotation.area
    return bool(differences[1] < differences[0] and differences[1] <= _FITTING * total)


def _area(annotation: Annotation, size: Size, inclusive: bool) -> int:
    try:
        rings = _rings(annotation.segmentation)
        return int(Outline(rings, inclusive=inclusive).mask(size).sum())
    except SteelDefectsError:
        return 0
