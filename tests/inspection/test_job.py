"""Jobs: in parts, taken up where they were left, shared among machines."""

import contextlib
import errno
import fcntl
import json
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from tests.support import sheet_jobs
from tests.support.sheet_jobs import (
    BrightnessRuntime,
    config,
    draw_sheet,
    loaded,
    run,
    write_sheets,
)

from steel_defects import files
from steel_defects import tables as schemas
from steel_defects.data.config import PositionsConfig
from steel_defects.errors import SteelDefectsError
from steel_defects.inspection.cascade import InspectedSheet
from steel_defects.inspection.console import Stop
from steel_defects.inspection.places import Places
from steel_defects.inspection.sources import SheetFile, open_source
from steel_defects.inspection.store import parts as parts_module
from steel_defects.inspection.store.journal import Journal
from steel_defects.inspection.store.listing import write_list
from steel_defects.inspection.store.parts import Parts

pytestmark = pytest.mark.slow

SHEETS = 43


class CountingRuntime(BrightnessRuntime):
    """Counts the sheets that it is asked about, and fails at one of them."""

    def __init__(self, fails_at: int = -1) -> None:
        super().__init__()
        self.asked, self._fails_at = 0, fails_at

    def gate_score(self, image):
        if self.asked == self._fails_at:
            raise RuntimeError("killed")
        self.asked += 1
        return super().gate_score(image)


@pytest.fixture(scope="module")
def sheets(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sheets") / "sheets"
    write_sheets(folder, SHEETS)
    return folder


@pytest.fixture(scope="module")
def whole(sheets, tmp_path_factory) -> list[pd.DataFrame]:
    """Tables of an uninterrupted run."""
    result = run(sheets, tmp_path_factory.mktemp("whole"), config())
    assert result.complete
    assert len(result.numbers) == 9
    return [loaded(table) for table in result.tables()]


def assert_whole(result, whole) -> None:
    for table, expected in zip(result.tables(), whole, strict=True):
        pd.testing.assert_frame_equal(loaded(table), expected, check_exact=True)


def test_verdicts_of_a_whole_job(whole):
    verdicts, defects, submission = whole
    assert len(verdicts) == len(submission) == SHEETS
    reasons = verdicts.set_index("sheet_id")["reason"]
    assert {name for name, reason in reasons.items() if "repeated" in reason} == {
        f"sheet_{n:04}.png" for n in (3, 13, 23, 33)
    }
    assert (reasons[[f"sheet_{n:04}.png" for n in (5, 15, 25, 35)]] == reasons.iloc[5]).all()
    assert reasons.iloc[5] == "unreadable: truncated file"
    assert set(verdicts["verdict"]) == {"accept", "review", "reject"}
    assert len(defects) > 20


def test_tables_of_a_part_keep_their_schemas(sheets, tmp_path):
    result = run(sheets, tmp_path, config(part_sheets=4))
    verdicts, defects, _ = (list(table) for table in result.tables())
    schemas.verdicts.validate(pd.read_parquet(verdicts[0]))  # none has a coil
    schemas.defects.validate(pd.read_parquet(defects[0]))


@pytest.mark.parametrize("judges", [1, 3])
@pytest.mark.parametrize("part_sheets", [1, 4, 1000])
def test_parts_and_threads_change_nothing(sheets, whole, tmp_path, part_sheets, judges):
    runtime = BrightnessRuntime(parallel=judges)
    assert_whole(run(sheets, tmp_path, config(part_sheets=part_sheets), runtime), whole)


@pytest.fixture(scope="module")
def looping(tmp_path_factory) -> tuple[Path, list[str]]:
    """Sheets of a camera that plays loops, and the names of those that it repeats."""
    seeds = [*range(9), 8, 20, 21, 20, 21, 30, 31, 32, 30, 31, 32, *range(40, 65), 33, 0, 20, 33]
    folder = tmp_path_factory.mktemp("looping") / "sheets"
    write_sheets(folder, 0)
    for number, seed in enumerate(seeds):
        cv2.imwrite(str(folder / f"f_{9980 + number}.png"), draw_sheet(seed))
    repeated = [n for n, seed in enumerate(seeds) if seed in seeds[max(0, n - 32) : n]]
    assert len(repeated) == 7
    return folder, [f"f_{9980 + number}.png" for number in repeated]


def repeated_in(*results) -> list[str]:
    verdicts = pd.concat(loaded(result.tables()[0]) for result in results)
    return verdicts.loc[verdicts["reason"] == "camera: repeated frame", "sheet_id"].tolist()


@pytest.mark.parametrize("judges", [1, 3])
@pytest.mark.parametrize("part_sheets", [1, 4, 1000])
def test_a_frame_is_compared_with_the_last_ones(looping, tmp_path, part_sheets, judges):
    sheets, repeated = looping
    runtime = BrightnessRuntime(parallel=judges)
    found = run(sheets, tmp_path, config(part_sheets=part_sheets), runtime)
    assert repeated_in(found) == repeated


@pytest.mark.parametrize("part_sheets", [3, 30])
def test_machines_apart_compare_frames_with_those_of_others(looping, tmp_path, part_sheets):
    sheets, repeated = looping
    settings = [config(part_sheets=part_sheets, shard=shard, shards=4) for shard in (1, 2, 3, 4)]
    found = [run(sheets, tmp_path / str(each.shard), each) for each in settings]
    assert repeated_in(*found) == repeated


def test_a_run_that_failed_knows_the_frames_before(looping, tmp_path):
    sheets, repeated = looping
    for fails_at in (9, 3, 8, 9):  # counted from where the run before it failed
        with pytest.raises(RuntimeError):
            run(sheets, tmp_path, config(part_sheets=20), CountingRuntime(fails_at))
    assert repeated_in(run(sheets, tmp_path, config(part_sheets=20))) == repeated


def frozen(number: int, kind: str) -> np.ndarray:
    """One sheet, as a frozen camera might deliver it again and again."""
    image = cv2.resize(draw_sheet(3), (800, 128))
    if kind == "one pixel":
        image[number, 5] ^= 64
    elif kind == "clock":
        cv2.putText(image, f"12:34:{number:02}", (5, 30), 0, 0.6, (255,))
    else:
        data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60 + 3 * number])[1]
        image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    return image


