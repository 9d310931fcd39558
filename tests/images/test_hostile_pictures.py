"""Pictures that are damaged or not gray: refused with a reason, or read with a note."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from steel_defects.images.reading import UnreadableSheet, decode_gray, picture_note

HEIGHT, WIDTH = 48, 64
GRAY = np.add.outer(np.arange(HEIGHT), 2 * np.arange(WIDTH)).astype(np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (128, 256), dtype=np.uint8)
RED = np.full((HEIGHT, WIDTH, 3), (200, 60, 40), np.uint8)  # RGB
DEEP = GRAY.astype(np.uint16) * 257


def pillow(image: np.ndarray | Image.Image, form: str, **options) -> bytes:
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def opencv(image: np.ndarray, ending: str) -> bytes:
    return cv2.imencode(ending, image)[1].tobytes()


TRUNCATED = {
    "jpeg": pillow(NOISE, "JPEG"),
    "progressive jpeg": pillow(NOISE, "JPEG", progressive=True),
    "png": pillow(NOISE, "PNG"),
    "bmp": pillow(NOISE, "BMP"),
    "tiff, tags first": pillow(NOISE, "TIFF"),
    "tiff, tags last": opencv(NOISE, ".tif"),
}


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.95])
@pytest.mark.parametrize("data", TRUNCATED.values(), ids=TRUNCATED)
def test_truncated_files_are_refused(data, share, capfd):
    assert decode_gray(data).shape == NOISE.shape
    cut = data[: int(share * len(data))]
    with pytest.raises(UnreadableSheet, match="truncated|empty|damaged|not a picture"):
        decode_gray(cut)
    assert picture_note(cut) == ""
    assert capfd.readouterr() == ("", ""), "decoders write to the terminal by themselves"


def zeroed(data: bytes, start: int, end: int) -> bytes:
    return data[:start] + bytes(end - start) + data[end:]


TEXTURE = cv2.GaussianBlur(np.resize(NOISE, (256, 1600)), (0, 0), 1)
JPEGS = {
    "gray": pillow(TEXTURE, "JPEG"),
    "progressive": pillow(TEXTURE, "JPEG", progressive=True),
    "colour": pillow(np.dstack([TEXTURE, TEXTURE.T.reshape(256, 1600), TEXTURE]), "JPEG"),
    "printing inks": pillow(Image.fromarray(np.dstack([TEXTURE] * 4), "CMYK"), "JPEG"),
}


@pytest.mark.parametrize("data", JPEGS.values(), ids=JPEGS)
def test_a_jpeg_that_lost_its_middle_is_refused(data, capfd):
    plain = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(decode_gray(data), plain)
    middle = len(data) // 2
    for damaged in (
        zeroed(data, 8192, len(data) - 2048),
        zeroed(data, middle, middle + 4096),
        data[:middle] + data[middle + 3072 :],
    ):
        with pytest.raises(UnreadableSheet, match="damaged or truncated file"):
            decode_gray(damaged)
    assert capfd.readouterr() == ("", ""), "decoders write to the terminal by themselves"


def test_a_jpeg_of_an_unusual_sampling_is_read():
    """Of its chroma it has a third of the columns; simplejpeg does not read it."""
    gray = pillow(np.full((8, 96), 128, np.uint8), "JPEG")
    frame, tables, scan = (gray.index(mark) for mark in (b"\xff\xc0", b"\xff\xc4", b"\xff\xda"))
    thirds = b"\xff\xc0\0\x11\x08\0\x08\0\x60\x03\x01\x31\0\x02\x11\0\x03\x11\0"
    three = b"\xff\xda\0\x0c\x03\x01\0\x02\0\x03\0\0\x3f\0"
    blocks = b"\x28\xa2\x8a" * 5  # 20 of them, all of middle gray
    image = decode_gray(gray[:frame] + thirds + gray[tables:scan] + three + blocks + b"\xff\xd9")
    assert image.shape == (8, 96)
    assert (image == 128).all()


UNCOMPRESSED = {
    "bmp": pillow(TEXTURE, "BMP"),
    "bmp, colour": pillow(np.dstack([TEXTURE] * 3), "BMP"),
    "tiff": pillow(TEXTURE, "TIFF"),
    "tiff, 16 bits": pillow(TEXTURE.astype(np.uint16) * 257, "TIFF"),
    "pgm": pillow(TEXTURE, "PPM"),
}


@pytest.mark.parametrize("data", UNCOMPRESSED.values(), ids=UNCOMPRESSED)
def test_an_uncompressed_picture_of_which_half_was_not_written_is_refused(data):
    for start, end in ((len(data) // 2, len(data)), (8192, len(data) - 2048)):
        with pytest.raises(UnreadableSheet, match="half of the file is missing"):
            decode_gray(zeroed(data, start, end))


@pytest.mark.parametrize("form", ["BMP", "TIFF", "PPM"])
def test_a_dark_picture_is_not_damaged(form):
    borders = TEXTURE.copy()
    borders[:, 700:] = 0
    for image in (np.zeros_like(TEXTURE), TEXTURE // 24, borders):
        np.testing.assert_array_equal(decode_gray(pillow(image, form)), image)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"ImageId,ClassId,EncodedPixels\n", "^not a picture$"),
        (b"%PDF-1.7 and so on", "^not a picture$"),
        (b"II*\0\x08\0\0\0", "not a picture, or a damaged one"),
        (b"BM" + b"\0" * 60, "not a picture, or a damaged one"),
        (opencv(GRAY.astype(np.float32), ".tif"), "32 bits a pixel, more than 16"),
        (opencv(GRAY.astype(np.float64), ".tif"), "64 bits a pixel, more than 16"),
        (opencv(GRAY.astype(np.int8), ".tif"), "signed pixels; save them as whole numbers"),
        (opencv(GRAY.astype(np.int16), ".tif"), "signed pixels"),
        (pillow(GRAY, "TIFF", tiffinfo={339: 2}, big_tiff=True), "signed pixels"),
        (pillow(GRAY, "TIFF", tiffinfo={339: 3}), "floating-point pixels"),
    ],
)
def test_what_cannot_be_read_is_refused(data, reason):
    with pytest.raises(UnreadableSheet, match=reason):
        decode_gray(data)
    assert picture_note(data) == ""


CMYK = Image.fromarray(np.full((HEIGHT, WIDTH, 4), (200, 20, 0, 30), np.uint8), "CMYK")
# Each ink takes its share of a colour, and black a share of all three.
INKS = (255 - 200) * 225 / 255 * 0.299 + (255 - 20) * 225 / 255 * 0.587 + 225 * 0.114

READ = {
    "gray png": (pillow(GRAY, "PNG"), ""),
    "gray jpeg": (pillow(GRAY, "JPEG"), ""),
    "gray tiff": (pillow(GRAY, "TIFF"), ""),
    "gray bmp": (pillow(GRAY, "BMP"), ""),
    "progressive jpeg": (pillow(GRAY, "JPEG", progressive=True), ""),
    "gray in three channels, jpeg": (pillow(np.dstack([GRAY] * 3), "JPEG"), ""),
    "gray in three channels, png": (pillow(np.dstack([GRAY] * 3), "PNG"), ""),
    "gray palette": (pillow(Image.fromarray(GRAY).convert("P"), "PNG"), ""),
    "opaque": (pillow(Image.fromarray(GRAY).convert("RGBA"), "PNG"), ""),
    "16 bits png": (pillow(DEEP, "PNG"), "16 bits a pixel, reduced to 8"),
    "16 bits tiff": (pillow(DEEP, "TIFF"), "16 bits a pixel, reduced to 8"),
    "16 bits in three channels": (opencv(np.dstack([DEEP] * 3), ".png"), "16 bits a pixel, "),
    "transparent": (opencv(np.dstack([GRAY] * 3 + [GRAY]), ".png"), "transparency, left out"),
    "gray and transparent": (
        pillow(Image.merge("LA", [Image.fromarray(GRAY)] * 2), "PNG"),
        "transparency, left out",
    ),
    "transparent gray value": (pillow(GRAY, "PNG", transparency=5), "transparency, left out"),
    "several pages": (
        pillow(GRAY, "TIFF", save_all=True, append_images=[Image.fromarray(255 - GRAY)]),
        "only the first of several pictures in the file is read",
    ),
    "animated png": (
        pillow(GRAY, "PNG", save_all=True, append_images=[Image.fromarray(255 - GRAY)]),
        "only the first of several pictures in the file is read",
    ),
}


@pytest.mark.parametrize(("data", "note"), READ.values(), ids=READ)
def test_pictures_that_hold_the_gray_values_are_read_and_what_was_changed_is_noted(data, note):
    image = decode_gray(data)
    assert np.abs(image.astype(int) - GRAY).max() <= (6 if data[:2] == b"\xff\xd8" else 1)
    assert picture_note(data).startswith(note)
    assert bool(picture_note(data)) == bool(note)


COLOURED = {
    "png": pillow(RED, "PNG"),
    "jpeg": pillow(RED, "JPEG"),
    "progressive jpeg": pillow(RED, "JPEG", progressive=True),
    "tiff": pillow(RED, "TIFF"),
    "bmp": pillow(RED, "BMP"),
    "palette": pillow(Image.fromarray(RED).convert("P", palette=Image.Palette.ADAPTIVE), "PNG"),
}


@pytest.mark.parametrize("data", COLOURED.values(), ids=COLOURED)
def test_colour_is_read_as_luminance_and_noted(data):
    assert picture_note(data) == "colour, read as luminance"
    luminance = 0.299 * 200 + 0.587 * 60 + 0.114 * 40
    assert decode_gray(data).mean() == pytest.approx(luminance, abs=1.5)


@pytest.mark.parametrize(("tint", "noted"), [(3, False), (12, True)])
def test_a_trace_of_colour_is_compression(tint, noted):
    picture = np.full((HEIGHT, WIDTH, 3), (120 + tint, 120, 120), np.uint8)
    assert bool(picture_note(pillow(picture, "PNG"))) is noted


def test_a_coloured_mark_is_noted_in_a_jpeg_too():
    picture = np.full((256, 1600, 3), 120, np.uint8)
    picture[100:120, 700:720] = (220, 30, 30)
    assert picture_note(pillow(picture, "JPEG")) == "colour, read as luminance"


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_printing_inks_are_read_as_luminance_and_noted(form):
    data = pillow(CMYK, form)
    assert picture_note(data) == "CMYK, read as luminance"
    assert decode_gray(data).mean() == pytest.approx(INKS, abs=2)


def test_inks_that_a_jpeg_stores_as_luminance_and_colour_are_read_alike():
    data = pillow(CMYK, "JPEG", quality=95)
    at = data.index(b"Adobe") + 11
    assert data[at] == 0
    ycck = data[:at] + b"\x02" + data[at + 1 :]
    expected = np.asarray(Image.open(io.BytesIO(ycck)).convert("L"), int)
    assert picture_note(ycck) == "CMYK, read as luminance"
    assert np.abs(decode_gray(ycck) - expected).max() <= 3


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_few_of_16_bits_leave_a_nearly_black_picture_which_is_said(form):
    twelve = np.linspace(0, 4095, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint16)
    data = pillow(twelve, form)
    assert decode_gray(data).max() == 15
    assert picture_note(data) == (
        "16 bits a pixel, reduced to 8, nearly black: its largest value is 4095"
    )


def test_notes_stand_side_by_side():
    deep_red = opencv(RED[..., ::-1].astype(np.uint16) * 257, ".png")
    assert picture_note(deep_red) == "colour, read as luminance; 16 bits a pixel, reduced to 8"
