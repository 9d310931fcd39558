"""YOLO segmentation: a text file for each picture, a line for each shape.

Source of the format: docs.ultralytics.com/datasets/segment. A line is the number of a class,
counted from 0, and the corners of a polygon as shares of width and height. ``data.yaml`` names the
classes. A picture without a text file is not labelled, unless the user says that it is clean.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.images.reading import PICTURE_ENDINGS
from steel_defects.labels.formats.files import folder_of, read_lines
from steel_defects.labels.shapes import Outline, PictureLabels, Shape, ring_of

_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_LISTS = ("classes.txt", "obj.names")
_BOX = 4  # numbers after the class


def read(root: Path, files: Sequence[Path]) -> Iterator[PictureLabels | str]:
    """Read text files in folders ``labels``, whose pictures lie in ``images`` beside them.

    Raises:
        SteelDefectsError: The classes have no names, or a line is no shape.
    """
    names = _class_names(root)
    for path in files:
        folder, where = folder_of(path, root), path.relative_to(root).as_posix()
        parts = ["images" if part == "labels" else part for part in folder.split("/")]
        lines = enumerate(read_lines(path), start=1)
        shapes = [_shape(line, names, f"{where}, line {n}") for n, line in lines if line.strip()]
        pictures = tuple(path.stem + ending for ending in sorted(PICTURE_ENDINGS))
        yield PictureLabels(pictures, "/".join(parts), where, tuple(shapes))


def _shape(line: str, names: Mapping[int, str], where: str) -> Shape:
    try:
        number, *corners = (float(word) for word in line.split())
    except ValueError as error:
        raise SteelDefectsError(f"{where} is not a row of numbers: {shown(line)}") from error
    if number not in names:
        raise SteelDefectsError(f"{where} has class {number:g}, which data.yaml does not name")
    if not all(map(math.isfinite, corners)):
        raise SteelDefectsError(f"{where} has a number that is none: {shown(line)}")
    if len(corners) == _BOX:
        return Shape(names[int(number)], None, where, "a box without an outline")
    outline = Outline((ring_of(corners),), shares=True, inclusive=None)
    return Shape(names[int(number)], outline, where)


def _class_names(root: Path) -> dict[int, str]:
    """Read the names of the classes by their numbers."""
    for path in (root / name for name in _NAMES):
        if path.is_file():
            return _of_yaml(path)
    for path in (place / name for name in _LISTS for place in (root, root / "labels")):
        if path.is_file():
            return dict(enumerate(line.strip() for line in read_lines(path) if line.strip()))
    raise SteelDefectsError(
        f"{root} has labels of YOLO but no data.yaml, which names their classes; add one with "
        "names: [NAME, …]"
    )


def _of_yaml(path: Path) -> dict[int, str]:
    try:
        content = yaml.safe_load("\n".join(read_lines(path)))
    except (yaml.YAMLError, RecursionError) as error:
        raise SteelDefectsError(f"{path} is not YAML") from error
    names = content.get("names") if isinstance(content, Mapping) else None
    pairs = names.items() if isinstance(names, Mapping) else enumerate(names or [])
    if not isinstance(names, Mapping | list) or not names:
        raise SteelDefectsError(f"{path} names no classes; it needs names: [NAME, …]")
    try:
        return {int(number): str(name) for number, name in pairs}
    except (TypeError, ValueError) as error:
        raise SteelDefectsError(f"{path}: names are to be numbered 0, 1, …") from error
