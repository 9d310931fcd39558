"""Watching a folder into which a camera writes, and inspecting each sheet as it comes."""

import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from steel_defects.decision.reasons import UNREADABLE
from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import list_folder
from steel_defects.inspection.cascade import judge_in_order
from steel_defects.inspection.config import FollowConfig
from steel_defects.inspection.console import Display, Stop, stop_on_signals
from steel_defects.inspection.frames import READ_AHEAD, Frame, RecentFrames, read_frame
from steel_defects.inspection.job import Inspection, OnSheet, OpenPart
from steel_defects.inspection.judged_anew import OtherRules
from steel_defects.inspection.sources import (
    PICTURES_NOTE,
    FolderSource,
    as_begun,
    size_and_time,
)
from steel_defects.inspection.store.judged import FileState, JudgedFiles
from steel_defects.inspection.store.names import name_of
from steel_defects.inspection.store.parts import Parts, at_work, tell_of_earlier_jobs
from steel_defects.inspection.tables import JobResult
from steel_defects.paths import natural_order, shown_name
from steel_defects.threads import core_count, map_in_order

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.2  # between two looks at the folder
# New names that are looked at in a round; the rest of a backlog waits on the disk.
_AT_ONCE = 1000
# A folder's time of change may be as coarse as this; before, a second change would not show.
_COARSEST_NS = 2_000_000_000
# A file that is written over does not change its folder: so often all folders are listed, at most.
_FULL_LOOK_SECONDS = 2.0
# Times as long as a check of all known files takes, none is made: there may be very many.
_CHECK_PAUSE = 20


class _SeenFile(NamedTuple):
    """A file, its size and time of change, and when it was first seen so, by the watch's clock."""

    path: Path
    state: tuple[int, int]
    since: float = 0.0


