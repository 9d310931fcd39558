"""Watching a folder, with a clock that the tests move."""

import errno
import os
import shutil
import signal
import threading
import time
from dataclasses import replace

import pandas as pd
import pytest
from tests.support.sheet_jobs import (
    BrightnessRuntime,
    config,
    draw_sheet,
    inspection,
    loaded,
    package,
    run,
    write_sheets,
)

from steel_defects import tables as schemas
from steel_defects.data.config import PositionsConfig
from steel_defects.datasets.joined_tables import JoinedCSVDataset, JoinedParquetDataset
from steel_defects.datasets.tables import OptionalCSVDataset
from steel_defects.errors import SteelDefectsError
from steel_defects.inspection import follow
from steel_defects.inspection.config import FollowConfig
from steel_defects.inspection.console import Stop, stop_on_signals
from steel_defects.inspection.follow import FolderWatch, complete_frames, follow_folder
from steel_defects.inspection.frames import Frame, read_frame
from steel_defects.inspection.places import Places
from steel_defects.inspection.sources import FolderSource, as_begun, open_source
from steel_defects.inspection.store.parts import Parts
from steel_defects.inspection.tables import result_of


class Camera:
    """Writes sheets into a folder that is watched, as time goes by."""

    def __init__(self, folder) -> None:
        self.folder, self.now = folder, 100.0
        folder.mkdir()
        self.watch = FolderWatch(folder, FollowConfig(settle_seconds=3), lambda: self.now)
        self._source = FolderSource(folder)

    def look(self, seconds: float = 0.2) -> list[str]:
        """Return the sheets that are complete after some time, with their problems."""
        self.now += seconds
        read = self._source.read_file
        frames = complete_frames(self.watch, lambda name: read_frame(read, name))
        taken = []
        for frame in frames:
            self.watch.done(frame.sheet_id, frame.problem, frame.digest)
            taken.append(frame.sheet_id + frame.problem)
        return taken

    def write(self, name: str, share: float = 1.0, seed: int | None = None) -> None:
        data = sheet_bytes(name, seed)
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_bytes(data[: int(share * len(data))])


def sheet_bytes(name: str, seed: int | None = None) -> bytes:
    import cv2

    return cv2.imencode(name[-4:], draw_sheet(len(name) if seed is None else seed))[1].tobytes()


@pytest.fixture
def camera(tmp_path) -> Camera:
    return Camera(tmp_path / "camera")


def test_a_new_file_is_taken_at_the_second_look_once(camera):
    camera.write("b.png")
    camera.write("a.jpg")
    assert camera.look() == []
    assert camera.look() == ["a.jpg", "b.png"]
    assert camera.look() == []
    camera.write("c.png")
    camera.write("coil 7/d.tif")
    assert camera.look() == []
    assert camera.look() == ["c.png", "coil 7/d.tif"]


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif"])
def test_a_file_that_is_being_written_is_waited_for(camera, ending):
    for share in (0.0, 0.3, 0.6):
        camera.write(f"a.{ending}", share)
        assert camera.look() == []
        assert camera.look() == []  # the camera hesitates
    camera.write(f"a.{ending}")
    assert camera.look() == []
    assert camera.look() == [f"a.{ending}"]


def test_a_file_that_nobody_finishes_is_unreadable(camera):
    camera.write("a.png", 0.5)
    assert [camera.look() for _ in range(3)] == [[], [], []]
    assert camera.look(3) == ["a.pngunreadable: truncated file"]
    assert camera.look(3) == []


def test_a_file_that_is_written_while_a_backlog_is_judged_is_waited_for(camera, monkeypatch):
    monkeypatch.setattr(follow, "core_count", lambda: 0)  # each is read where it is asked for
    names = ["a.png", "b.png", "slow.png"]
    for name in names:
        camera.write(name, 0.3 if name == "slow.png" else 1)
    camera.look()
    camera.now += 0.2

    def read(name: str) -> Frame:
        camera.now += 60  # judging the one before it
        frame = read_frame(FolderSource(camera.folder).read_file, name)
        camera.write("slow.png", 0.3 + 0.1 * names.index(name))
        return frame

    frames = complete_frames(camera.watch, read)
    assert [frame.sheet_id for frame in frames] == ["a.png", "b.png"]
    camera.write("slow.png")
    assert [camera.look(), camera.look()] == [["a.png", "b.png"], ["slow.png"]]


