"""What a picture file says about itself, read without decoding a pixel."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from struct import calcsize, unpack_from

from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile


@dataclass(frozen=True)
class Header:
    """The head of a picture file; sizes are in pixels.

    Attributes:
        bits: Bits of a channel: 1 to 64.
        colour: Whether there are channels of colour, or a palette; all of it may be gray.
        cmyk: Whether the channels are those of printing inks.
        alpha: Whether there is a channel or a value for transparency.
        several: Whether the file holds more than one picture.
        scans: Whether the pixels may lie in several scans, as in a progressive JPEG.
        numbers: What its pixels are unless they are whole numbers from 0 on, such as ``signed``.
        exif: How the file asks to be turned, from 1, not at all, to 8, as EXIF numbers it.
    """

    width: int
    height: int
    bits: int
    colour: bool
    cmyk: bool
    alpha: bool
    several: bool
    scans: bool = False
    numbers: str = ""
    exif: int = 1


def read_header(data: bytes) -> Header | None:
    """Read the head of a whole picture file, in about 20 µs and next to no memory.

    Returns:
        What it says, or None where it is no picture.

    Raises:
        PIL.Image.DecompressionBombError: A format other than JPEG, PNG, BMP and TIFF, and more
            pixels than Pillow opens.
    """
    reader = next((reader for start, reader in _READERS.items() if data.startswith(start)), _other)
    try:
        return reader(data)
    except Image.DecompressionBombError:
        raise
    except Exception:
        # Pillow's readers fail in a dozen ways at bytes that are not what they expect.
        return None


def _jpeg(data: bytes) -> Header:
    file = io.BytesIO(data)
    picture = JpegImageFile(file)
    # Pillow stops behind the head of the first scan, which says how many channels are in it.
    channels = data[data.rindex(b"\xff\xda", 0, file.tell()) + 4]
    whole = channels == picture.layers and "progressive" not in picture.info
    return replace(_of_picture(picture, bits=8), scans=not whole)


def _png(data: bytes) -> Header:
    # Fails where a part claims to be longer than the file is. OpenCV would set aside that many
    # bytes, up to 4 GB, before it notices.
    at = 8
    while data[at + 4 : at + 8] != b"IEND":
        (length,) = unpack_from(">I", data, at)
        at += 12 + length
    return _of_picture(PngImageFile(io.BytesIO(data)), bits=data[24])


def _other(data: bytes) -> Header:
    picture = Image.open(io.BytesIO(data))
    return _of_picture(picture, bits={"I": 16, "F": 32}.get(picture.mode[0], 8))


def _of_picture(picture: Image.Image, bits: int) -> Header:
    mode = picture.mode
    return Header(
        *picture.size,
        bits=bits,
        colour=mode[0] not in "1LIF" or mode == "LAB",
        cmyk=mode == "CMYK",
        alpha=mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in picture.info,
        several=bool(getattr(picture, "is_animated", False)),
        exif=_exif(picture.getexif().get(_ORIENTATION)) if "exif" in picture.info else 1,
    )


def _exif(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _tiff(data: bytes) -> Header:
    tags, several = _tiff_tags(data)
    (kind,) = tags.get(_PHOTOMETRIC, (1,))
    return Header(
        width=tags[_WIDTH][0],
        height=tags[_HEIGHT][0],
        bits=max(tags.get(_BITS, (1,))),
        colour=kind not in _GRAY,
        cmyk=kind == _INKS,
        alpha=bool({1, 2} & set(tags.get(_EXTRA_CHANNELS, ()))),
        several=several,
        exif=_exif(tags.get(_ORIENTATION, (1,))[0]),
        numbers=next((_NUMBERS[n] for n in tags.get(_SAMPLE_FORMAT, ()) if n in _NUMBERS), ""),
    )


def _tiff_tags(data: bytes) -> tuple[dict[int, tuple[int, ...]], bool]:
    """Read the numbers of the first directory, and whether another one follows.

    Not by Pillow: OpenCV knows more layouts of pixels, and of two equal tags takes the first.
    """
    order = "<" if data.startswith(b"II") else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    offset, number, entry = ("Q", "Q", "HHQ") if big else ("I", "H", "HHI")
    (first,) = unpack_from(order + offset, data, 8 if big else 4)
    (entries,) = unpack_from(order + number, data, first)
    start, room = first + calcsize(number), calcsize(offset)
    size = calcsize(order + entry) + room
    tags: dict[int, tuple[int, ...]] = {}
    for at in range(start, start + entries * size, size):
        tag, kind, count = unpack_from(order + entry, data, at)
        if tag not in _TAGS or kind not in _LETTERS:
            continue
        values, place = f"{order}{count}{_LETTERS[kind]}", at + size - room
        if calcsize(values) > room:
            (place,) = unpack_from(order + offset, data, place)
        tags.setdefault(tag, unpack_from(values, data, place))
    return tags, unpack_from(order + offset, data, start + entries * size) != (0,)


_TAGS = 256, 257, 258, 262, 274, 338, 339
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _ORIENTATION, _EXTRA_CHANNELS, _SAMPLE_FORMAT = _TAGS
_GRAY, _INKS = (0, 1), 5
# Sample formats of TIFF 6.0 and of its later additions; 1 is unsigned, 4 is not said.
_NUMBERS = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
# Types of tag that hold whole numbers, as the module struct calls them.
_LETTERS = {1: "B", 3: "H", 4: "I", 16: "Q"}

# The formats' own readers, unlike Image.open, have no limits of their own.
_READERS: dict[bytes, Callable[[bytes], Header]] = {
    b"\xff\xd8": _jpeg,
    b"\x89PNG": _png,
    b"BM": lambda data: _of_picture(BmpImageFile(io.BytesIO(data)), bits=8),
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _tiff),
}

#: First bytes of JPEG, PNG, BMP and TIFF.
STARTS = tuple(_READERS)
