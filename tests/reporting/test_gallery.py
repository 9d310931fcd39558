"""Pictures of the report: within its limit, and by outcome and class."""

import cv2
import numpy as np

from steel_defects.reporting import gallery
from steel_defects.reporting.gallery import Picture

NOISE = np.random.default_rng(0).integers(0, 255, (200, 1000, 3)).astype(np.uint8)
JPEG = bytes(cv2.imencode(".jpg", NOISE, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])


def pictures(outcomes: list[str], jpeg: bytes = JPEG) -> list[Picture]:
    return [Picture(outcome, (1,), "", jpeg) for outcome in outcomes]


def test_pictures_that_fit_are_left_as_they_are():
    shown = pictures(["hit", "miss"])
    assert gallery.fit_into(shown, 2 * len(JPEG)) == shown


def test_pictures_shrink_before_any_is_left_out():
    shown = gallery.fit_into(pictures(["hit"] * 3 + ["miss"]), int(1.5 * len(JPEG)))
    assert len(shown) == 4 and sum(len(p.jpeg) for p in shown) <= 1.5 * len(JPEG)


def test_the_most_frequent_outcome_gives_way():
    shown = gallery.fit_into(pictures(["hit"] * 9 + ["miss"]), len(JPEG) // 2)
    assert sum(len(p.jpeg) for p in shown) <= len(JPEG) // 2
    assert [p.outcome for p in shown][-1] == "miss" and 1 < len(shown) < 10


def test_a_full_report_keeps_to_its_limit():
    room = gallery.room_left([bytes(6_000_000)])
    assert (room + 6_000_000) * 4 / 3 < gallery.REPORT_LIMIT
    assert gallery.room_left([bytes(20_000_000)]) == 0
    assert gallery.fit_into(pictures(["hit"]), 0) == []


def test_choices_and_those_that_leave_nothing():
    pictures = [Picture("false alarm", (2,), "", b""), Picture("hit", (1, 2), "", b"")]
    shown = gallery.make_gallery(pictures, [], {}, ["pit"])
    assert [choice.label for choice in shown.outcomes] == ["false alarm (1)", "hit (1)"]
    assert [choice.label for choice in shown.classes] == ["pit (1)", "class 2 (2)"]
    assert shown.empty_pairs == [("outcome-0", "class-1")]
    assert shown.pictures[0].marks == {"is-false-alarm", "has-2"}


def test_the_sentence_counts_what_is_not_shown():
    shown = gallery.make_gallery(pictures(["hit"] * 2), [], {"hit": 900, "miss": 3}, [])
    assert shown.sentence == "2 of 903 test sheets are shown: 2 of 900 hits, 0 of 3 misses."


def test_what_is_no_picture_stays_as_it_is():
    assert gallery.as_jpeg(b"\x89PNG") == b"\x89PNG" and gallery.as_jpeg(b"") == b""