def test_a_file_that_could_not_be_read_is_judged_again_when_it_has_changed(camera):
    camera.write("a.png", 0.5)
    assert [camera.look(), camera.look(4)] == [[], ["a.pngunreadable: truncated file"]]
    camera.write("a.png", 0.7)  # still truncated: no other review
    assert [camera.look(), camera.look(4), camera.look(4)] == [[], [], []]
    camera.write("a.png", 0.0)
    assert [camera.look(), camera.look(4)] == [[], ["a.pngunreadable: empty file"]]
    (camera.folder / "a.png").unlink()
    assert [camera.look(), camera.look(4)] == [[], []]
    camera.write("a.png")
    assert [camera.look(), camera.look()] == [[], ["a.png"]]


def test_files_that_can_never_be_read_become_reviews(camera):
    (camera.folder / "broken.png").symlink_to("nowhere.png")
    with open(os.fsencode(camera.folder) + b"/caf\xe9.png", "wb") as file:
        file.write(sheet_bytes("a.png"))
    assert [camera.look() for _ in range(2)] == [[], []]
    broken, odd = camera.look(4)
    assert broken.startswith("broken.png") and broken != "broken.png"
    assert odd.startswith("caf\\xe9.png") and odd != "caf\\xe9.png"
    assert camera.look(4) == []


def test_a_folder_that_can_not_be_entered_does_not_stop_the_others(camera, monkeypatch, caplog):
    (camera.folder / "locked").mkdir()
    camera.write("z/a.png")
    listed = follow.list_folder

    def list_folder(folder: str) -> list[str]:
        if folder.endswith("locked"):
            raise SteelDefectsError("cannot list locked: Permission denied")
        return listed(folder)

    monkeypatch.setattr(follow, "list_folder", list_folder)
    assert camera.look() == []
    assert camera.look() == ["z/a.png"]
    assert caplog.text.count("Permission denied; the other folders go on") == 1


def test_a_file_that_is_renamed_into_place(camera):
    for name in (".a.png.Xy7", ".a.png", "a.png.part", "a.part.png", "~a.png"):
        camera.write("whole.png")
        (camera.folder / "whole.png").rename(camera.folder / name)
        assert [camera.look(), camera.look(9)] == [[], []]
        (camera.folder / name).rename(camera.folder / "a.png")
        (camera.folder / "a.png").unlink()
    camera.write("whole.png")
    assert camera.look() == []
    (camera.folder / "whole.png").rename(camera.folder / "a.png")  # before it was taken
    assert camera.look() == []
    assert camera.look() == ["a.png"]


@pytest.mark.parametrize("deleted", [True, False])
@pytest.mark.parametrize("quiet", [True, False])
def test_another_sheet_under_a_name_that_was_used_before(camera, caplog, deleted, quiet):
    camera.write("a.png")
    assert [camera.look(), camera.look()] == [[], ["a.png"]]
    for number in (2, 3):
        if deleted:
            (camera.folder / "a.png").unlink()
            camera.look()
        if quiet:
            os.utime(camera.folder, (1, 1))
            camera.look()
        camera.write("a.png", seed=number)
        if quiet:
            os.utime(camera.folder, (1, 1))
        assert [camera.look(4), camera.look()] == [[], [f"a.png#{number}"]]
        assert camera.look(4) == []
    camera.watch.judged.tell_of_names()
    assert "files written again with other pixels: 2;" in caplog.text


def test_a_file_that_was_only_touched_keeps_its_row(camera, caplog):
    camera.write("a.png")
    assert [camera.look(), camera.look()] == [[], ["a.png"]]
    os.utime(camera.folder / "a.png", (1, 1))
    assert [camera.look(4), camera.look(4), camera.look(4)] == [[], [], []]
    camera.watch.judged.tell_of_names()
    camera.watch.judged.tell_of_names()
    assert caplog.text.count("files written again with the same pixels: 1;") == 1


def test_a_file_that_is_written_again_and_can_not_be_read_at_first(camera):
    camera.write("a.png")
    assert [camera.look(), camera.look()] == [[], ["a.png"]]
    camera.write("a.png", 0.5, seed=2)
    assert [camera.look(), camera.look(4)] == [[], ["a.png#2unreadable: truncated file"]]
    camera.write("a.png", seed=2)
    assert [camera.look(), camera.look()] == [[], ["a.png#2"]]