def warnings_in(caplog) -> int:
    return caplog.text.count("is the camera frozen?")


@pytest.mark.parametrize("kind", ["one pixel", "clock", "encoded again"])
@pytest.mark.parametrize("part_sheets", [2, 100])
def test_a_camera_whose_frames_are_nearly_equal_is_said(tmp_path, caplog, kind, part_sheets):
    sheets = tmp_path / "sheets"
    write_sheets(sheets, 2)
    for number in range(2, 9):
        cv2.imwrite(str(sheets / f"sheet_{number:04}.png"), frozen(number, kind))
    settings = config(part_sheets=part_sheets)
    with pytest.raises(RuntimeError):
        run(sheets, tmp_path / "jobs", settings, CountingRuntime(4))
    result = run(sheets, tmp_path / "jobs", settings, BrightnessRuntime(parallel=3))
    # The first three of them are like fewer than three before them.
    assert result.summary(sheet_jobs.package())["nearly_repeated_frames"] == 4
    assert warnings_in(caplog) == (1 if part_sheets == 100 else 3)
    assert repeated_in(result) == []


def test_frames_that_repeat_or_are_black_are_not_said_twice(tmp_path, caplog):
    sheets = tmp_path / "sheets"
    write_sheets(sheets, 3)
    for number in range(10):
        cv2.imwrite(str(sheets / f"a{number}.png"), draw_sheet(50))
        black = np.zeros((32, 96), np.uint8)
        black[number, 0] = 40
        cv2.imwrite(str(sheets / f"b{number}.png"), black)
    result = run(sheets, tmp_path / "jobs", config())
    summary = result.summary(sheet_jobs.package())
    assert summary["nearly_repeated_frames"] == warnings_in(caplog) == 0
    assert summary["review_reasons"] == {"camera: black frame": 10, "camera: repeated frame": 9}


