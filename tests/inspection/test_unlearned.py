"""Pictures unlike those that a package learned are reviews, whatever the networks would say."""

import io
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.support.sheet_jobs import BrightnessRuntime, config, draw_sheet, package

from steel_defects.inspection.cascade import Cascade
from steel_defects.inspection.frames import read_frame
from steel_defects.package.build import learned_pictures
from steel_defects.package.manifest import LearnedPictures

HEIGHT, WIDTH = 32, 96
LEARNED = LearnedPictures(height=(HEIGHT, HEIGHT), width=(WIDTH, WIDTH))
SHEET = draw_sheet(3)
UNLIKE = "unlike what was learned: "


def png(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture)[1].tobytes()


def pillow(form: str, picture: np.ndarray = SHEET, exif: int = 1, **options: object) -> bytes:
    file, data = io.BytesIO(), Image.Exif()
    data[274] = exif
    Image.fromarray(np.ascontiguousarray(picture)).save(file, form, exif=data, **options)
    return file.getvalue()


def pages(form: str) -> bytes:
    others = [Image.fromarray(draw_sheet(seed)) for seed in (5, 6)]
    return pillow(form, save_all=True, append_images=others)


def judged(data: bytes, learned: LearnedPictures | None = LEARNED, **settings: object):
    one = package()
    one = replace(one, manifest=one.manifest.model_copy(update={"learned": learned}))
    cascade = Cascade(one, BrightnessRuntime(), config(**settings))
    return cascade.judge(read_frame(lambda _: data, "a.png", cascade.accepted.bits))


def test_a_picture_like_those_learned_is_judged():
    assert judged(png(SHEET)).verdict.verdict == "reject"
    assert judged(png(SHEET)).remarks == ""


OTHERS = {
    "rotated": (png(cv2.rotate(SHEET, cv2.ROTATE_90_CLOCKWISE)), "size 32×96"),
    "half the size": (png(cv2.resize(SHEET, (48, 16))), "size 48×16"),
    "a corner": (png(SHEET[:8, :8]), "size 8×8"),
    "larger": (png(cv2.resize(SHEET, (97, 32))), "size 97×32"),
    "16 bits": (png(SHEET.astype(np.uint16) * 257), "16 bits a channel"),
    "14 bits in 16": (png(SHEET.astype(np.uint16) * 64), "16 bits a channel"),
    "12 bits in 16": (png(SHEET.astype(np.uint16) * 16), "16 bits a channel"),
    "10 bits in 16": (png(SHEET.astype(np.uint16) * 4), "16 bits a channel"),
    "pages of a TIFF": (pages("TIFF"), "several pictures in one file"),
    "frames of a PNG": (pages("PNG"), "several pictures in one file"),
    "frames of a WebP": (pages("WEBP"), "several pictures in one file"),
    **{f"EXIF {n}": (pillow("JPEG", exif=n), f"EXIF {n}") for n in (2, 3, 4, 6, 8)},
}


@pytest.mark.parametrize(("data", "said"), OTHERS.values(), ids=OTHERS)
def test_a_picture_unlike_those_learned_is_a_review(data: bytes, said: str):
    sheet = judged(data)
    assert sheet.verdict.verdict == "review"
    assert sheet.verdict.reason.startswith(UNLIKE) and said in sheet.verdict.reason
    assert sheet.gate_score is None and not sheet.regions


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(("exif", "turn"), [(6, 1), (8, -1)])
def test_a_turn_that_the_size_shows_is_made(form: str, exif: int, turn: int):
    sheet = judged(pillow(form, np.rot90(SHEET, turn), exif))
    assert sheet.verdict.verdict == "reject"
    assert len(sheet.regions) == 3


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_the_depth_that_was_learned_is_decoded(bits: int):
    deep = png(SHEET.astype(np.uint16) << (bits - 8))
    learned = LEARNED.model_copy(update={"bits": bits})
    found = judged(deep, learned)
    assert (found.verdict, found.masks) == (judged(png(SHEET)).verdict, judged(png(SHEET)).masks)
    assert judged(deep, bits=bits).verdict == found.verdict
    assert judged(png(SHEET), learned).verdict == found.verdict
    if bits < 16:
        brighter = judged(png(SHEET.astype(np.uint16) << (bits - 6)), learned).verdict
        assert brighter.reason.startswith("unreadable: a value of")


def test_settings_widen_what_is_judged():
    small = png(cv2.resize(SHEET, (48, 16)))
    assert judged(small, height=(16, 32), width=(48, 96)).verdict.reason.startswith("3 regions")
    deep = png(SHEET.astype(np.uint16) * 257)
    assert judged(deep, bits=16).verdict.verdict == "reject"
    assert judged(deep, LEARNED.model_copy(update={"bits": 16})).verdict.verdict == "reject"


@pytest.mark.parametrize("name", ["half the size", "a corner", "rotated"])
def test_packages_of_earlier_releases_take_any_size(name: str):
    assert not judged(OTHERS[name][0], None).verdict.reason.startswith(UNLIKE)


@pytest.mark.parametrize(
    "name", ["pages of a TIFF", "EXIF 3", "EXIF 6", "16 bits", "12 bits in 16"]
)
def test_what_nobody_can_know_is_a_review_with_any_package(name: str):
    assert judged(OTHERS[name][0], None).verdict.reason.startswith(UNLIKE)


def test_what_reading_changed_is_a_remark():
    colour = np.dstack([SHEET, SHEET // 2, SHEET])
    assert judged(png(colour)).remarks == "colour, read as luminance"


def test_sizes_are_summed_up():
    table = pd.DataFrame({"height": [32, 40], "width": [96, 90], "bits": [8, 16]})
    learned = learned_pictures(table)
    assert (learned.height, learned.width, learned.bits) == ((32, 40), (90, 96), 16)
