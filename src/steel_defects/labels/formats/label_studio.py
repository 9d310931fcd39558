"""Label Studio: a list of tasks in one JSON file, its export "JSON".

Source of the format: labelstud.io/guide/task_format. Coordinates are per cent of width and height;
what is brushed is packed into bits. A task that was skipped, or has a draft only, is unfinished.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from pydantic import Field, RootModel

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.labels.formats.files import Part, checked, folder_of, read_json
from steel_defects.labels.shapes import (
    Area,
    Bitmap,
    Ellipse,
    Mask,
    Outline,
    PictureLabels,
    Shape,
    Size,
)

_LARGEST = 1 << 28  # bytes of a mask that was brushed
_UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)")
_SHAPES = ("polygonlabels", "brushlabels", "ellipselabels", "rectanglelabels", "keypointlabels")


class Value(Part):
    """A shape; which of its parts there are depends on what it is."""

    points: list[tuple[float, float]] = []
    rle: list[Annotated[int, Field(ge=0, le=255)]] = []
    x: float = 0
    y: float = 0
    radius_x: Annotated[float, Field(alias="radiusX")] = 0
    radius_y: Annotated[float, Field(alias="radiusY")] = 0
    rotation: float = 0
    polygonlabels: list[str] = []
    brushlabels: list[str] = []
    ellipselabels: list[str] = []
    rectanglelabels: list[str] = []
    keypointlabels: list[str] = []
    labels: list[str] = []


class Drawn(Part):
    """A part of an answer: a shape, or something that is none."""

    type: str = ""
    value: dict[str, Any] = {}
    width: Annotated[int | None, Field(alias="original_width", ge=1)] = None
    height: Annotated[int | None, Field(alias="original_height", ge=1)] = None
    turned: Annotated[float, Field(alias="image_rotation")] = 0


class Answer(Part):
    """What one person drew."""

    result: list[Drawn] = []
    was_cancelled: bool = False
    updated_at: str | None = ""
    created_at: str | None = ""


class Task(Part):
    """A picture and the answers to it."""

    id: int | str = ""
    data: dict[str, Any]
    annotations: list[Answer] = []


class Tasks(RootModel[list[Task]]):
    """The file."""


def read(root: Path, files: Sequence[Path]) -> Iterator[PictureLabels | str]:
    """Read lists of tasks: each answer by itself, and one without shapes for a task without any.

    Raises:
        SteelDefectsError: A file is no list of tasks.
    """
    for path in files:
        for task in read_json(path, Tasks).root:
            where = f"{path.relative_to(root).as_posix()}, task {shown(str(task.id))}"
            yield from _answers(task, folder_of(path, root), where)


def _answers(task: Task, folder: str, where: str) -> Iterator[PictureLabels]:
    names = names_of(_address(task, where))
    if not task.annotations:
        yield PictureLabels(names, folder, where, (), unfinished="its task has no answer yet")
    for answer in task.annotations:
        if answer.was_cancelled:
            yield PictureLabels(names, folder, where, (), unfinished="its task was skipped")
            continue
        turned = any(part.turned % 360 for part in answer.result)
        unfinished = "its task turns the picture, which is not supported" if turned else ""
        shapes = [_shape(part, where) for part in answer.result if part.type in _SHAPES]
        changed = answer.updated_at or answer.created_at or ""
        yield PictureLabels(
            names, folder, where, tuple(shapes), _size(answer), "", unfinished, changed
        )


def _address(task: Task, where: str) -> str:
    """Return the address of the picture: the first value that looks like one."""
    texts = [value for value in task.data.values() if isinstance(value, str)]
    named = [text for text in texts if re.search(r"\.\w{2,5}(\?|$)|\?d=", text)]
    if not named:
        raise SteelDefectsError(f"{where} names no picture in its data")
    return named[0]


def names_of(address: str) -> tuple[str, ...]:
    """Return the names that an address may mean: uploads have a prefix before the file's name."""
    parts = urlsplit(address.replace("\\", "/"))
    asked = parse_qs(parts.query).get("d")
    name = asked[0] if asked else unquote(parts.path)
    folder, _, last = name.strip("/").rpartition("/")
    if folder.startswith("data/upload"):
        folder = ""
    names = [f"{folder}/{last}".strip("/")]
    if uploaded := _UPLOADED.fullmatch(last):
        names.append(f"{folder}/{uploaded[1]}".strip("/"))
    return tuple(names)


def _size(answer: Answer) -> Size | None:
    for part in answer.result:
        if part.height and part.width:
            return part.height, part.width
    return None


def _shape(part: Drawn, where: str) -> Shape:
    value = checked(Value, part.value, where)
    names = [name for kind in _SHAPES for name in getattr(value, kind)] or value.labels
    if not names:
        raise SteelDefectsError(f"{where}: a shape has no label")
    area = _area(part, value, where)
    kind = "" if area else f"of the kind {shown(part.type.removesuffix('labels'))}"
    return Shape(names[0], area, where, kind)


def _area(part: Drawn, value: Value, where: str) -> Area | None:
    if part.type == "polygonlabels":
        return Outline((np.array(value.points, np.float64).reshape(-1, 2) / 100,), shares=True)
    if part.type == "ellipselabels" and not value.rotation:
        centre, radii = (value.x / 100, value.y / 100), (value.radius_x / 100, value.radius_y / 100)
        return Ellipse(centre, radii, shares=True)
    if part.type == "brushlabels" and part.height and part.width:
        return Bitmap(unpack(value.rle, (part.height, part.width), where))
    return None


def unpack(packed: Sequence[int], size: Size, where: str) -> Mask:
    """Unpack what was brushed: the last of four channels of a picture of this height and width.

    Source of the packing: github.com/thi-ng/umbrella, ``packages/rle-pack``.

    Raises:
        SteelDefectsError: The bits are no such picture.
    """
    values = _unpacked(np.unpackbits(np.array(packed, np.uint8)).tolist(), where)
    if values.size != size[0] * size[1] * 4:
        raise SteelDefectsError(f"{where}: what was brushed does not fill the picture")
    return (values.reshape(*size, 4)[..., 3] > 0).astype(np.uint8)


def _unpacked(bits: list[int], where: str) -> np.ndarray:
    at = 0

    def number(count: int) -> int:
        nonlocal at
        if at + count > len(bits):
            raise SteelDefectsError(f"{where}: what was brushed is cut short")
        value = int("".join(map(str, bits[at : at + count])), 2)
        at += count
        return value

    total, width = number(32), number(5) + 1
    sizes = [number(4) + 1 for _ in range(4)]
    if total > _LARGEST or width > 8:
        raise SteelDefectsError(f"{where}: what was brushed is no picture")
    values = np.zeros(total, np.uint8)
    done = 0
    while done < total:
        repeated = number(1)
        length = number(sizes[number(2)]) + 1
        if done + length > total:
            raise SteelDefectsError(f"{where}: what was brushed is longer than it says")
        if repeated:
            values[done : done + length] = number(width)
        else:
            values[done : done + length] = [number(width) for _ in range(length)]
        done += length
    return values
