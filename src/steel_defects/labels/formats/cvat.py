"""CVAT's own XML, "CVAT for images 1.1".

Source of the format: docs.cvat.ai, "CVAT for image". Coordinates are pixels, masks are runs along
the rows of a box. Also video tasks use ``<track>``, which is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.labels.formats.files import folder_of, named, read_xml
from steel_defects.labels.shapes import (
    Area,
    Bitmap,
    Outline,
    PictureLabels,
    Shape,
    Size,
    ellipse,
    ring_of,
)

_NO_SHAPES = ("attribute", "tag")


def read(root: Path, files: Sequence[Path]) -> Iterator[PictureLabels | str]:
    """Read CVAT's files; every picture that one lists is finished.

    Raises:
        SteelDefectsError: A file is no XML of CVAT's for images, or a value in it is none.
    """
    for path in files:
        content, shown_path = read_xml(path), path.relative_to(root).as_posix()
        if content.find("track") is not None:
            raise SteelDefectsError(f"{named(path)} is of a video; export 'CVAT for images 1.1'")
        for image in content.iter("image"):
            try:
                yield _picture(image, folder_of(path, root), shown_path)
            except (KeyError, ValueError, OverflowError, SteelDefectsError) as error:
                raise SteelDefectsError(
                    f"{named(path)}, picture {shown(image.get('name', ''))}: {_why(error)}"
                ) from error


def _why(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else shown(str(error))


def _picture(image: Element, folder: str, shown_path: str) -> PictureLabels:
    name = image.attrib["name"].replace("\\", "/")
    where = f"{shown_path}, picture {shown(name)}"
    size = _whole(image.attrib["height"]), _whole(image.attrib["width"])
    shapes = [
        Shape(one.attrib["label"], area, where, "" if area else f"a {one.tag}")
        for one in image
        if one.tag not in _NO_SHAPES
        for area in [_area(one.tag, one.attrib, size, where)]
    ]
    subset, tags = image.get("subset", ""), tuple(one.attrib["label"] for one in image.iter("tag"))
    return PictureLabels((name,), folder, where, tuple(shapes), size, subset, tags=tags)


def _whole(text: str) -> int:
    return round(float(text))


def _area(tag: str, values: Mapping[str, str], size: Size, where: str) -> Area | None:
    if tag == "polygon":
        numbers = values["points"].replace(";", ",").strip(", ").split(",")
        return Outline((ring_of([float(number) for number in numbers], where),))
    if tag == "mask":
        return _bitmap(values, size)
    if tag == "ellipse":
        cx, cy, rx, ry = (float(values[name]) for name in ("cx", "cy", "rx", "ry"))
        return ellipse((cx, cy), (rx, ry), degrees=float(values.get("rotation", 0)))
    return None


def _bitmap(values: Mapping[str, str], size: Size) -> Bitmap:
    """Read runs along the rows of a box, background first."""
    left, top, width, height = (_whole(values[name]) for name in ("left", "top", "width", "height"))
    counts = [int(count) for count in values["rle"].replace(",", " ").split()]
    if not (0 < height <= size[0] and 0 < width <= size[1]) or min(counts, default=0) < 0:
        raise ValueError(f"a mask of {width}×{height} pixels, larger than the picture")
    if sum(counts) > height * width:
        raise ValueError("the runs of a mask are longer than its box")
    flat = np.zeros(height * width, np.uint8)
    filled = np.repeat(np.arange(len(counts), dtype=np.uint8) % 2, counts)
    flat[: len(filled)] = filled
    return Bitmap.of(flat.reshape(height, width), left, top)
