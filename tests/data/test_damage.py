"""Frames that a camera or a transfer has damaged, each from a sound sheet."""

import cv2
import numpy as np
import pytest

from steel_defects.data.appearance import frame_damage
from steel_defects.data.config import SampleDataConfig
from steel_defects.data.synthetic import draw_sheet

DRAWN = SampleDataConfig(seed=11, sheets=40, new_sheets=1)
Picture = np.ndarray


@pytest.fixture(scope="module")
def sheets() -> list[Picture]:
    return [draw_sheet(DRAWN, number).image for number in range(12)]


def blocks(image: Picture, value: int = 0) -> Picture:
    """Packets of 1,500 bytes that got lost: two of a hundred."""
    pixels = image.copy().reshape(-1)
    rng = np.random.default_rng(3)
    for begin in rng.choice(pixels.size // 1500, pixels.size // 75_000, replace=False) * 1500:
        pixels[begin : begin + 1500] = value
    return pixels.reshape(image.shape)


def rows(image: Picture, first: int, last: int, value: int = 0) -> Picture:
    image = image.copy()
    image[first:last] = value
    return image


def repeated(image: Picture, height: int) -> Picture:
    image = image.copy()
    image[100 : 100 + height] = image[100 - height : 100]
    return image


def mixed(image: Picture, other: Picture) -> Picture:
    image = image.copy()
    image[1::2] = other[1::2]
    return image


def with_an_edge_across(image: Picture) -> Picture:
    """The end of the steel, with nothing but black below: as sharp as a lens draws it."""
    edge = (np.arange(len(image)) < 200).astype(np.float64)[:, None]
    return (image * cv2.GaussianBlur(edge, (1, 9), 1, sigmaY=1.5)).astype(np.uint8)


def jpeg(image: Picture, quality: int) -> Picture:
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


DAMAGES = {
    "blocks of zeros": blocks,
    "blocks of 128": lambda image: blocks(image, 128),
    "blocks of 255": lambda image: blocks(image, 255),
    "8 rows": lambda image: rows(image, 60, 68),
    "the last tenth": lambda image: rows(image, 230, 256),
    "the last nine tenths": lambda image: rows(image, 25, 256),
    "the last half in gray": lambda image: rows(image, 128, 256, 200),
    "16 rows repeated": lambda image: repeated(image, 16),
    "one row repeated": lambda image: repeated(image, 1),
    "rows of two halves": lambda image: mixed(image, np.roll(image, 800, axis=1)),
    "8 rows in a JPEG of quality 95": lambda image: jpeg(rows(image, 60, 68), 95),
    "8 rows in a JPEG of quality 75": lambda image: jpeg(rows(image, 60, 68), 75),
    "the last half in a JPEG": lambda image: jpeg(rows(image, 128, 256), 75),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_found(sheets, damage):
    assert [number for number, image in enumerate(sheets) if not frame_damage(damage(image))] == []


@pytest.mark.parametrize(
    "change", [lambda image: image, lambda image: jpeg(image, 75), with_an_edge_across]
)
def test_sound_sheets_are_none(sheets, change):
    assert [found for image in sheets if (found := frame_damage(change(image)))] == []


def test_the_rows_are_named(sheets):
    assert frame_damage(rows(sheets[0], 60, 68)).startswith("row 60 holds one gray value from")
    assert frame_damage(repeated(sheets[0], 1)) == "row 100 repeats row 99"


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((256, 1600), np.uint8),
        np.full((256, 1600), 90, np.uint8),
        np.full((3, 1600), 90, np.uint8),
        np.zeros((256, 40), np.uint8),
        np.repeat(np.arange(256, dtype=np.uint8), 1600).reshape(256, 1600),
        np.clip(np.random.default_rng(0).normal(3, 1.5, (256, 1600)), 0, 11).astype(np.uint8),
    ],
    ids=["black", "gray", "low", "narrow", "ramp", "dark"],
)
def test_pictures_without_texture_and_small_ones_are_none(image):
    assert frame_damage(image) == ""