def test_checks_of_very_many_known_files_leave_time_for_others(camera, monkeypatch):
    camera.write("a.png")
    assert [camera.look(), camera.look()] == [[], ["a.png"]]
    looks = []

    def size_and_time(path: str) -> tuple[int, int]:
        camera.now += 1  # a slow drive
        looks.append(path)
        return watched(path)

    watched = follow.size_and_time
    monkeypatch.setattr(follow, "size_and_time", size_and_time)
    for _ in range(30):
        camera.look(1)
    assert len(looks) == 2
    camera.write("b.png")
    assert [camera.look(), camera.look()] == [[], ["b.png"]]


def test_numbers_in_names_tell_their_order(camera):
    for number in (10000, 9, 9999, 100):
        camera.write(f"f_{number}.png")
    assert [camera.look(), camera.look()] == [
        [], ["f_9.png", "f_100.png", "f_9999.png", "f_10000.png"]
    ]  # fmt: skip


def test_quiet_folders_are_not_listed(camera, monkeypatch):
    camera.write("old/a.png")
    camera.look()
    assert camera.look() == ["old/a.png"]
    for folder in (camera.folder, camera.folder / "old"):
        os.utime(folder, (1, 1))
    camera.look()
    listed = []
    listing = follow.list_folder
    monkeypatch.setattr(follow, "list_folder", lambda path: listed.append(path) or listing(path))
    assert camera.look() == []
    assert listed == []
    camera.write("old/b.png")
    camera.look()
    assert camera.look() == ["old/b.png"]
    assert set(listed) == {str(camera.folder / "old")}


def test_a_folder_that_is_away_for_a_while(camera, caplog):
    camera.write("a.png")
    camera.look()
    assert camera.look() == ["a.png"]
    camera.folder.rename(camera.folder.with_name("elsewhere"))
    assert [camera.look(), camera.look()] == [[], []]
    assert len([r for r in caplog.records if "still trying" in r.getMessage()]) == 1
    camera.folder.with_name("elsewhere").rename(camera.folder)
    camera.write("b.png")
    camera.look()
    assert camera.look() == ["b.png"]


FAST = {"follow": True, "following": {"settle_seconds": 0.05}}


def follow_until(sheets, jobs, count: int, told=lambda seen: None, **values: object):
    """Follow until so many sheets are judged, and tell which are."""
    stop, seen = Stop(), []
    stop.requested = not count

    def watcher(folder):
        def on_sheet(frame, sheet):
            seen.append(sheet.sheet_id)
            told(seen)
            stop.requested = len(seen) >= count

        return on_sheet

    settings = config(**FAST, **values)
    setup = inspection(open_source(sheets), settings, BrightnessRuntime())
    table = OptionalCSVDataset(filepath=str(sheets / "positions.csv")).load()
    places = Places(table, PositionsConfig(), lambda _: True, grows=True)
    setup = replace(setup, places=places)
    given_up = threading.Timer(60, setattr, (stop, "requested", True))
    given_up.start()
    try:
        return follow_folder(setup, jobs, watcher, stop), seen
    finally:
        given_up.cancel()


@pytest.mark.slow
def test_following_gives_what_inspecting_gives(tmp_path):
    write_sheets(tmp_path / "sheets", 33)
    expected = [loaded(t) for t in run(tmp_path / "sheets", tmp_path / "a", config()).tables()]
    # Stopped in the middle of a part, between a frame and its repetition, and with a part begun.
    first, seen = follow_until(tmp_path / "sheets", tmp_path / "b", 13)
    assert len(seen) == 13
    assert [first.parts.record(part)["sheets"] for part in first.numbers] == [5, 5, 3]
    result, seen = follow_until(tmp_path / "sheets", tmp_path / "b", 20)
    assert len(seen) == 20
    order = ["sheet_id"]
    for table, whole in zip(result.tables(), expected, strict=True):
        found = loaded(table)
        key = order if "sheet_id" in found else ["ImageId_ClassId"]
        pd.testing.assert_frame_equal(
            found.sort_values(key, kind="stable", ignore_index=True),
            whole.sort_values(key, kind="stable", ignore_index=True),
        )


def test_a_verdict_is_on_disk_before_the_next_sheet(tmp_path):
    """As far as a process that is killed is concerned: the journal holds every sheet before."""
    write_sheets(tmp_path / "sheets", 9)
    jobs, lines = tmp_path / "jobs", []

    def watcher(folder):
        def on_sheet(frame, sheet):
            parts = Parts(folder)
            journals = [parts.journal(n).read_bytes().count(b"\n") for n in parts.begun()]
            lines.append(5 * len(parts.all_finished()) + sum(journals))
            if len(lines) == 8:
                raise RuntimeError("killed")

        return on_sheet

    setup = inspection(open_source(tmp_path / "sheets"), config(**FAST), BrightnessRuntime())
    with pytest.raises(RuntimeError):
        follow_folder(setup, jobs, watcher)
    assert lines == list(range(8))
    result, seen = follow_until(tmp_path / "sheets", jobs, 2)
    assert len(seen) == 2
    assert len(loaded(result.tables()[0])) == 9


