"""Supervisely: ``meta.json``, and for each data set ``img/`` and ``ann/``, which may be nested.

Source of the format: docs.supervisely.com, "Supervisely JSON format". Polygons of whole numbers
run through the centres of pixels, others between them; bitmaps are packed PNG files of a part of
the picture.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from steel_defects.errors import shown
from steel_defects.labels.formats.files import Part, folder_of, read_json, unpack_mask
from steel_defects.labels.shapes import Area, Bitmap, Outline, PictureLabels, Shape

Point = tuple[float, float]


class Points(Part):
    """Corners of a polygon and of its holes."""

    exterior: list[Point]
    interior: list[list[Point]] = []


class Packed(Part):
    """A bitmap and its upper left corner, x and y."""

    data: str
    origin: tuple[int, int]


class Drawn(Part):
    """A shape."""

    class_name: Annotated[str, Field(alias="classTitle")]
    geometry: Annotated[str, Field(alias="geometryType")]
    points: Points | None = None
    bitmap: Packed | None = None


class ImageSize(Part):
    """Of a picture, pixels."""

    height: Annotated[int, Field(ge=1)]
    width: Annotated[int, Field(ge=1)]


class Tag(Part):
    """What is said of a whole picture."""

    name: str


class SuperviselyFile(Part):
    """The file of one picture."""

    tags: list[Tag] = []
    size: ImageSize
    objects: list[Drawn]


def read(root: Path, files: Sequence[Path]) -> Iterator[PictureLabels | str]:
    """Read the files in folders ``ann``; each is named as its picture in ``img``, plus ``.json``.

    Raises:
        SteelDefectsError: A file is no JSON of Supervisely's.
    """
    for path in files:
        content, where = read_json(path, SuperviselyFile), path.relative_to(root).as_posix()
        shapes = tuple(_shape(one, where) for one in content.objects)
        folder = f"{folder_of(path, root).rpartition('/')[0]}/img".strip("/")
        size = content.size.height, content.size.width
        tags = tuple(tag.name for tag in content.tags)
        yield PictureLabels((path.stem,), folder, where, shapes, size, bound=True, tags=tags)


def _shape(drawn: Drawn, where: str) -> Shape:
    area = _area(drawn, where)
    return Shape(drawn.class_name, area, where, "" if area else f"a {shown(drawn.geometry)}")


def _area(drawn: Drawn, where: str) -> Area | None:
    if drawn.geometry == "polygon" and drawn.points:
        rings = [drawn.points.exterior, *drawn.points.interior]
        outer, *holes = (np.array(ring, np.float64).reshape(-1, 2) for ring in rings)
        return Outline((outer,), tuple(holes), inclusive=None)
    if drawn.geometry in ("bitmap", "alpha_mask") and drawn.bitmap:
        return Bitmap.of(unpack_mask(drawn.bitmap.data, where), *drawn.bitmap.origin)
    return None
