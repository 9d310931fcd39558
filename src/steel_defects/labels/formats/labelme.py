"""LabelMe: a JSON file beside each picture.

Source of the format: github.com/wkentaro/labelme. People draw outlines between pixels; scripts
that trace masks write whole numbers. A picture without a file is not labelled yet.
"""

from collections.abc import Iterator, Sequence
from math import dist
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from steel_defects.errors import shown
from steel_defects.labels.formats.files import Part, folder_of, read_json, unpack_mask
from steel_defects.labels.shapes import Area, Bitmap, Outline, PictureLabels, Shape, ellipse

Point = tuple[float, float]


class Drawn(Part):
    """A shape."""

    label: str
    points: list[Point]
    shape_type: str | None = "polygon"
    mask: str | None = None


class LabelMeFile(Part):
    """The file."""

    shapes: list[Drawn]
    flags: dict[str, Any] = {}
    image_path: Annotated[str, Field(alias="imagePath")]
    width: Annotated[int | None, Field(alias="imageWidth")] = None
    height: Annotated[int | None, Field(alias="imageHeight")] = None


def read(root: Path, files: Sequence[Path]) -> Iterator[PictureLabels | str]:
    """Read LabelMe's files.

    Raises:
        SteelDefectsError: A file is no JSON of LabelMe's.
    """
    for path in files:
        content, where = read_json(path, LabelMeFile), path.relative_to(root).as_posix()
        shapes = tuple(_shape(one, where) for one in content.shapes)
        size = (content.height, content.width) if content.height and content.width else None
        name = content.image_path.replace("\\", "/")
        # Moved folders leave paths behind that lead nowhere; the file lies beside its picture.
        beside = path.stem + name[name.rfind(".") :] if "." in name else path.stem
        tags = tuple(name for name, said in content.flags.items() if said is True)
        folder = folder_of(path, root)
        half = (content.width is None) != (content.height is None)
        fault = "says the width or the height of its picture, not both" if half else ""
        yield PictureLabels((name, beside), folder, where, shapes, size, tags=tags, fault=fault)


def _shape(drawn: Drawn, where: str) -> Shape:
    area = _area(drawn, f"{where}, {shown(drawn.label)}")
    return Shape(drawn.label, area, where, "" if area else f"a {shown(drawn.shape_type or '')}")


def _area(drawn: Drawn, where: str) -> Area | None:
    if drawn.shape_type in (None, "", "polygon"):
        return Outline((np.array(drawn.points, np.float64).reshape(-1, 2),), inclusive=None)
    if drawn.shape_type == "circle" and len(drawn.points) == 2:
        radius = dist(*drawn.points)
        return ellipse(drawn.points[0], (radius, radius))
    if drawn.shape_type == "mask" and drawn.mask and drawn.points:
        x, y = drawn.points[0]
        return Bitmap.of(unpack_mask(drawn.mask, where), round(x), round(y))
    return None
