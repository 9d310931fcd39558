"""Small files that claim to be, or unpack to, more than any memory holds."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from steel_defects.images.headers import read_header
from steel_defects.images.reading import MAX_PIXELS, UnreadableSheet, decode_gray, picture_note

GRAY = np.add.outer(np.arange(48), 2 * np.arange(64)).astype(np.uint8)


def pillow(image: np.ndarray, form: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, form)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def png(width: int, height: int, pixels: bytes) -> bytes:
    """A PNG of 1 bit a pixel, which says it is as large as it is told to say."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def png_bomb() -> bytes:
    row = b"\0" * (1 + 30_000 // 8)
    return png(30_000, 30_000, zlib.compress(row * 30_000, 9))


def jpeg_bomb() -> bytes:
    data = pillow(GRAY, "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", 30_000, 30_000) + data[at + 4 :]


def bmp_bomb() -> bytes:
    data = pillow(GRAY, "BMP")
    return data[:18] + struct.pack("<ii", 30_000, 30_000) + data[26:]


def tiff_bomb(order: str = "<", big: bool = False, bits: int = 8) -> bytes:
    """The tags of a TIFF; at 64 bits a pixel, of one that OpenCV knows and Pillow does not."""
    tags = [(256, 30_000), (257, 30_000), (258, bits), (262, 1), (277, 1)]
    mark = b"II" if order == "<" else b"MM"
    if big:
        head = mark + struct.pack(order + "HHHQQ", 43, 8, 0, 16, len(tags))
        return (
            head + b"".join(struct.pack(order + "HHQQ", t, 16, 1, v) for t, v in tags) + b"\0" * 8
        )
    head = mark + struct.pack(order + "HIH", 42, 8, len(tags))
    return head + b"".join(struct.pack(order + "HHII", t, 4, 1, v) for t, v in tags) + b"\0" * 4


BOMBS = {
    "png": png_bomb(),
    "jpeg": jpeg_bomb(),
    "bmp": bmp_bomb(),
    "tiff": tiff_bomb(),
    "tiff, big-endian": tiff_bomb(">"),
    "tiff, 64-bit offsets": tiff_bomb(big=True),
    "tiff, layout unknown to Pillow": tiff_bomb(bits=64),
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_by_its_size(data):
    assert len(data) < 200_000
    with pytest.raises(UnreadableSheet, match="30000×30000 pixels, more than 134,217,728 are not"):
        decode_gray(data)
    assert picture_note(data) == ""


def test_a_bomb_of_another_format_is_refused():
    # Too large even for Pillow, which does not say how large.
    gif = b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + pillow(GRAY, "GIF")[10:]
    with pytest.raises(UnreadableSheet, match="more than 134,217,728 pixels"):
        decode_gray(gif)


def test_a_jpeg_of_many_scans_is_refused():
    """Each of them is decoded over the whole picture, however few bytes it has."""
    file = io.BytesIO()
    Image.fromarray(np.dstack([GRAY] * 4), "CMYK").save(file, "JPEG", progressive=True)
    data = file.getvalue()
    assert decode_gray(data).shape == GRAY.shape  # has as many as sound ones have at most
    scan = data[data.rindex(b"\xff\xda") : -2]
    many = data[:-2] + 200 * scan + data[-2:]
    with pytest.raises(UnreadableSheet, match="a JPEG of more than 32 scans"):
        decode_gray(many)
    assert picture_note(many) == ""


def test_a_bomb_costs_no_memory(tmp_path):
    """Decoded it would take 900 MB."""
    (tmp_path / "bomb.png").write_bytes(BOMBS["png"])
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from steel_defects.images.reading import UnreadableSheet, decode_gray, picture_note\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "data = Path(sys.argv[1]).read_bytes(); picture_note(data)\n"
        "try: decode_gray(data)\n"
        "except UnreadableSheet as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "bomb.png")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    reason, kilobytes = done.stdout.splitlines()
    assert "30000×30000" in reason
    assert int(kilobytes) < 50_000


def test_a_png_part_longer_than_the_file_is_refused():
    """OpenCV would set aside the 4 GB that it claims to have."""
    data = pillow(GRAY, "PNG")
    at = data.index(b"IDAT") - 4
    claims = data[:at] + b"\xff\xff\xff\x00" + data[at + 4 :]
    assert read_header(data) is not None
    assert read_header(claims) is None
    with pytest.raises(UnreadableSheet, match="a damaged one"):
        decode_gray(claims)


def test_the_largest_picture_that_is_read():
    width = 2**14
    row = b"\0" * (1 + width // 8)
    most = png(width, MAX_PIXELS // width, zlib.compress(row * (MAX_PIXELS // width), 1))
    assert decode_gray(most).size == MAX_PIXELS
    with pytest.raises(UnreadableSheet, match="16384×8193 pixels"):
        decode_gray(png(width, MAX_PIXELS // width + 1, b""))


def test_the_header_of_a_tiff_is_the_one_that_decoders_go_by():
    """Of two equal tags the first counts: a small one cannot hide a large one, nor be hidden."""
    tags = [(256, 30_000), (256, 8), (257, 30_000), (258, 8), (262, 1)]
    head = b"II" + struct.pack("<HIH", 42, 8, len(tags))
    data = head + b"".join(struct.pack("<HHII", t, 4, 1, v) for t, v in tags) + b"\0" * 4
    assert read_header(data).width == 30_000
    with pytest.raises(UnreadableSheet, match="30000×30000"):
        decode_gray(data)