@pytest.mark.parametrize("fails_at", [0, 4, 12, 30])
def test_a_run_that_failed_is_taken_up(sheets, whole, tmp_path, fails_at):
    first, second = CountingRuntime(fails_at), CountingRuntime()
    with pytest.raises(RuntimeError):
        run(sheets, tmp_path, config(), first)
    result = run(sheets, tmp_path, config(), second)
    assert_whole(result, whole)
    assert first.asked == fails_at
    untouched = CountingRuntime()
    assert_whole(run(sheets, tmp_path, config(), untouched), whole)
    assert untouched.asked == 0
    # Broken and repeated sheets are never shown to a network; no other one is shown twice.
    assert first.asked + second.asked == SHEETS - 8
    assert [path.name for path in tmp_path.rglob("*.jsonl")] == []
    assert [path.name for path in tmp_path.rglob("*.tmp")] == []


@pytest.mark.parametrize("number", ["EACCES", "EBADF", "EINVAL", "ENOTSUP"])
def test_a_drive_that_knows_no_locks_and_forces_nothing_is_enough(
    sheets, whole, tmp_path, monkeypatch, caplog, number
):
    def refuse(*_: int) -> None:
        raise OSError(getattr(errno, number), "refused")

    monkeypatch.setattr(os, "fsync", refuse)
    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(files, "_notes", set())
    assert_whole(run(sheets, tmp_path, config()), whole)
    assert caplog.text.count("force it to the disk") == 1
    assert caplog.text.count("knows no locks") == 1


@pytest.mark.parametrize("name", ["fsync", "flock"])
def test_a_broken_disk_ends_the_run_in_one_line(sheets, tmp_path, monkeypatch, name):
    def fail(*_: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os if name == "fsync" else fcntl, name, fail)
    with pytest.raises(SteelDefectsError, match=r"cannot write to .*input/output error"):
        run(sheets, tmp_path, config())


def on_disk(jobs: Path) -> int:
    """Count the sheets that are in journals and finished parts."""
    lines = 0
    for path in jobs.glob("*/*.jsonl"):
        with contextlib.suppress(FileNotFoundError):  # it has just become a part
            lines += path.read_bytes().count(b"\n")
    return lines + 5 * len(list(jobs.glob("*/part-*/record.json")))


