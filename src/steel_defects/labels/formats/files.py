"""Reading files of labels: what they hold is checked, and an error names the file."""

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.labels.shapes import Mask, PictureLabels

_LARGEST = 1 << 28  # bytes of a mask that is unpacked


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
        content = json.loads(_read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise SteelDefectsError(f"{path} is not JSON: {shown(str(error))}") from error
    return checked(kind, content, str(path))


def checked(kind: type[Content], content: Any, where: str) -> Content:
    """Make a part of a file from what JSON holds.

    Raises:
        SteelDefectsError: It is something else; ``where`` names it.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise SteelDefectsError(f"{where}: {shown(place)}: {shown(fault['msg'])}") from error


def read_xml(path: Path) -> ElementTree.Element:
    """Read an XML file.

    Raises:
        SteelDefectsError: It can't be read, or is not XML.
    """
    try:
        return ElementTree.fromstring(_read_bytes(path))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise SteelDefectsError(f"{path} is not XML: {shown(str(error))}") from error


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file.

    Raises:
        SteelDefectsError: It can't be read, or is not text in UTF-8.
    """
    try:
        return _read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SteelDefectsError(f"{path} is not text in UTF-8") from error


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SteelDefectsError(f"{path} cannot be read: {error.strerror}") from error


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
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if picture is None:
        raise SteelDefectsError(f"{where}: a mask is not a picture")
    channels = np.atleast_3d(picture)
    return (channels[..., 3 if channels.shape[2] == 4 else 0] > 0).astype(np.uint8)
