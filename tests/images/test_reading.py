import cv2
import numpy as np
import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.images.reading import UnreadableSheet, decode_gray, read_file, resize


@pytest.fixture
def gray() -> np.ndarray:
    """A smooth picture, which JPEG keeps nearly as it is."""
    return np.add.outer(np.arange(48), 2 * np.arange(64)).astype(np.uint8)


def encoded(image: np.ndarray, ending: str) -> bytes:
    return cv2.imencode(ending, image)[1].tobytes()


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif"])
def test_lossless_gray_pictures_come_back_as_they_are(tmp_path, gray, ending):
    (tmp_path / "sheet").write_bytes(encoded(gray, ending))
    image = decode_gray((tmp_path / "sheet").read_bytes())
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, gray)


def test_gray_jpeg(gray):
    image = decode_gray(encoded(gray, ".jpg"))
    assert image.shape == (48, 64)
    assert np.abs(image.astype(int) - gray).max() <= 4


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_colour_is_read_as_luminance(ending):
    blue_green_red = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    image = decode_gray(encoded(blue_green_red, ending))
    assert image.shape == (16, 16)
    assert image.mean() == pytest.approx(0.114 * 200 + 0.587 * 100 + 0.299 * 50, abs=1.5)


def test_transparency_is_left_out(gray):
    picture = np.dstack([gray, gray, gray, np.zeros_like(gray)])
    np.testing.assert_array_equal(decode_gray(encoded(picture, ".png")), gray)


def test_sixteen_bits_are_reduced_to_eight(gray):
    image = decode_gray(encoded(gray.astype(np.uint16) * 257, ".png"))
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - gray).max() <= 1


def test_a_quarter_turn_is_made_as_viewers_make_it(gray):
    jpeg = encoded(gray, ".jpg")
    tiff = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + b"\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    turned = jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]
    as_viewers_show_it = cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert as_viewers_show_it.shape == (64, 48)
    np.testing.assert_array_equal(decode_gray(turned), np.rot90(decode_gray(jpeg), -1))


@pytest.mark.parametrize("ending", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_pictures_are_refused(ending, share):
    noise = np.random.default_rng(0).integers(0, 256, (128, 256), dtype=np.uint8)
    data = encoded(noise, ending)
    with pytest.raises(UnreadableSheet, match="truncated"):
        decode_gray(data[: int(share * len(data))])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"ImageId,ClassId\n", "not a picture"),
        (b"\xff\xd8\xff\xe0 nothing more", "truncated"),
        (b"\xff\xd8 nothing between \xff\xd9", "not a picture"),
        (b"\x89PNG\r\n\x1a\n nothing between IEND", "not a picture"),
    ],
)
def test_files_that_are_no_pictures_are_refused(data, reason):
    with pytest.raises(UnreadableSheet, match=reason):
        decode_gray(data)


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(UnreadableSheet, match="cannot be read: No such file"):
        read_file(tmp_path / "missing.jpg")
    with pytest.raises(UnreadableSheet, match="cannot be read"):
        read_file(tmp_path)
    assert issubclass(UnreadableSheet, SteelDefectsError)


def test_shrinking_averages():
    image = np.array([[0, 100, 10, 30], [100, 200, 20, 40]], np.uint8)
    assert resize(image, (1, 2)).tolist() == [[100, 25]]


def test_growing_keeps_flat_pictures_flat_and_has_the_size_asked_for():
    image = np.full((10, 20), 77, np.uint8)
    larger = resize(image, (15, 60))
    assert larger.shape == (15, 60)
    assert (larger == 77).all()


def test_the_same_size_is_the_same_picture(gray):
    np.testing.assert_array_equal(resize(gray, (48, 64)), gray)