@pytest.mark.slow
@pytest.mark.parametrize("part_sheets", [1, 3, 100])
def test_a_watched_camera_that_plays_a_loop(tmp_path, part_sheets):
    sheets = tmp_path / "sheets"
    sheets.mkdir()
    for number in range(6):
        (sheets / f"f_{9998 + number}.png").write_bytes(sheet_bytes(".png", 50 + number % 3))
    follow_until(sheets, tmp_path / "jobs", 2, part_sheets=part_sheets)
    result, _ = follow_until(sheets, tmp_path / "jobs", 4, part_sheets=part_sheets)
    verdicts = loaded(result.tables()[0]).set_index("sheet_id")
    repeated = verdicts["reason"] == "camera: repeated frame"
    assert repeated[repeated].index.tolist() == ["f_10001.png", "f_10002.png", "f_10003.png"]


@pytest.mark.slow
@pytest.mark.parametrize("restarted", [True, False])
@pytest.mark.parametrize("part_sheets", [1, 100])
def test_a_file_that_is_whole_too_late_has_one_row(tmp_path, part_sheets, restarted):
    sheets, jobs, late = tmp_path / "sheets", tmp_path / "jobs", tmp_path / "sheets/sheet_0001.png"
    write_sheets(sheets, 5)
    whole = late.read_bytes()
    expected = run(sheets, tmp_path / "expected", config())
    late.write_bytes(whole[:200])

    def finish(seen: list[str]) -> None:
        if len(seen) == 5:
            late.write_bytes(whole)

    if restarted:
        follow_until(sheets, jobs, 5, finish, part_sheets=part_sheets)
    count = 1 if restarted else 6
    result, seen = follow_until(sheets, jobs, count, finish, part_sheets=part_sheets)
    assert seen[-1] == late.name
    assert joined(result, tmp_path / "joined") == joined(expected, tmp_path / "whole")
    names = {"job": "", "parts": 0, "all_parts": 0}
    assert result.summary(package()) | names == expected.summary(package()) | names


def joined(result, folder) -> list[list[tuple]]:
    """Save the tables of a job as the catalog does, and return their rows, sorted."""
    verdicts, defects, submission = result.tables()
    JoinedParquetDataset(filepath=str(folder / "verdicts")).save(verdicts)
    JoinedParquetDataset(filepath=str(folder / "defects")).save(defects)
    JoinedCSVDataset(filepath=str(folder / "submission")).save(submission)
    tables = [pd.read_parquet(folder / name) for name in ("verdicts", "defects")]
    tables.append(pd.read_csv(folder / "submission", keep_default_na=False))
    return [
        sorted(table.drop(columns="inspected_at", errors="ignore").astype(str).to_numpy().tolist())
        for table in tables
    ]


@pytest.mark.slow
@pytest.mark.parametrize("restarted", [True, False])
@pytest.mark.parametrize("part_sheets", [1, 100])
def test_names_that_are_used_again_have_rows_of_their_own(tmp_path, part_sheets, restarted):
    sheets, jobs = tmp_path / "sheets", tmp_path / "jobs"
    write_sheets(sheets, 5)
    names = sorted(os.listdir(sheets))

    def roll_over(seen: list[str]) -> None:
        if len(seen) == 5:
            for number in (0, 1):
                (sheets / names[number]).write_bytes(sheet_bytes(".png", 103 + number))
            os.utime(sheets / names[2], (1, 1))

    if restarted:
        follow_until(sheets, jobs, 5, roll_over, part_sheets=part_sheets)
    count = 2 if restarted else 7
    _, seen = follow_until(sheets, jobs, count, roll_over, part_sheets=part_sheets)
    again = [f"{name}#2" for name in names[:2]]
    assert seen[-2:] == again
    write_sheets(tmp_path / "more", 7)
    shutil.copy(tmp_path / "more/sheet_0006.png", sheets / "sheet_0006.png")
    result, seen = follow_until(sheets, jobs, 1, part_sheets=part_sheets)
    assert seen == ["sheet_0006.png"]  # none of the others is judged again
    verdicts, defects, submission = (loaded(table) for table in result.tables())
    assert verdicts["sheet_id"].tolist() == [*names, *again, *seen]
    assert verdicts["path"].tolist() == [*names, *names[:2], *seen]
    rows = verdicts.set_index("sheet_id")["defect_count"]
    assert rows[again].tolist() == [3, 0]
    assert defects["sheet_id"].value_counts().to_dict() == rows[rows > 0].to_dict()
    schemas.verdicts.validate(pd.concat(pd.read_parquet(path) for path in result.tables()[0]))
    schemas.submission.validate(submission)


