"""Reading files of labels: what they hold is checked, and an error names the file."""

import base64
import binascii
import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile
from pydantic import BaseModel, ConfigDict, ValidationError

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.labels.shapes import Mask, PictureLabels

_LARGEST = 1 << 28  # bytes of a mask that is unpacked
_MOST_PIXELS = 1 << 27  # of a mask


class Part(BaseModel):
    """A part of a file; what a format has besides is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


Content = TypeVar("Content", bound=BaseModel)
#: Reads files of one format below a data folder. It yields what they say of each picture, and text
#: where there is something to tell that is no picture's.
Reader = Callable[[Path, Sequence[Path]], Iterator[PictureLabels | str]]


def read_json(path: Path, kind: type[Content]) -> Content:
    """Read a JSON file.

    Raises:
        SteelDefectsError: It can't be read, or holds something else.
    """
    try:
        content = json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise SteelDefectsError(f"{named(path)} is not JSON: {shown(str(error))}") from error
    return checked(kind, content, named(path))


def checked(kind: type[Content], content: Any, where: str) -> Content:
    """Make a part of a file from what JSON holds.

    Raises:
        SteelDefectsError: It is something else; ``where`` names it.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "its content"
        raise SteelDefectsError(f"{where}: {shown(place)}: {shown(fault['msg'])}") from error


def named(path: Path) -> str:
    """Return the path of a file as text that a message can hold."""
    return shown(str(path), 500)


def read_xml(path: Path) -> ElementTree.Element:
    """Read an XML file.

    Raises:
        SteelDefectsError: It can't be read, or is not XML.
    """
    try:
        return ElementTree.fromstring(read_bytes(path))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise SteelDefectsError(f"{named(path)} is not XML: {shown(str(error))}") from error


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file.

    Raises:
        SteelDefectsError: It can't be read, or is not text in UTF-8.
    """
    try:
        return read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SteelDefectsError(f"{named(path)} is not text in UTF-8") from error


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises:
        SteelDefectsError: It can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise SteelDefectsError(f"{named(path)} cannot be read: {error.strerror}") from error


def folder_of(path: Path, root: Path) -> str:
    """Return the folder of a file below the data folder, POSIX; empty for the data folder."""
    folder = path.parent.relative_to(root).as_posix()
    return "" if folder == "." else folder


def unpack_mask(text: str, where: str) -> Mask:
    """Read a picture file that is written as text, in base64, packed by zlib or not.

    Returns:
        uint8, 0 where the picture is 0 or transparent, else 1.

    Raises:
        SteelDefectsError: It is none; ``where`` names it.
    """
    try:
        data = base64.b64decode(text, validate=True)
        if data[:1] == b"\x78":  # a picture's file begins otherwise
            data = zlib.decompressobj().decompress(data, _LARGEST)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise SteelDefectsError(f"{where}: a mask can't be unpacked") from error
    mask, mode = open_png(data, where)
    if mode in ("RGBA", "LA") and (mask[..., -1] != 255).any():
        return (mask[..., -1] > 0).astype(np.uint8)
    return (np.atleast_3d(mask)[..., 0] > 0).astype(np.uint8)


def open_png(data: bytes, where: str, colours: bool = False) -> tuple[NDArray[np.integer], str]:
    """Read a PNG file; returns Pillow's mode, too.

    The indices of a palette are taken as they are, or with ``colours`` as red, green and blue.

    Raises:
        SteelDefectsError: It is none, or very large; ``where`` names it.
    """
    # Not OpenCV, which replaces the indices of a palette by its colours.
    try:
        with PngImageFile(io.BytesIO(data)) as picture:
            if prod(picture.size) > _MOST_PIXELS:
                raise SteelDefectsError(f"{where}: a mask of {picture.width}×{picture.height}")
            values = picture.convert("RGB") if colours else picture
            return np.asarray(values), picture.mode
    except SteelDefectsError:
        raise
    except Exception as error:
        # Pillow fails in a dozen ways at bytes that are not what it expects.
        raise SteelDefectsError(f"{where}: a mask cannot be decoded as a PNG picture") from error
