"""YOLO segmentation: a text file for each picture, a line for each shape.

Source of the format: docs.ultralytics.com/datasets/segment. A line is the number of a class,
counted from 0, and the corners of a polygon as shares of width and height. ``data.yaml`` names the
classes. A picture without a text file is not labelled, unless the user says that it is clean.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.labels.formats.files import Part, checked, folder_of, named, read_lines
from steel_defects.labels.shapes import Outline, PictureLabels, Shape, ring_of

_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_LISTS = ("classes.txt", "obj.names")
_BOX = 4  # numbers after the class


class Names(Part):
    """What ``data.yaml`` says of the classes, counted from 0, and of keypoints, if it has some."""

    names: list[str] | dict[int, str]
    kpt_shape: Any = None


def read(root: Path, files: Sequence[Path]) -> Iterator[PictureLabels | str]:
    """Read text files in folders ``labels``, whose pictures lie in ``images`` beside them.

    Raises:
        SteelDefectsError: The classes have no names, or a line is no shape.
    """
    names = _class_names(root, files)
    for path in files:
        folder, where = folder_of(path, root), path.relative_to(root).as_posix()
        parts = ["images" if part == "labels" else part for part in folder.split("/")]
        lines = enumerate(read_lines(path), start=1)
        shapes = [_shape(line, names, f"{where}, line {n}") for n, line in lines if line.strip()]
        yield PictureLabels(
            (path.stem,), "/".join(parts), where, tuple(shapes), any_ending=True, bound=True
        )


def _shape(line: str, names: Mapping[int, str], where: str) -> Shape:
    try:
        number, *corners = (float(word) for word in line.split())
    except ValueError as error:
        raise SteelDefectsError(f"{where} is not a row of numbers: {shown(line)}") from error
    if number not in names:
        raise SteelDefectsError(f"{where} has class {number:g}, which has no name")
    if not all(map(math.isfinite, corners)):
        raise SteelDefectsError(f"{where} has a number that is none: {shown(line)}")
    if len(corners) == _BOX:
        return Shape(names[int(number)], None, where, "a box without an outline")
    outline = Outline((ring_of(corners, where),), shares=True, inclusive=None)
    return Shape(names[int(number)], outline, where)


def _class_names(root: Path, files: Sequence[Path]) -> dict[int, str]:
    """Read the names of the classes by their numbers, from all files that have them.

    Raises:
        SteelDefectsError: There is none, or two of them differ.
    """
    folders = {
        root,
        *(folder for path in files for folder in path.parents if root in folder.parents),
    }
    places = [place / name for place in sorted(folders) for name in (*_NAMES, *_LISTS)]
    found = {path: _read_names(path) for path in places if path.is_file()}
    if not found:
        raise SteelDefectsError(
            f"{named(root)} has labels of YOLO but no data.yaml, which names their classes; add "
            "one with names: [NAME, …]"
        )
    first, *others = found
    for other in others:
        if found[other] != found[first]:
            raise SteelDefectsError(f"{named(first)} and {named(other)} name different classes")
    return found[first]


def _read_names(path: Path) -> dict[int, str]:
    lines = read_lines(path)
    if path.name in _LISTS:
        return {number: line.strip() for number, line in enumerate(lines) if line.strip()}
    try:
        content = yaml.safe_load("\n".join(lines))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SteelDefectsError(f"{named(path)} is not YAML") from error
    description = checked(Names, content, f"{named(path)} does not name the classes")
    if description.kpt_shape is not None:
        raise SteelDefectsError(
            f"{named(path)} describes keypoints (kpt_shape), which have no outline; export a "
            "segmentation data set"
        )
    names = description.names
    return dict(names) if isinstance(names, dict) else dict(enumerate(names))
