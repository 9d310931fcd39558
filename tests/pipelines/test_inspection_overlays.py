from collections import Counter

import cv2
import numpy as np
import pytest
from tests.inspection.test_follow import FAST
from tests.support.sheet_jobs import BrightnessRuntime, config, inspection, run, write_sheets

from steel_defects.inspection.console import Stop
from steel_defects.inspection.follow import follow_folder
from steel_defects.inspection.sources import FolderSource, open_source
from steel_defects.pipelines.inspection import overlays
from steel_defects.pipelines.inspection.overlays import Drawing, LiveOverlays, drawings, pictures

NAMES = ("pit",)


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
    verdicts, _, submission = result.tables()
    return list(drawings(verdicts, submission, config(**values)))


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


@pytest.mark.parametrize("most", [0, 1, 7])
def test_no_more_than_asked_for(result, most):
    assert len(chosen(result, overlays=most)) == most


def test_masks_are_those_of_the_sheet(result, sheets, tmp_path):
    made = pictures(iter(chosen(result)), FolderSource(sheets), NAMES, tmp_path)
    picture = made["reject_coil__sheet_0001.png.jpg"]()
    assert picture.shape == (32, 96, 3)
    green = picture[..., 1].astype(int) - picture[..., 2] > 20
    assert green[9:13, 11:17].all()
    assert not green[:, 60:].any()


def test_a_line_above_a_wide_sheet_says_what_became_of_it():
    sheet = np.full((256, 1600), 90, np.uint8)
    picture = Drawing("a.jpg", "review", "black picture", ("",)).draw(sheet, NAMES)
    assert picture.shape == (286, 1600, 3)
    assert (picture[:30] > 200).any() and (picture[30:] == 90).all()
    other = Drawing("a.jpg", "accept", "cleared by the gate", ("",)).draw(sheet, NAMES)
    assert (picture[:30] != other[:30]).any()


def test_a_sheet_that_is_gone_leaves_a_note(result, tmp_path):
    made = pictures(iter(chosen(result)), FolderSource(tmp_path), NAMES, tmp_path)
    picture = next(iter(made.values()))()
    assert 0 < (picture > 200).mean() < 0.2


@pytest.mark.slow
def test_a_watched_folder_is_drawn_while_it_runs(sheets, result, tmp_path):
    stop, counted = Stop(), []
    settings = config(**FAST)

    def watcher(folder):
        live = LiveOverlays(folder / "overlays", settings, NAMES)

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
    made = pictures(iter(chosen(followed)), FolderSource(tmp_path), NAMES, live)
    data = np.frombuffer(made["reject_coil__sheet_0001.png.jpg"](), np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (32, 96, 3)
