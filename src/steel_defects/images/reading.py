"""Pictures of sheets as gray arrays: read, resized, written as JPEG."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from steel_defects.errors import SteelDefectsError
from steel_defects.images.headers import STARTS, Header, read_header
from steel_defects.images.orientations import turned

PICTURE_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".jp2"})

_JPEG = b"\xff\xd8"
# Where a whole file of the format ends; decoders fill the rest of a truncated one with gray.
_END_MARKERS = {_JPEG: b"\xff\xd9", b"\x89PNG": b"IEND"}
_TAIL = 4096

# Each scan of a JPEG is decoded over the whole picture. Sound ones have up to 18, of four inks.
_MOST_SCANS = 32
_SCAN = re.compile(rb"\xff\xda\0")  # the marker, and the upper byte of the length that follows it
# How simplejpeg decodes to the pixels that these flags of OpenCV ask for.
_JPEG_OPTIONS: dict[int, dict[str, Any]] = {
    cv2.IMREAD_GRAYSCALE: {"colorspace": "GRAY"},
    cv2.IMREAD_REDUCED_COLOR_8: {
        "colorspace": "BGR", "min_height": 1, "min_width": 1, "min_factor": 8,
    },
}  # fmt: skip
# What its messages say of sound files that it does not read; OpenCV does.
_NO_DAMAGE = ("subsampling", "JFIF revision", "Adobe color transform")

# What OpenCV, libjpeg, TensorFlow, OpenVINO, ONNX Runtime and LiteRT say where memory ends.
_NO_MEMORY = re.compile(
    "bad.?alloc|(failed|unable) to alloc|memory alloc|(insufficient|out of) memory|OOM when", re.I
)

#: Pixels of the largest picture that is read; one of a few kilobytes may claim to have billions.
MAX_PIXELS = 2**27

_LONGEST_SIDE = 65_500  # pixels of a JPEG; libjpeg writes no more
# Gray values by which the channels of a gray picture may differ after lossy compression.
_COLOUR_NOISE = 6
# Values that are looked at for colour and transparency.
_LOOKED_AT = 2**24

# Where 16 bits a pixel hold values below this, little is left of them in 8.
_DARK_16_BITS = 2**12

# OpenCV prints several lines about every damaged file; ours, with the file's name, are enough.
if "OPENCV_LOG_LEVEL" not in os.environ:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class UnreadableSheet(SteelDefectsError):
    """A picture that is missing, empty, damaged, too large, or no picture at all."""


@contextmanager
def limited_by_memory() -> Iterator[None]:
    """Turn running out of memory over a sheet into an error that other sheets survive.

    Raises:
        UnreadableSheet: A library could not allocate what it needs; each says so in its own way.
    """
    try:
        yield
    except Exception as error:
        causes = (error, error.__cause__)
        if any(isinstance(one, MemoryError) or _NO_MEMORY.search(str(one)) for one in causes):
            raise UnreadableSheet("too large for the memory of this machine") from error
        raise


def read_file(path: Path) -> bytes:
    """Read the bytes of a picture file.

    Raises:
        UnreadableSheet: The file is missing or may not be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableSheet(f"cannot be read: {error.strerror}") from error