def test_a_killed_run_is_taken_up(sheets, whole, tmp_path):
    """SIGKILL at random moments, each after some sheets."""
    command = [sys.executable, sheet_jobs.__file__, str(sheets), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    rng, kills = random.Random(7), 0
    for _ in range(3):
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        before = on_disk(tmp_path)
        while process.poll() is None and on_disk(tmp_path) <= before:
            time.sleep(0.002)
        time.sleep(rng.uniform(0.0, 0.08))
        kills += process.poll() is None
        process.kill()
        process.wait()
    assert kills > 0
    assert_whole(run(sheets, tmp_path, config()), whole)


def test_half_a_line_of_the_journal_is_done_again(sheets, whole, tmp_path):
    with pytest.raises(RuntimeError):
        run(sheets, tmp_path, config(), CountingRuntime(8))
    (journal,) = tmp_path.rglob("*.jsonl")
    journal.write_bytes(journal.read_bytes()[:-20])
    assert_whole(run(sheets, tmp_path, config()), whole)


def test_other_sheets_package_or_limits_are_another_job(sheets, tmp_path):
    def jobs() -> int:
        return sum(path.is_dir() for path in tmp_path.iterdir())

    run(sheets, tmp_path, config())
    run(sheets, tmp_path, config(overlays=3, judges=1))
    assert jobs() == 1
    run(sheets, tmp_path, config(limits={1: {"area_px": 70}}))
    assert jobs() == 2
    os.utime(sheets / "sheet_0000.png", (1, 1))
    run(sheets, tmp_path, config())
    assert jobs() == 3


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_machines_that_share_a_folder_of_jobs(sheets, whole, tmp_path, order):
    results = [run(sheets, tmp_path, config(shard=shard, shards=3)) for shard in order]
    assert [result.complete for result in results] == [False, False, True]
    assert_whole(results[-1], whole)
    # The last to write its tables may be one that ended before the others did.
    assert_whole(results[0].refreshed(), whole)


def test_machines_apart(sheets, whole, tmp_path):
    """Part 5 begins with a repetition of the frame before it, which another machine inspects."""
    found = [
        run(sheets, tmp_path / str(shard), config(part_sheets=3, shard=shard, shards=5))
        for shard in range(1, 6)
    ]
    tables = [[loaded(table) for table in result.tables()] for result in found]
    for expected, *shares in zip(whole, *tables, strict=True):
        pd.testing.assert_frame_equal(pd.concat(shares, ignore_index=True), expected)


def test_more_machines_than_sheets(tmp_path):
    write_sheets(tmp_path / "sheets", 2)
    found = [
        run(tmp_path / "sheets", tmp_path / str(k), config(shard=k, shards=3)) for k in (1, 2, 3)
    ]
    assert sum(len(result.numbers) for result in found) == 2
    idle = next(result for result in found if not result.numbers)
    assert idle.summary(sheet_jobs.package())["sheets"] == 0


def test_a_sheet_deleted_while_it_waits(tmp_path):
    write_sheets(tmp_path / "sheets", 30)

    class Deleting(CountingRuntime):
        def gate_score(self, image):
            (tmp_path / "sheets" / "sheet_0029.png").unlink(missing_ok=True)
            return super().gate_score(image)

    result = run(tmp_path / "sheets", tmp_path / "jobs", config(), Deleting())
    last = loaded(result.tables()[0]).iloc[-1]
    assert last[["sheet_id", "verdict"]].tolist() == ["sheet_0029.png", "review"]
    assert last["reason"] == "unreadable: cannot be read: No such file or directory"


def refusal(*arguments) -> str:
    with pytest.raises(SteelDefectsError) as error:
        run(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("function", ["write_table", "force", "append"])
def test_a_full_disk(sheets, whole, tmp_path, monkeypatch, function):
    calls, append = 0, Journal.append

    def full(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls > 6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def append_half(journal: Journal, sheet: InspectedSheet) -> None:
        if calls == 6:
            journal._file.write(b'{"sheet_id": "sheet_0')
        full()
        append(journal, sheet)

    with monkeypatch.context() as patch:
        if function == "force":
            patch.setattr(parts_module, "force", full)
        elif function == "append":
            patch.setattr(Journal, "append", append_half)
        else:
            write = parts_module.pq.write_table
            patch.setattr(parts_module.pq, "write_table", lambda *a: (full(), write(*a)))
        assert "no room is left; finished parts are kept" in refusal(sheets, tmp_path, config())
    (job,) = (path for path in tmp_path.iterdir() if path.is_dir())
    kept = Parts(job).all_finished()
    assert kept
    assert_whole(run(sheets, tmp_path, config()), whole)


@pytest.mark.parametrize("cut", [0.5, 0.0, None])
@pytest.mark.parametrize("file", ["verdicts.parquet", "submission.csv", "record.json"])
def test_a_damaged_file_of_a_part_is_refused_by_name(sheets, whole, tmp_path, file, cut):
    result = run(sheets, tmp_path, config())
    path = result.parts.folder / "part-0000003" / file
    data = path.read_bytes()
    # Cut off, empty, or as long as it was with other bytes in its middle.
    damaged = data[:60] + bytes(9) + data[69:] if cut is None else data[: int(cut * len(data))]
    path.write_bytes(damaged)
    with pytest.raises(SteelDefectsError) as error:
        run(sheets, tmp_path, config()).tables()
    assert str(error.value) == (
        f"{path} is cut off or damaged; delete its folder, and the same command inspects the "
        "sheets of this part again"
    )
    shutil.rmtree(path.parent)
    assert_whole(run(sheets, tmp_path, config()), whole)


def test_jobs_of_an_earlier_release_are_refused(sheets, tmp_path, caplog):
    result = run(sheets, tmp_path, config())
    (tmp_path / ("0a" * 8)).mkdir()
    path = result.parts.folder / "part-0000003" / "record.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record.pop("format") == 2
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(SteelDefectsError) as error:
        run(sheets, tmp_path, config()).tables()
    assert str(error.value) == (
        f"another release inspected the sheets of {result.parts.folder}; inspect them again: "
        "kedro run --pipelines=inspection"
    )
    assert "holds jobs of an earlier release (1, such as 0a0a0a0a0a0a0a0a)" in caplog.text


def test_nobody_else_may_work_on_it(sheets, tmp_path):
    class Nested(BrightnessRuntime):
        def gate_score(self, image):
            raise SteelDefectsError(refusal(sheets, tmp_path, config()))

    assert "another process is inspecting these sheets" in refusal(
        sheets, tmp_path, config(), Nested()
    )


def test_a_run_that_is_stopped_says_so(sheets, whole, tmp_path, monkeypatch):
    class Stopping(CountingRuntime):
        def gate_score(self, image):
            os.kill(os.getpid(), 15)
            return super().gate_score(image)

    assert "stopped at sheet_0000.png; the same command goes on from there" in refusal(
        sheets, tmp_path, config(), Stopping()
    )
    assert_whole(run(sheets, tmp_path, config()), whole)
    assert not Stop().requested


def test_no_sheets(tmp_path):
    (tmp_path / "sheets").mkdir()
    assert "there are no pictures in" in refusal(tmp_path / "sheets", tmp_path / "jobs", config())
    assert not list((tmp_path / "jobs").glob("*.tmp"))


def test_a_folder_that_can_t_be_listed(tmp_path, monkeypatch):
    write_sheets(tmp_path / "sheets" / "a", 2)
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("a"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    message = refusal(tmp_path / "sheets", tmp_path / "jobs", config())
    assert message == f"cannot list {tmp_path}/sheets/a: Permission denied"
    assert not list((tmp_path / "jobs").glob("*.tmp"))


def test_another_runtime_makes_another_job(sheets):
    # A job that goes on after an export must not be half of one network and half of the other.
    runtime = BrightnessRuntime()
    setup = sheet_jobs.inspection(sheet_jobs.open_source(sheets), config(), runtime)
    before = setup.job_id("sheets", pd.DataFrame())
    assert setup.job_id("sheets", pd.DataFrame()) == before
    runtime.names = {"gate": "openvino_int8"}
    assert setup.job_id("sheets", pd.DataFrame()) != before


def test_two_divisions_of_one_job_keep_off_each_other(sheets, whole, tmp_path):
    """A machine was lost, and its work is divided anew while the other one goes on."""
    parts = []

    class Interloper(BrightnessRuntime):
        def gate_score(self, image):
            if not parts:
                parts.append(refusal(sheets, tmp_path, config()))
            return super().gate_score(image)

    run(sheets, tmp_path, config(shard=1, shards=2), Interloper())
    assert "another process is inspecting these sheets" in parts[0]
    assert_whole(run(sheets, tmp_path, config()), whole)


def test_a_damaged_line_of_the_journal_and_what_follows_is_done_again(sheets, whole, tmp_path):
    with pytest.raises(RuntimeError):
        run(sheets, tmp_path, config(part_sheets=1000), CountingRuntime(8))
    (journal,) = tmp_path.glob("*/*.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) > 5
    lines[2] = bytes(100) + lines[2][100:]
    journal.write_bytes(b"".join(lines))
    again = CountingRuntime()
    assert_whole(run(sheets, tmp_path, config(part_sheets=1000), again), whole)
    assert again.asked < SHEETS - 8


def test_what_places_and_reference_say_makes_another_job(sheets):
    def job(**changes) -> str:
        setup = sheet_jobs.inspection(open_source(sheets), config(), BrightnessRuntime())
        return replace(setup, **changes).job_id("sheets", pd.DataFrame())

    pattern = PositionsConfig(pattern=r"sheet_(?P<position_mm>\d+)")
    places = Places(pd.DataFrame(), pattern, lambda sheet_id: True)
    jobs = {
        job(),
        job(places=places),
        job(package=sheet_jobs.package({"sharpness": [1.0, 2.0]})),
    }
    assert len(jobs) == 3
    assert job() in jobs


def test_lists_of_two_machines_have_files_of_their_own(tmp_path):
    files = [SheetFile(f"{n}.png", n, n) for n in range(100)]
    first, second = write_list(files, tmp_path), write_list(files[:3], tmp_path)
    first.divide(10, 1)
    second.divide(10, 1)
    assert first.ids(9) == [f"{n}.png" for n in range(90, 100)]
    assert second.ids(0) == ["0.png", "1.png", "2.png"]