class FolderWatch:
    """Finds new and changed files in a folder and in those below it, by looking again and again.

    :class:`JudgedFiles` says what becomes of changed ones. Beside theirs, it takes the memory of a
    folder's names while that is listed.
    """

    def __init__(
        self, folder: Path, config: FollowConfig, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._config, self._clock = str(folder), config, clock
        self.judged = JudgedFiles()
        self._waiting: dict[str, _SeenFile] = {}
        # Of folders in which all is known: when they last changed, and the folders in them.
        self._quiet: dict[str, tuple[int, list[str]]] = {}
        self._next_check = 0.0
        self._next_full_look = clock() + _FULL_LOOK_SECONDS
        self._complained = False
        self._passed_over: set[str] = set()

    def done(
        self, sheet_id: str, reason: str, frame: str = "", state: tuple[int, int] | None = None
    ) -> None:
        """Remember a sheet as inspected, with its verdict's reason and the digest of its pixels.

        ``state`` is the size and time of change of its file; None for one that the watch saw.
        """
        name = name_of(sheet_id)
        file = self._waiting.pop(name, None)
        state = file.state if file else state
        if state:
            self.judged.add_state((name, *state))
        self.judged.add(name, sheet_id, reason, frame)

    def poll(self) -> list[str]:
        """Look at the folder, and return files to read: unchanged since the last look."""
        started = self._clock()
        checks = started >= self._next_check
        if checks and started >= self._next_full_look:
            self._quiet.clear()
            self._next_full_look = started + _FULL_LOOK_SECONDS
        try:
            unknown = {
                state[0]: _SeenFile(path, state[1:])
                for path, state in self._unknown(self._folder, "", checks)
            }
            self._complained = False
        except SteelDefectsError as error:
            if not self._complained:  # a network drive may come back
                logger.warning("%s; still trying", error)
            self._complained = True
            return []
        earlier, now = self._waiting, self._clock()
        if checks:
            self._next_check = now + _CHECK_PAUSE * (now - started)
        names = sorted(unknown, key=natural_order)[:_AT_ONCE]
        self._waiting = {
            name: earlier[name]
            if name in earlier and earlier[name].state == unknown[name].state
            else unknown[name]._replace(since=now)
            for name in names
        }
        return [name for name in names if name in earlier and self._waiting[name].since < now]

    def take(self, frame: Frame) -> Frame | None:
        """Return a frame that was just read, under the id of its row; None for one without a row.

        One that can't be read may still be being written. It can be judged when it has not changed
        for so long that nobody is writing it any more.
        """
        file, now = self._waiting[frame.sheet_id], self._clock()
        # Looked at again: judging the files before it may have taken longer than settling.
        if frame.problem and (
            size_and_time(file.path) != file.state or now - file.since < self._config.settle_seconds
        ):
            return None
        if sheet_id := self.judged.id_for(frame):
            return replace(frame, sheet_id=sheet_id, file=file.state)
        self._waiting.pop(frame.sheet_id)
        self.judged.add_state((frame.sheet_id, *file.state))
        return None

    def _unknown(self, folder: str, below: str, checks: bool) -> Iterator[tuple[Path, FileState]]:
        """Yield files that were not judged as they are now; ``checks`` looks at known names, too.

        ``below`` is the folder's path below the watched one.
        """
        changed = _time_of_change(folder)
        quiet_since, folders = self._quiet.get(folder, (0, []))
        if not changed or quiet_since != changed:
            names = list_folder(folder)
            folders = [name for name in names if name.endswith("/")]
            # A file's name may be no text that can be shown.
            pictures = {shown_name(below + name): name for name in names if not name.endswith("/")}
            unknown = self._unknown_states(folder, pictures, checks)
            yield from ((Path(folder, pictures[state[0]]), state) for state in unknown)
            self._quiet.pop(folder, None)
            if checks and not unknown and time.time_ns() - changed > _COARSEST_NS:
                self._quiet[folder] = (changed, folders)
        for name in folders:
            if self._is_ignored(name[:-1]):
                continue
            try:
                yield from self._unknown(os.path.join(folder, name[:-1]), below + name, checks)
            except SteelDefectsError as error:
                if below + name not in self._passed_over:
                    logger.warning("%s; the other folders go on", error)
                self._passed_over.add(below + name)

    def _unknown_states(
        self, folder: str, pictures: Mapping[str, str], checks: bool
    ) -> list[FileState]:
        names: Collection[str] = pictures.keys()
        if not checks:
            names = {*self.judged.unknown_names(names), *(pictures.keys() & self._waiting.keys())}
        states = [(name, *size_and_time(os.path.join(folder, pictures[name]))) for name in names]
        unknown = self.judged.unknown_states(states)
        # Wildcards take longest: of files that are known, nobody asks for them again.
        return [state for state in unknown if not self._is_ignored(state[0].rpartition("/")[2])]

    def _is_ignored(self, name: str) -> bool:
        return any(fnmatch(name, pattern) for pattern in self._config.ignore)


def _time_of_change(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


def complete_frames(watch: FolderWatch, read: Callable[[str], Frame]) -> Iterator[Frame]:
    """Read the files of a round, and return those that can be judged."""
    return filter(None, map(watch.take, map_in_order(read, watch.poll(), core_count(), READ_AHEAD)))


def follow_folder(
    inspection: Inspection,
    jobs: Path,
    watcher: Callable[[Path], OnSheet] | None = None,
    stop: Stop | None = None,
) -> JobResult:
    """Inspect the sheets of a folder as they come, until SIGINT or SIGTERM.

    Started again with the same folder, package and parameters, it goes on where it was, in a
    folder of ``jobs``. ``watcher`` makes, for that folder, a function that is told of each sheet;
    ``stop`` is another way to end it.

    Raises:
        SteelDefectsError: The sheets are those of a list, the folder can't be listed, another
            process is watching it, or the disk refuses to take more.
    """
    source = inspection.source
    if not isinstance(source, FolderSource):
        raise SteelDefectsError(f"only a folder can be followed, and {source.place} is none")
    parts = Parts(jobs / inspection.job_id(f"follow {source.root.resolve()}"))
    # Whatever the limits: one watches, and the others take its parts over.
    watch = "follow-" + parts.folder.name.partition("-")[0]
    with at_work(jobs, watch), stop_on_signals() as signalled:
        tell_of_earlier_jobs(jobs)
        parts.folder.mkdir(exist_ok=True)
        others = OtherRules(parts, inspection.rules)
        others.take_over(others.numbers())
        others.take_file(PICTURES_NOTE)
        inspection = replace(inspection, source=as_begun(source, parts.folder, begin=True))
        list_folder(str(inspection.source.place))
        on_sheet = watcher(parts.folder) if watcher else None
        _Following(inspection, parts, on_sheet).run(stop or signalled)
    finished = parts.all_finished()
    return JobResult(parts, finished, len(finished))


class _Following:
    """The parts that a watched folder fills, one after the other."""

    def __init__(self, inspection: Inspection, parts: Parts, on_sheet: OnSheet | None) -> None:
        self._setup, self._parts, self._on_sheet = inspection, parts, on_sheet
        self._watch = FolderWatch(inspection.source.place, inspection.config.following)
        self._read = partial(
            read_frame,
            inspection.source.read_file,
            bit_depth=inspection.cascade.accepted.bits,
        )
        finished = parts.all_finished()
        for part in set(finished) & set(parts.begun()):
            parts.journal(part).unlink()  # left by a process that was killed
        self._recent = RecentFrames()
        self._reviewed_in: dict[str, int] = {}  # of sheets that could not be read, the part
        verdicts, _, _ = JobResult(parts, finished, len(finished)).tables()
        for part, path in zip(finished, verdicts, strict=True):
            rows = pd.read_parquet(path, columns=["sheet_id", "reason"])
            record = parts.record(part)
            self._recent.extend(record["last_frames"])
            for sheet_id, reason in rows.itertuples(index=False, name=None):
                self._remember(sheet_id, reason, *record["files"].get(sheet_id, (0, 0, "")))
                if reason.startswith(UNREADABLE):
                    self._reviewed_in[sheet_id] = part
        self._part = OpenPart(inspection, parts, finished[-1] + 1 if finished else 0)
        for sheet in self._part.sheets.values():
            self._remember(sheet.sheet_id, sheet.verdict.reason, *sheet.file, sheet.frame)
            self._recent.extend([(sheet.frame, sheet.thumbnail)])

    def _remember(self, sheet_id: str, reason: str, size: int, time_ns: int, frame: str) -> None:
        """Remember a sheet of an earlier run; a file that could not be read is tried again."""
        state = None if reason.startswith(UNREADABLE) else (size, time_ns)
        self._watch.done(sheet_id, reason, frame, state)

    def _finish_part(self) -> None:
        self._part.finish(self._reviewed_in)
        self._watch.judged.tell_of_names()
        for sheet in self._part.sheets.values():
            if sheet.verdict.reason.startswith(UNREADABLE):
                self._reviewed_in[sheet.sheet_id] = self._part.number

    def run(self, stop: Stop) -> None:
        try:
            with Display(None) as display:
                while not stop.requested:
                    self._round(stop, display)
                    time.sleep(_POLL_SECONDS)
            self._finish_part()
        finally:
            self._part.close()

    def _round(self, stop: Stop, display: Display) -> None:
        setup = self._setup
        frames = complete_frames(self._watch, self._read)
        for frame, sheet in judge_in_order(setup.cascade, frames, self._recent, setup.judges):
            if self._on_sheet:
                self._on_sheet(frame, sheet)
            self._part.add(sheet)
            self._watch.done(sheet.sheet_id, sheet.verdict.reason, sheet.frame)
            display.count(sheet)
            if len(self._part.sheets) >= setup.config.part_sheets:
                self._finish_part()
                self._part = OpenPart(setup, self._parts, self._part.number + 1)
            if stop.requested:
                return