def decode_gray(data: bytes, bit_depth: int | None = None) -> NDArray[np.uint8]:
    """Decode the bytes of a picture file.

    It is turned by a quarter where it asks for that (EXIF 5 to 8), which its size then shows. What
    EXIF says of half turns and mirrors is left out: callers look at :func:`sound_header`.

    Colour and printing inks become luminance, 16 bits a pixel the upper 8 of them; transparency is
    left out, and so are all pictures of a file but the first. :func:`picture_note` says so.

    Args:
        data: The file.
        bit_depth: How many bits a camera uses where it stores 16, one of :data:`BIT_DEPTHS`; with
            anything else all of them count.

    Returns:
        Gray picture of shape ``(height, width)``, uint8.

    Raises:
        UnreadableSheet: It is empty, truncated, damaged, not a picture, or one of more than
            :data:`MAX_PIXELS` pixels, 16 bits a pixel or 32 scans, or has values that need more
            bits than ``bit_depth``.
    """
    if not data:
        raise UnreadableSheet("empty file")
    for start, end in _END_MARKERS.items():
        # Cameras and file systems may pad a file with zeros.
        whole = not data.startswith(start) or end in data[-_TAIL:]
        if not whole and end not in data.rstrip(b"\0")[-_TAIL:]:
            raise UnreadableSheet("truncated file")
    header = sound_header(data)
    if header.bits == _DEEP and bit_depth in BIT_DEPTHS and bit_depth < _DEEP:
        image = _upper_bits(_deep_pixels(data), bit_depth)
    else:
        image = np.asarray(_decode(data, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
    unchecked = len(data) >= image.size and not data.startswith(tuple(_END_MARKERS))
    if unchecked and _half_empty(data) and image.min() < image.max():
        raise UnreadableSheet("half of the file is missing: it holds zero bytes instead")
    turn = _QUARTER_TURNS.get(header.exif)
    # OpenCV turns a TIFF by itself.
    if turn is None or image.shape != (header.height, header.width):
        return image
    return np.ascontiguousarray(turned(image, turn))


_DEEP = 16


def _deep_pixels(data: bytes) -> NDArray[np.uint16]:
    return np.asarray(_decode(data, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH), np.uint16)


def _upper_bits(image: NDArray[np.uint16], bit_depth: int) -> NDArray[np.uint8]:
    largest = int(image.max())
    if largest >> bit_depth:
        raise UnreadableSheet(f"a value of {largest:,}, which takes more than {bit_depth} bits")
    return np.asarray(image >> (bit_depth - 8), np.uint8)


def used_bits(data: bytes) -> int:
    """Return how many bits a channel of a sound picture file holds: 8, or 10, 12, 14 or 16.

    Of 16 bits those that its largest value takes: a camera of 12 bits leaves the upper 4 empty.
    """
    if sound_header(data).bits < _DEEP:
        return 8
    largest = int(_deep_pixels(data).max())
    return next(bits for bits in BIT_DEPTHS if not largest >> bits)


#: Bits of a channel that cameras use where they store 16.
BIT_DEPTHS = (10, 12, 14, 16)
#: Orientation, as :func:`steel_defects.images.orientations.oriented` numbers it, by EXIF's number.
_QUARTER_TURNS = {5: 4, 6: 5, 7: 7, 8: 6}


def _half_empty(data: bytes) -> bool:
    """Say whether half of a file or more is a single run of zero bytes.

    A file that was set aside on the disk, but never written to its end, looks like this. Formats
    that are not compressed have nothing else to tell it by.
    """
    middle = len(data) // 2
    before, after = data[:middle], data[middle:]
    return len(before.rstrip(b"\0")) + len(after.lstrip(b"\0")) <= len(data) - middle


def sound_header(data: bytes) -> Header:
    """Read the head of a picture file.

    Raises:
        UnreadableSheet: It is no picture, or one that would cost more memory than a sheet can.
    """
    try:
        header = read_header(data)
    except Image.DecompressionBombError:
        raise UnreadableSheet(f"more than {MAX_PIXELS:,} pixels, which are not read") from None
    if header is None:
        damaged = ", or a damaged one" if data.startswith(STARTS) else ""
        raise UnreadableSheet("not a picture" + damaged)
    if header.width * header.height > MAX_PIXELS:
        size = f"{header.width}×{header.height}"
        raise UnreadableSheet(f"{size} pixels, more than {MAX_PIXELS:,} are not read")
    if header.bits > 16:
        raise UnreadableSheet(f"{header.bits} bits a pixel, more than 16 are not read")
    if header.numbers:
        raise UnreadableSheet(f"{header.numbers} pixels; save them as whole numbers from 0 on")
    if header.scans and any(islice(_SCAN.finditer(data), _MOST_SCANS, None)):
        raise UnreadableSheet(f"a JPEG of more than {_MOST_SCANS} scans, which are not read")
    return header


def _decode(data: bytes, flags: int) -> NDArray[Any]:
    if data.startswith(_JPEG):
        try:
            pixels = simplejpeg.decode_jpeg(data, **_JPEG_OPTIONS[flags])
            # In OpenCV's own memory, which spares what is done next thousands of page faults.
            return np.asarray(cv2.repeat(pixels, 1, 1))
        except ValueError as error:
            # OpenCV fills what is damaged with gray, and does not say so.
            if not any(text in str(error) for text in _NO_DAMAGE):
                raise UnreadableSheet("damaged or truncated file") from error
    try:
        picture = np.frombuffer(data, np.uint8)
        image = cv2.imdecode(picture, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise UnreadableSheet("cannot be decoded as a picture") from error
    if image is None:
        raise UnreadableSheet("damaged or truncated file")
    return np.asarray(image)


def picture_note(data: bytes) -> str:
    """Say what :func:`decode_gray` changes in a picture, for the people who made it.

    Returns:
        One line, such as ``colour, read as luminance``. Empty for a plain gray picture, for one
        whose channels are alike, and for one that is not read.
    """
    try:
        header = sound_header(data)
        notes = [
            _colour_note(data, header),
            _depth_note(data) if header.bits == _DEEP else "",
            _transparency_note(data, header) if header.alpha else "",
            "only the first of several pictures in the file is read" if header.several else "",
        ]
    except UnreadableSheet:
        return ""
    return "; ".join(filter(None, notes))


def _colour_note(data: bytes, header: Header) -> str:
    if header.cmyk:
        return "CMYK, read as luminance"
    if not header.colour:
        return ""
    # A JPEG at an eighth of its size is read in a quarter of the time; the others in no less.
    jpeg = data.startswith(_JPEG)
    image = _decode(data, cv2.IMREAD_REDUCED_COLOR_8 if jpeg else cv2.IMREAD_COLOR)
    # Of a very large picture some rows will do, and cost no second copy of it.
    blue, green, red = cv2.split(image[:: 1 + image.size // _LOOKED_AT])
    difference = max(cv2.absdiff(blue, green).max(), cv2.absdiff(green, red).max())
    return "colour, read as luminance" if difference > _COLOUR_NOISE else ""


def _depth_note(data: bytes) -> str:
    largest = int(_deep_pixels(data).max())
    if 0 < largest < _DARK_16_BITS:
        return f"16 bits a pixel, reduced to 8, nearly black: its largest value is {largest}"
    return "16 bits a pixel, reduced to 8"


def _transparency_note(data: bytes, header: Header) -> str:
    note = "transparency, left out"
    # Decoding all channels of a very large picture would take gigabytes.
    if header.width * header.height > _LOOKED_AT:
        return note
    image = _decode(data, cv2.IMREAD_UNCHANGED)
    whole = np.iinfo(image.dtype).max
    opaque = image.ndim == 3 and image.shape[2] == 4 and image[..., 3].min() == whole
    return "" if opaque else note


def resize(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize a picture to ``size`` (height, width), averaging where it shrinks."""
    if image.shape == tuple(size):
        return image
    target = (size[1], size[0])
    if image.shape[0] >= size[0] and image.shape[1] >= size[1]:
        return np.asarray(cv2.resize(image, target, interpolation=cv2.INTER_AREA), np.uint8)
    # In float32, as exported graphs do it: on bytes OpenCV interpolates in 11 bits.
    grown = cv2.resize(image.astype(np.float32), target, interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.floor(grown + 0.5), np.uint8)


def to_jpeg(picture: NDArray[np.uint8], quality: int = 85) -> bytes:
    """Encode a picture; one that is too large for the format is made smaller first.

    Args:
        picture: Gray, of shape ``(height, width)``, or BGR, ``(height, width, 3)``, uint8.
        quality: 1 to 100.
    """
    scale = _LONGEST_SIDE / max(picture.shape[:2])
    if scale < 1:
        height, width = (max(1, int(side * scale)) for side in picture.shape[:2])
        picture = resize(picture, (height, width))
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])