def places_of(result) -> dict[str, tuple[str, float]]:
    verdicts = loaded(result.tables()[0])
    rows = verdicts[["coil_id", "position_mm"]].itertuples(index=False, name=None)
    return dict(zip(verdicts["sheet_id"], rows, strict=True))


@pytest.mark.slow
def test_positions_that_are_appended_while_a_folder_is_watched(tmp_path):
    sheets, table = tmp_path / "sheets", tmp_path / "sheets/positions.csv"
    write_sheets(sheets, 4)
    names = sorted(os.listdir(sheets))

    def append(seen: list[str]) -> None:
        with table.open("a", encoding="utf-8") as file:
            if len(seen) == 2:  # the last line is not finished yet
                file.write(f"\n{names[1]},K1,1600\n{names[2]},K1,32")
            if len(seen) == 4:
                file.write(f"00\n{names[3]},K2,4800\n{names[0]},K9,7\n")
                (sheets / names[0]).write_bytes(sheet_bytes(".png", 100))

    expected = {names[0]: ("K1", 0), names[1]: ("K1", 1600)}
    table.write_text(f"sheet_id,coil_id,position_mm\n{names[0]},K1,0", encoding="utf-8")
    result, _ = follow_until(sheets, tmp_path / "stopped", 3, append, part_sheets=2)
    found = places_of(result)
    assert {name: found[name] for name in names[:2]} == expected
    assert pd.isna(found[names[2]][0])
    table.write_text(f"sheet_id,coil_id,position_mm\n{names[0]},K1,0", encoding="utf-8")
    result, _ = follow_until(sheets, tmp_path / "whole", 5, append, part_sheets=5)
    expected |= {names[2]: ("K1", 3200), names[3]: ("K2", 4800), f"{names[0]}#2": ("K9", 7)}
    assert places_of(result) == expected


def test_positions_that_change_make_no_other_job_of_a_watched_folder(tmp_path):
    sheets, jobs = tmp_path / "sheets", tmp_path / "jobs"
    write_sheets(sheets, 10)
    names = sorted(os.listdir(sheets))
    follow_until(sheets, jobs, 10)
    for name in names[:4]:
        (sheets / name).unlink()
    (sheets / "positions.csv").write_text(f"sheet_id,coil_id\n{names[9]},K1\n", encoding="utf-8")
    result, seen = follow_until(sheets, jobs, 0)
    assert seen == []
    assert loaded(result.tables()[0])["sheet_id"].tolist() == names


@pytest.mark.parametrize("content", [b"sheet_id,coil_id\n\xff,K2\n", b"a,b\n1,2\n", b"", None])
def test_positions_that_can_not_be_read_any_more(tmp_path, caplog, content):
    file = tmp_path / "positions.csv"
    file.write_text("sheet_id,coil_id\na.png,K1\n", encoding="utf-8")
    table = OptionalCSVDataset(filepath=str(file)).load()
    places = Places(table, PositionsConfig(), lambda _: True, grows=True)
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    for _ in range(2):
        assert places.of(["a.png"])["coil_id"].tolist() == ["K1"]
    assert caplog.text.count("that were read before count") == (content is not None)


def test_names_that_are_used_again_are_read_by_the_pattern(tmp_path):
    places = Places(pd.DataFrame(), PositionsConfig(pattern=r"(?P<coil_id>K\d)\.png$"), bool, True)
    assert places.of(["K1.png", "K1.png#2"])["coil_id"].tolist() == ["K1", "K1"]


