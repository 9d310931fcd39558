"""Masks that can't be trusted: each is a finding with its reason, and the others stay."""

import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from steel_defects.labels.mask_folder import MaskFolder, MaskRules, read_annotations

SIZE = HEIGHT, WIDTH = (6, 9)
MASK = np.zeros(SIZE, np.uint8)
MASK[1:3, 2:5] = 1
MASK[4, 6:] = 2


def pillow(mask: np.ndarray, form: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(mask).save(file, form, **options)
    return file.getvalue()


def opencv(mask: np.ndarray) -> bytes:
    return cv2.imencode(".png", mask)[1].tobytes()


def header_of(width: int, height: int) -> bytes:
    data = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n\0\0\0\r"
        + data
        + struct.pack(">I", zlib.crc32(data))
        + pillow(MASK)[33:]
    )


@pytest.fixture
def folder(tmp_path: Path) -> MaskFolder:
    (tmp_path / "annotations").mkdir()
    return MaskFolder(tmp_path / "annotations")


def read(folder: MaskFolder, **values):
    sizes = {"a.jpg": SIZE, "sound.jpg": SIZE}
    masks = read_annotations(folder, sizes, MaskRules(classes=2, **values))
    return masks.table, masks.findings


UNTRUSTED = {
    "wider": (pillow(np.zeros((6, 10), np.uint8)), "mask of 10×6 for a picture of 9×6"),
    "turned": (pillow(MASK.T.copy()), "mask of 6×9 for a picture of 9×6"),
    "bomb": (header_of(30_000, 30_000), "mask of 30000×30000 for a picture of 9×6"),
    "value above the classes": (pillow(MASK * 2), "mask has value 4; known are 0 and 1, 2"),
    "0 and 255": (pillow((MASK > 0) * np.uint8(255)), "mask has value 255; known are 0 and 1, 2"),
    "16 bits, out of range": (pillow(np.full(SIZE, 700, np.uint16)), "mask has value 700; known"),
    "16 bits, spread": (pillow(MASK.astype(np.uint16) * 257), "mask has value 257; known"),
    "16 bits, three channels": (
        opencv(np.dstack([MASK.astype(np.uint16)] * 3)),
        "mask in colour of 16 bits; one value per pixel is expected",
    ),
    "colour": (
        pillow(np.dstack([MASK, MASK * 0, MASK * 0])),
        "mask in colour; one value per class is expected",
    ),
    "transparency and colour": (
        pillow(np.dstack([MASK] * 4)),
        "mask with transparency; one value per pixel is expected",
    ),
    "transparency": (
        pillow(np.dstack([MASK, MASK])),
        "mask with transparency; one value per pixel is expected",
    ),
    "jpeg": (pillow(MASK, "JPEG"), "mask is a JPEG, which blurs classes into others"),
    "jpeg in a TIFF": (
        pillow(MASK, "TIFF", compression="jpeg"),
        "mask is a JPEG inside a TIFF, which blurs classes into others",
    ),
    "0 bytes": (b"", "mask cannot be decoded as a PNG, TIFF or BMP picture"),
    "text": (b"0 0 1 1\n", "mask cannot be decoded as a PNG, TIFF or BMP picture"),
    "truncated": (pillow(MASK)[:-30], "mask cannot be decoded as a PNG, TIFF or BMP picture"),
}


@pytest.mark.parametrize(("data", "reason"), UNTRUSTED.values(), ids=UNTRUSTED)
def test_a_mask_that_cannot_be_trusted_is_found(folder, data, reason):
    (folder.root / "a.png").write_bytes(data)
    (folder.root / "sound.png").write_bytes(pillow(MASK))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table, (finding,) = read(folder)
    assert finding.reason.startswith(reason)
    assert (finding.where, finding.sheet_id) == ("mask of a.jpg", "a.jpg")
    assert finding.set_aside
    assert table["sheet_id"].tolist() == ["sound.jpg"] * 2


SOUND = {
    "8 bits": pillow(MASK),
    "16 bits": pillow(MASK.astype(np.uint16)),
    "equal channels": pillow(np.dstack([MASK] * 3)),
}


@pytest.mark.parametrize("data", SOUND.values(), ids=SOUND)
def test_one_whole_number_a_pixel_is_read_however_it_is_stored(folder, data):
    (folder.root / "a.png").write_bytes(data)
    masks = read_annotations(folder, {"a.jpg": SIZE}, MaskRules(classes=2))
    assert masks.findings == []
    assert masks.table[["class_id", "area_px"]].to_numpy().tolist() == [[1, 6], [2, 3]]


def test_values_are_known_as_they_are_named(folder):
    (folder.root / "a.png").write_bytes(pillow((MASK > 0) * np.uint8(255)))
    (folder.root / "sound.png").write_bytes(pillow((MASK > 0) * np.uint8(254)))
    table, (finding,) = read(folder, values={255: 1})
    assert finding.reason.startswith("mask has value 254; known are 0 and 255")
    assert table["area_px"].tolist() == [9]


def test_a_link_out_of_the_folder_is_found(folder, tmp_path):
    (tmp_path / "secret.png").write_bytes(pillow(MASK))
    (folder.root / "a.png").symlink_to("../secret.png")
    (folder.root / "sound.png").write_bytes(pillow(MASK))
    table, (finding,) = read(folder)
    assert finding.reason == "symbolic link that leads out of the folder"
    assert set(table["sheet_id"]) == {"sound.jpg"}


def test_links_inside_the_folder_and_to_the_folder_are_followed(folder, tmp_path):
    (folder.root / "a.png").write_bytes(pillow(MASK))
    (folder.root / "sound.png").symlink_to("a.png")
    (tmp_path / "link").symlink_to("annotations")
    table, findings = read(MaskFolder(tmp_path / "link"))
    assert findings == []
    assert table["sheet_id"].tolist() == ["a.jpg"] * 2 + ["sound.jpg"] * 2


def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder.root / "a.png")
    _, (finding, *_) = read(folder)
    assert finding.reason.startswith("picture without a mask file")


def test_names_that_no_table_can_hold_are_shown_as_escapes(folder):
    with open(os.fsencode(folder.root) + b"/caf\xe9.png", "wb") as file:
        file.write(pillow(MASK))
    findings = read_annotations(folder, {}, MaskRules(classes=2)).findings
    assert [finding.sheet_id for finding in findings] == [r"caf\xe9.png"]
    assert all(finding.where.isprintable() for finding in findings)
