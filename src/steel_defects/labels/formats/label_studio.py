"""Label Studio: a list of tasks in one JSON file, its export "JSON".

Source of the format: labelstud.io/guide/task_format. Coordinates are per cent of width and height;
what is brushed is packed into bits. A task that was skipped, or has a draft only, is unfinished.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from pydantic import ConfigDict, Field, RootModel

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.labels.formats.brushed import unpack
from steel_defects.labels.formats.files import Part, checked, folder_of, read_json
from steel_defects.labels.shapes import (
    Area,
    Bitmap,
    Outline,
    PictureLabels,
    Shape,
    ellipse,
)

_UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)")
_PICTURE = re.compile(r"\.(jpe?g|png|bmp|tiff?|webp|jp2)(\?|$)|[?&]d=", re.IGNORECASE)
_IMAGE = "image"  # what a task calls its picture, if nobody changes it


class Value(Part):
    """A shape, its labels, or both; which of its parts there are depends on what it is."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    points: list[tuple[float, float]] = []
    rle: list[Annotated[int, Field(ge=0, le=255)]] = []
    x: float | None = None
    y: float | None = None
    radius_x: Annotated[float, Field(alias="radiusX")] = 0
    radius_y: Annotated[float, Field(alias="radiusY")] = 0
    rotation: float = 0
    choices: list[str] = []
    taxonomy: list[list[str]] = []

    @property
    def tags(self) -> list[str]:
        """Classes that are said of the picture as a whole."""
        return [*self.choices, *(name for path in self.taxonomy for name in path)]

    @property
    def labels(self) -> list[str]:
        """Of whatever kind: ``polygonlabels``, ``brushlabels``, ``labels``."""
        lists = [
            value for name, value in (self.model_extra or {}).items() if name.endswith("labels")
        ]
        return [str(one) for value in lists if isinstance(value, list) for one in value]

    @property
    def is_drawn(self) -> bool:
        """Whether it has a place on the picture."""
        extra = self.model_extra or {}
        given = self.model_fields_set | extra.keys()
        return self.x is not None or bool(given & _PLACES)


# One that is empty is a shape, too: a defect is there of which nothing came.
_PLACES = {"points", "rle", "vertices", "bitmap", "imageDataURL", "mask"}


class Drawn(Part):
    """A part of an answer: a shape, labels of the shape with the same id, or something else."""

    id: str | int = ""
    type: str = ""
    value: dict[str, Any] = {}
    width: Annotated[int | None, Field(alias="original_width", ge=1)] = None
    height: Annotated[int | None, Field(alias="original_height", ge=1)] = None
    turned: Annotated[float, Field(alias="image_rotation")] = 0


class Answer(Part):
    """What one person drew."""

    result: list[Drawn] = []
    was_cancelled: bool = False
    ground_truth: bool = False
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
    names = names_of(_address(task, where), where)
    given = [one for one in task.annotations if one.ground_truth] or task.annotations
    if not given:
        yield PictureLabels(names, folder, where, unfinished="its task has no answer yet")
    for answer in given:
        parts = [(part, checked(Value, part.value, where)) for part in answer.result]
        sizes = {(one.height, one.width) for one in answer.result if one.height and one.width}
        turned = any(part.turned % 360 for part in answer.result)
        fault = "its task turns the picture, which is not supported" if turned else ""
        if len(sizes) > 1:
            fault = "its shapes were drawn for pictures of different sizes"
        yield PictureLabels(
            names, folder, where, tuple(_shapes(parts, where)), next(iter(sizes), None),
            tags=tuple(tag for _, value in parts for tag in value.tags),
            fault="" if answer.was_cancelled else fault,
            unfinished="its task was skipped" if answer.was_cancelled else "",
            changed=_moment(answer.updated_at or answer.created_at),
        )  # fmt: skip


def _moment(text: str | None) -> float | None:
    """Read a moment, in seconds; None for something else. One without a zone is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _address(task: Task, where: str) -> str:
    """Return the address of the picture: the one value that looks like one, or ``image``."""
    found = {name: value for name, value in task.data.items()
             if isinstance(value, str) and _PICTURE.search(value)}  # fmt: skip
    if _IMAGE in found:
        return found[_IMAGE]
    if len(found) != 1:
        names = shown(", ".join(found)) or "nothing"
        raise SteelDefectsError(f"{where} is to name one picture in its data, and has {names}")
    return next(iter(found.values()))


def _shapes(parts: Sequence[tuple[Drawn, Value]], where: str) -> Iterator[Shape]:
    """Yield the shapes; the labels of one may stand in another part with its id."""
    labels: dict[str | int, list[str]] = {}
    for part, value in parts:
        labels.setdefault(part.id, []).extend(value.labels)
    for part, value in parts:
        if not value.is_drawn:
            continue
        names = value.labels or (labels[part.id] if part.id != "" else [])
        if not names:
            raise SteelDefectsError(f"{where}: a shape has no label")
        area = _area(part, value, where)
        kind = "" if area else f"of the kind {shown(part.type.removesuffix('labels') or '?')}"
        yield from (Shape(name, area, where, kind) for name in dict.fromkeys(names))


def names_of(address: str, where: str) -> tuple[str, ...]:
    """Return the names that an address may mean: uploads have a prefix before the file's name.

    Raises:
        SteelDefectsError: It is none; ``where`` names the place.
    """
    try:
        parts = urlsplit(address.replace("\\", "/"))
    except ValueError as error:
        raise SteelDefectsError(f"{where}: {shown(address)} is no address") from error
    asked = parse_qs(parts.query).get("d")
    name = asked[0] if asked else unquote(parts.path)
    folder, _, last = name.strip("/").rpartition("/")
    if not asked and folder.startswith("data/upload"):
        folder = ""
    names = [f"{folder}/{last}".strip("/")]
    if not asked and (uploaded := _UPLOADED.fullmatch(last)):
        names.append(f"{folder}/{uploaded[1]}".strip("/"))
    return tuple(names)


def _area(part: Drawn, value: Value, where: str) -> Area | None:
    if value.points and part.type.startswith("polygon"):
        return Outline((np.array(value.points, np.float64).reshape(-1, 2) / 100,), shares=True)
    if value.radius_x and value.radius_y and not value.rotation:
        centre, radii = (value.x or 0, value.y or 0), (value.radius_x, value.radius_y)
        share = 0.01  # per cent
        return ellipse(
            (centre[0] * share, centre[1] * share), (radii[0] * share, radii[1] * share), True
        )
    if value.rle and part.height and part.width:
        return Bitmap.of(unpack(value.rle, (part.height, part.width), where))
    return None