@pytest.mark.slow
def test_a_folder_of_pictures_that_comes_later_changes_nothing(tmp_path, caplog):
    sheets, jobs = tmp_path / "sheets", tmp_path / "jobs"
    write_sheets(sheets, 2)

    def make_folder(seen: list[str]) -> None:
        write_sheets(sheets / "images", 1)

    _, seen = follow_until(sheets, jobs, 3, make_folder)
    assert seen[2] == "images/sheet_0000.png"
    (sheets / "late.png").write_bytes(sheet_bytes("late.png"))
    result, seen = follow_until(sheets, jobs, 1)
    assert seen == ["late.png"]
    assert "the job goes on with" in caplog.text
    verdicts = loaded(result.tables()[0])
    assert verdicts["path"].tolist() == [
        "sheet_0000.png", "sheet_0001.png", "images/sheet_0000.png", "late.png",
    ]  # fmt: skip
    assert as_begun(open_source(sheets), result.parts.folder).place == sheets
    assert as_begun(open_source(sheets), tmp_path).place == sheets / "images"  # of another job


@pytest.mark.slow
def test_sheets_of_a_damaged_part_are_inspected_again(tmp_path):
    sheets, jobs = tmp_path / "sheets", tmp_path / "jobs"
    write_sheets(sheets, 12)
    result, _ = follow_until(sheets, jobs, 12)
    damaged = result.parts.folder / "part-0000001" / "submission.csv"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    with pytest.raises(SteelDefectsError, match=f"{damaged} is cut off or damaged"):
        follow_until(sheets, jobs, 0)
    shutil.rmtree(damaged.parent)
    result, seen = follow_until(sheets, jobs, 5)
    assert sorted(seen) == [f"sheet_{number:04}.png" for number in range(5, 10)]
    assert result.numbers == [0, 2, 3]
    joined = result_of(jobs, result.summary(package())).tables()[0]
    assert sorted(loaded(joined)["sheet_id"]) == sorted(os.listdir(sheets))


def test_odd_names_beside_a_locked_folder_have_a_row_each(tmp_path, monkeypatch):
    sheets = tmp_path / "sheets"
    (sheets / "locked").mkdir(parents=True)
    (sheets / "coil ").mkdir()
    not_text = [b"caf\xe9.png", b"two\nlines.png", b"c1\xc2\x85.png", b"twin\xe9.png"]
    readable = [rb"camera\new01.png", rb"camera\x41.png", b" space .png", b"coil /a.png"]
    for name in [*not_text, *readable, rb"twin\xe9.png"]:
        with open(os.fsencode(sheets) + b"/" + name, "wb") as file:
            file.write(sheet_bytes("a.png"))
    listed = os.scandir

    def scandir(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    expected = {name.decode(): False for name in readable}
    expected |= dict.fromkeys(
        [r"caf\xe9.png", r"two\nlines.png", r"c1\x85.png", r"twin\xe9.png"], True
    )
    result, _ = follow_until(sheets, tmp_path / "jobs", len(expected))
    verdicts = loaded(result.tables()[0]).set_index("sheet_id")
    refused = verdicts["reason"].eq("unreadable: name of the file is not plain text in UTF-8")
    assert refused.to_dict() == expected
    result, _ = follow_until(sheets, tmp_path / "jobs", 0)  # started again
    assert len(loaded(result.tables()[0])) == len(expected)


def test_a_full_disk_ends_it_in_one_line_and_loses_nothing(tmp_path):
    """Such as the disk of the overlays."""
    write_sheets(tmp_path / "sheets", 9)

    def draw(seen: list[str]) -> None:
        if len(seen) == 8:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(SteelDefectsError, match="no room is left; finished parts are kept"):
        follow_until(tmp_path / "sheets", tmp_path / "jobs", 9, draw)
    result, seen = follow_until(tmp_path / "sheets", tmp_path / "jobs", 2)
    assert len(seen) == 2
    assert len(loaded(result.tables()[0])) == 9


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_summary(tmp_path, number):
    (tmp_path / "sheets").mkdir()
    before = signal.getsignal(number)
    setup = inspection(open_source(tmp_path / "sheets"), config(**FAST), BrightnessRuntime())

    def interrupt() -> None:
        while signal.getsignal(number) is before:
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt).start()
    result = follow_folder(setup, tmp_path / "jobs")
    assert result.summary(setup.package)["sheets"] == 0
    assert [len(loaded(table)) for table in result.tables()[:0]] == []
    assert signal.getsignal(number) is before


def test_signals_outside_of_the_main_thread_are_left_alone():
    before, found = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with stop_on_signals() as stop:
            found.append((stop.requested, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, before)]


def test_a_list_can_t_be_followed(tmp_path):
    (tmp_path / "list.txt").write_text("a.png\n", encoding="utf-8")
    with pytest.raises(SteelDefectsError, match="only a folder can be followed"):
        follow_until(tmp_path / "list.txt", tmp_path / "jobs", 1)
