from collections import Counter

import cv2
import numpy as np
import pandas as pd
import pytest
from tests.inspection.test_follow import FAST
from tests.support.sheet_jobs import (
    BrightnessRuntime,
    config,
    inspection,
    package,
    run,
    write_sheets,
)

from steel_defects.inspection.console import Stop
from steel_defects.inspection.follow import follow_folder
from steel_defects.inspection.sources import FolderSource, open_source
from steel_defects.pipelines.inspection import overlays
from steel_defects.pipelines.inspection.overlays import Drawing, LiveOverlays, drawings, pictures

MANIFEST = package().manifest


@pytest.fixture(scope="module")
def sheets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sheets")
    write_sheets(folder, 24)
    (folder / "coil").mkdir()
    (folder / "sheet_0001.png").rename(folder / "coil" / "sheet_0001.png")
    return folder


@pytest.fixture(scope="module")
def result(sheets, tmp_path_factory):
    return run(sheets, tmp_path_factory.mktemp("jobs"), config())


def chosen(result, **values):
    return list(drawings(*result.tables(), config(**values)))


def test_all_but_most_of_the_accepted(result, monkeypatch):
    monkeypatch.setattr(overlays, "ACCEPTED", 2)
    found = Counter(drawing.verdict for drawing in chosen(result))
    counted = result.summary(inspection(None, config(), BrightnessRuntime()).package)
    unreadable = counted["review_reasons"]["unreadable"]
    assert found == {
        "accept": 2,
        "reject": counted["verdicts"]["reject"],
        "review": counted["verdicts"]["review"] - unreadable,
    }
    assert counted["verdicts"]["accept"] > 2
    assert unreadable > 0


def test_accepted_sheets_that_are_wanted_are_drawn_besides_the_first(result, monkeypatch):
    monkeypatch.setattr(overlays, "ACCEPTED", 1)
    verdicts = pd.concat(result.tables()[0].frames())
    accepted = verdicts["sheet_id"][verdicts["verdict"] == "accept"].tolist()
    wanted = {accepted[-1], accepted[3]}
    found = drawings(*result.tables(), config(), wanted)
    drawn = [one.sheet_id for one in found if one.verdict == "accept"]
    assert drawn == [accepted[0], accepted[3], accepted[-1]]


@pytest.mark.parametrize("most", [0, 1, 7])
def test_no_more_than_asked_for(result, most):
    assert len(chosen(result, overlays=most)) == most


def test_masks_and_regions_are_those_of_the_sheet(result, sheets, tmp_path):
    made = pictures(iter(chosen(result)), FolderSource(sheets), MANIFEST, tmp_path, config())
    picture = made["reject_coil__sheet_0001.png.jpg"]()
    height = 7 * 32  # a sheet of 32×96 pixels, enlarged to 600 and more
    assert picture.shape[1] == 7 * 96 and len(picture) > height
    top = int(np.argmax((picture[:, -1] != picture[0, -1]).any(axis=1)))
    panel = picture[top : top + height]
    green = panel[..., 1].astype(int) - panel[..., 2] > 20
    assert green[7 * 7 : 7 * 15, 7 * 9 : 7 * 19].any()
    assert not green[:, 7 * 60 :].any()


def test_classes_that_do_not_count_are_drawn_thin_and_said_to_be_ignored(
    result, sheets, tmp_path, monkeypatch
):
    written = []
    label = overlays._label
    monkeypatch.setattr(
        overlays, "_label", lambda *given: written.append(given[1]) or label(*given)
    )
    source, one = FolderSource(sheets), chosen(result)
    name = "reject_coil__sheet_0001.png.jpg"
    plain, thin = (
        pictures(iter(one), source, MANIFEST, tmp_path, config(ignore_classes=ignored))[name]()
        for ignored in ((), (1,))
    )
    assert written == ["minor", "ignored"]

    def green(picture: np.ndarray) -> int:
        return int((picture[..., 1].astype(int) - picture[..., 2] > 60).sum())

    assert 0 < green(thin) < 0.8 * green(plain)


def test_labels_say_class_severity_size_and_score(result):
    drawing = next(one for one in chosen(result) if one.verdict == "reject")
    (region, severe), *_ = drawing.regions
    label = overlays._label(region, severe, MANIFEST)
    assert label.lines == ("pit, minor", f"{region.area_px / 4:.0f} mm², score 0.90")
    assert label.box == (region.x, region.y, region.width, region.height)
    plain = overlays._label(region, severe, MANIFEST.model_copy(update={"mm_per_px": None}))
    assert plain.lines[1] == f"{region.area_px:,} px, score 0.90"


@pytest.mark.parametrize(
    ("reason", "named"),
    [
        ("2 regions over limits, class 1, 3", "2 regions over limits, pit, class 3"),
        ("5 regions of class 2, more than 3", "5 regions of crack, more than 3"),
        ("camera: black frame", "camera: black frame"),
    ],
)
def test_reasons_name_classes_as_labels_do(reason, named):
    assert overlays.with_class_names(reason, ("pit", "crack")) == named


def test_a_banner_above_a_sheet_says_what_became_of_it_and_why():
    sheet = np.full((256, 1600), 90, np.uint8)
    picture = Drawing("a.jpg", "review", "black picture", ("",)).draw(sheet, MANIFEST)
    assert (picture[-256:] == 90).all() and picture.shape[1] == 1600
    other = Drawing("a.jpg", "review", "cleared by the gate", ("",)).draw(sheet, MANIFEST)
    assert (picture[:-256] != other[:-256]).any()


def test_a_sheet_that_is_gone_leaves_a_note_or_the_picture_of_an_earlier_release(result, tmp_path):
    gone = [Drawing("a.jpg", "review", "no region", ("",)), *chosen(result)]
    made = pictures(iter(gone), FolderSource(tmp_path), MANIFEST, tmp_path, config())
    picture = made["review_a.jpg"]()
    assert picture.shape[1] == 600 and len(picture) < 120
    (tmp_path / "review_a.jpg.jpg").write_bytes(b"earlier")
    assert made["review_a.jpg"]() == b"earlier"


@pytest.mark.slow
def test_a_watched_folder_is_drawn_while_it_runs(sheets, result, tmp_path):
    stop, counted = Stop(), []
    settings = config(**FAST)

    def watcher(folder):
        live = LiveOverlays(folder / "overlays", settings, MANIFEST)

        def on_sheet(frame, sheet):
            live(frame, sheet)
            counted.append(sheet.sheet_id)
            stop.requested = len(counted) in (11, 24)

        return on_sheet

    setup = inspection(open_source(sheets), settings, BrightnessRuntime())
    for _ in range(2):
        followed = follow_folder(setup, tmp_path / "jobs", watcher, stop)
        stop.requested = False
    live = followed.parts.folder / "overlays"
    wanted = {drawing.name for drawing in chosen(followed)}
    assert {path.name for path in live.iterdir()} == wanted
    assert len(wanted) == len(chosen(result))
    # At the end they are taken from there, even if the sheets are gone.
    made = pictures(iter(chosen(followed)), FolderSource(tmp_path), MANIFEST, live, config())
    data = np.frombuffer(made["reject_coil__sheet_0001.png.jpg"](), np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape[1] == 7 * 96
