"""One folder with everything that can be wrong with it, and one run that gets through."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.support.projects import Project

HEIGHT, WIDTH = 128, 512


def noise(seed: int, channels: int = 1) -> np.ndarray:
    """A picture that is like no other."""
    shape = (HEIGHT, WIDTH, channels) if channels > 1 else (HEIGHT, WIDTH)
    return np.random.default_rng(seed).integers(60, 200, shape).astype(np.uint8)


def encoded(picture: np.ndarray | Image.Image, form: str, **options) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def bomb() -> bytes:
    """30,000×30,000 pixels of zeros, 1 bit each."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * (1 + 30_000 // 8) * 30_000, 9)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def half_written(data: bytes) -> bytes:
    """A file with its head and its tail, and zero bytes between them."""
    return data[:4096] + bytes(len(data) - 6144) + data[-2048:]


def many_scans() -> bytes:
    data = encoded(noise(13), "JPEG", progressive=True)
    return data[:-2] + 40 * data[data.rindex(b"\xff\xda") : -2] + data[-2:]


SET_ASIDE = {
    "truncated.jpg": (encoded(noise(1), "JPEG")[:9000], "truncated file"),
    "truncated.png": (encoded(noise(2), "PNG")[:9000], "truncated file"),
    "truncated.tif": (encoded(noise(3), "TIFF")[:9000], "damaged or truncated file"),
    "half_written.jpg": (
        half_written(encoded(noise(14), "JPEG")),
        "damaged or truncated file",
    ),
    "half_written.bmp": (
        half_written(encoded(noise(15), "BMP")),
        "half of the file is missing: it holds zero bytes instead",
    ),
    "many_scans.jpg": (many_scans(), "a JPEG of more than 32 scans, which are not read"),
    "empty.jpg": (b"", "empty file"),
    "text.jpg": (b"no picture at all", "not a picture"),
    "other_size.png": (encoded(noise(4)[:, :200], "PNG"), "size 200×128, expected 512×128"),
    "deep.tif": (
        encoded(noise(8).astype(np.uint16), "TIFF"),
        "16 bits a channel, of which 10 are used: give --params bit_depth=10 if they all are so",
    ),
    "bomb.png": (bomb(), "30000×30000 pixels, more than 134,217,728 are not read"),
}
NOTED = {
    "colour.png": (encoded(noise(5, 3), "PNG"), "colour, read as luminance"),
    "cmyk.jpg": (
        encoded(Image.fromarray(noise(6, 4), "CMYK"), "JPEG"),
        "CMYK, read as luminance",
    ),
    "deep.png": (encoded(noise(7).astype(np.uint16) * 257, "PNG"), "16 bits a pixel, reduced to 8"),
    "black.png": (
        encoded(noise(11) % 12, "PNG"),
        "black frame: 100% of its pixels are darker than 12",
    ),
    "overexposed.png": (
        encoded(250 + noise(12) % 6, "PNG"),
        "overexposed frame: 100% of its pixels are 250 or brighter",
    ),
    "progressive.jpg": (encoded(noise(9), "JPEG", progressive=True), ""),
    "plain.png": (encoded(noise(10), "PNG"), ""),
}

# Class, mask and reason of rows of the sheet victim.png, 128×512 pixels.
MASKS = [
    ("1", "1 2 3", "mask has an odd count of values (3)"),
    ("1", "0 2", "mask has a start below 1"),
    ("1", "-5 2", "mask has a value that is not a positive whole number"),
    ("1", "4 1 1 1", "mask has runs out of order"),
    ("1", "1 3 3 1", "mask has runs that overlap"),
    ("1", "65530 100", "mask runs past the end of the sheet (65536 pixels)"),
    ("1", "one two", "mask has a value that is not a positive whole number"),
    ("0", "1 2", "class '0' is not one of 1 to 4"),
    ("9", "1 2", "class '9' is not one of 1 to 4"),
]
OUTSIDE = "row names a file outside the picture folder"
NAMES = [
    ("absent.jpg", "1 row names no picture that is there", False),
    ("truncated.jpg", "row for a picture that can't be used", False),
    ("../train.csv", OUTSIDE, True),
    ("/etc/passwd", OUTSIDE, True),
    ("..\\sheet_00001.jpg", OUTSIDE, True),
]
# Nothing can be seen on these, so that they are not clean.
WITHOUT_STEEL = ("black.png", "overexposed.png")


def write_pictures(folder: Path) -> None:
    for name, (data, _) in (SET_ASIDE | NOTED).items():
        (folder / name).write_bytes(data)
    (folder / "victim.png").write_bytes(encoded(noise(20), "PNG"))
    (folder.parent / "secret.png").write_bytes(encoded(noise(21), "PNG"))
    (folder / "link_out.png").symlink_to("../secret.png")
    (folder / "round_and_round").symlink_to(folder)
    os.mkfifo(folder / "pipe.png")
    with open(os.fsencode(folder) + b"/caf\xe9.png", "wb") as file:
        file.write(encoded(noise(22), "PNG"))


def write_rows(file: Path) -> None:
    """Add the rows, and store the file as a spreadsheet would: a BOM, semicolons and CRLF."""
    rows = [("victim.png", "4", "9 9")]
    rows += [("victim.png", class_id, mask) for class_id, mask, _ in MASKS]
    rows += [(name, "1", "1 2") for name, *_ in NAMES]
    table = pd.read_csv(file, dtype=str)
    table = pd.concat([table, pd.DataFrame(rows, columns=table.columns)])
    text = table.to_csv(index=False, sep=";", lineterminator="\r\n")
    file.write_bytes(text.encode("utf-8-sig"))


@pytest.fixture(scope="module")
def project(make_project: Callable[[str], Project]) -> Project:
    project = make_project("test")
    project.must_run("--pipelines=sample_data")
    raw = project.data / "01_raw"
    write_pictures(raw / "train_images")
    write_rows(raw / "train.csv")
    done = project.run("--pipelines=data_engineering")
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "Traceback" not in done.stdout + done.stderr
    return project


def test_every_fault_is_listed_with_its_reason(project: Project) -> None:
    listed = [
        (entry["sheet_id"], entry["reason"], entry["set_aside"])
        for entry in project.catalog.load("data_quality")["quarantined"]
    ]
    expected = [(name, reason, True) for name, (_, reason) in SET_ASIDE.items()]
    expected += [(name, reason, False) for name, (_, reason) in NOTED.items() if reason]
    expected += [("victim.png", reason, True) for _, _, reason in MASKS]
    expected += NAMES
    no_steel = "black or white all over, and without a label: not a clean sheet"
    expected += [(name, no_steel, True) for name in WITHOUT_STEEL]
    expected += [
        ("link_out.png", "symbolic link that leads out of the folder", True),
        ("pipe.png", "not a regular file", True),
        (r"caf\xe9.png", "name of the file is not plain text in UTF-8", True),
        ("victim.png", "set aside: one of its masks can't be trusted", True),
    ]
    assert sorted(listed) == sorted(expected)


def test_only_sound_sheets_go_on(project: Project) -> None:
    catalog = project.catalog
    drawn = {f"sheet_{n:05}.jpg" for n in range(24)}
    assert set(catalog.load("sheets")["sheet_id"]) == drawn | set(NOTED) - set(WITHOUT_STEEL)
    assert set(catalog.load("annotations")["sheet_id"]) <= drawn
    assert len(catalog.load("annotations")) > 0
