"""Whatever bytes a picture file holds, it is read or refused, and nothing else."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from steel_defects.images.reading import MAX_PIXELS, UnreadableSheet, decode_gray, picture_note

pytestmark = pytest.mark.slow

repeatable = settings(derandomize=True, max_examples=150, deadline=None)

GRAY = np.add.outer(np.arange(24), 5 * np.arange(32)).astype(np.uint8)
COLOUR = np.dstack([GRAY, GRAY.max() - GRAY, GRAY // 2, GRAY])


def pillow(picture: np.ndarray | Image.Image, form: str, **options) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


SOUND = {
    "jpeg": pillow(GRAY, "JPEG"),
    "jpeg, colour": pillow(COLOUR[..., :3], "JPEG", progressive=True),
    "jpeg, CMYK": pillow(Image.fromarray(COLOUR, "CMYK"), "JPEG"),
    "png": pillow(GRAY, "PNG"),
    "png, 16 bits": pillow(GRAY.astype(np.uint16), "PNG"),
    "png, transparent": pillow(COLOUR, "PNG"),
    "png, palette": pillow(Image.fromarray(GRAY).convert("P"), "PNG", transparency=3),
    "bmp": pillow(GRAY, "BMP"),
    "tiff": pillow(GRAY, "TIFF"),
    "tiff, pages": pillow(COLOUR, "TIFF", save_all=True, append_images=[Image.fromarray(GRAY)]),
    "tiff, compressed": cv2.imencode(".tif", GRAY.astype(np.uint16) * 257)[1].tobytes(),
    "tiff, 64-bit offsets": pillow(GRAY, "TIFF", big_tiff=True),
    "gif": pillow(GRAY, "GIF"),
}


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Cut or overwrite a file at a few places, its head more often than the rest."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, 60) | st.integers(0, len(changed)))
        new = draw(st.binary(max_size=6))
        length = draw(st.just(len(new)) | st.integers(0, 20))
        changed[start : start + length] = new
    return bytes(changed)


def holds(data: bytes) -> None:
    note = picture_note(data)
    assert "\n" not in note
    try:
        image = decode_gray(data)
    except UnreadableSheet as error:
        assert str(error)
        return
    assert image.ndim == 2
    assert image.dtype == np.uint8
    assert 0 < image.size <= MAX_PIXELS


@pytest.mark.parametrize("name", SOUND)
def test_a_damaged_picture_is_read_or_refused(name):
    assert decode_gray(SOUND[name]).shape == GRAY.shape

    @repeatable
    @given(damaged(SOUND[name]))
    def fuzz(data: bytes) -> None:
        holds(data)

    fuzz()


@repeatable
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data):
    holds(data)


@repeatable
@given(
    st.sampled_from([data[:length] for data in SOUND.values() for length in (2, 4, 8, 40)]),
    st.binary(max_size=300),
)
def test_any_bytes_after_a_known_beginning_are_read_or_refused(start, data):
    holds(start + data)
