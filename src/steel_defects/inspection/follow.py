"""Watching a folder into which a camera writes."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import pandas as pd

from steel_defects.errors import SteelDefectsError
from steel_defects.inspection.ahead import READ_AHEAD, in_order, judge_in_order
from steel_defects.inspection.config import FollowConfig
from steel_defects.inspection.display import Display
from steel_defects.inspection.frames import UNREADABLE, Frame, read_frame
from steel_defects.inspection.names import NameSet
from steel_defects.inspection.parts import Parts
from steel_defects.inspection.sources import FolderSource, as_begun, list_folder, size_and_time
from steel_defects.inspection.stopping import Stop, stop_on_signals
from steel_defects.inspection.work import Inspection, JobResult, OnSheet, OpenPart, at_work
from steel_defects.paths import shown_name
from steel_defects.threads import core_count

logger = logging.getLogger(__name__)

# New names that are looked at in a round; the rest of a backlog waits on the disk.
_AT_ONCE = 1000
_POLL_SECONDS = 0.2  # between two looks at the folder
# A folder's time of change may be as coarse as this; before, a second change would not show.
_COARSEST_NS = 2_000_000_000


@dataclass(frozen=True)
class _SeenFile:
    """A file as it was seen.

    Attributes:
        path: The file.
        state: Its size and time of change; None for a file that an earlier run saw.
        since: When it was first seen so, by the watch's clock.
        problem: Why it could not be read; empty while nobody has tried.
    """

    path: Path
    state: tuple[int, int] | None = None
    since: float = 0.0
    problem: str = ""


class FolderWatch:
    """Finds files that are new in a folder and in those below it, by looking again and again.

    A name is inspected once; what is later written to a file of that name is not, unless the file
    could not be read. The memory that this takes is some twenty bytes a name, some hundreds for one
    that could not be read, and a folder's names while it is listed.
    """

    def __init__(
        self, folder: Path, config: FollowConfig, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Watch a folder; nothing in it is known yet."""
        self._folder, self._config, self._clock = str(folder), config, clock
        self._known = NameSet()
        self._waiting: dict[str, _SeenFile] = {}
        self._unreadable: dict[str, _SeenFile] = {}
        # Of folders in which all is known: when they last changed, and the folders in them.
        self._quiet: dict[str, tuple[int, list[str]]] = {}
        self._complained = False
        self._passed_over: set[str] = set()

    def done(self, sheet_id: str, reason: str) -> None:
        """Remember a sheet as inspected, with the reason of its verdict."""
        self._known.add(sheet_id)
        self._unreadable.pop(sheet_id, None)
        file = self._waiting.pop(sheet_id, _SeenFile(Path(self._folder, sheet_id)))
        if reason.startswith(UNREADABLE):
            self._unreadable[sheet_id] = replace(file, problem=reason)

    def poll(self) -> list[str]:
        """Look at the folder, and return files to read that have not changed since the last look.

        They are new, or could not be read before they changed.
        """
        try:
            found = dict(self._unknown(self._folder, "")) | dict(self._changed())
            names = sorted(found)[:_AT_ONCE]
            self._complained = False
        except SteelDefectsError as error:
            if not self._complained:  # a network drive may come back
                logger.warning("%s; still trying", error)
            self._complained = True
            return []
        earlier, now = self._waiting, self._clock()
        self._waiting = {}
        for name in names:
            state = size_and_time(found[name])
            known = earlier.get(name)
            since = known.since if known and known.state == state else now
            self._waiting[name] = _SeenFile(found[name], state, since)
        return [name for name in names if name in earlier and self._waiting[name].since < now]

    def is_final(self, frame: Frame) -> bool:
        """Tell whether a file that was just read can be judged.

        One that can't be read may still be being written. It can be judged when it has not changed
        for so long that nobody is writing it any more, unless it was before, for the same reason.
        """
        if not frame.problem:
            return True
        file, now = self._waiting[frame.sheet_id], self._clock()
        # Looked at again: judging the files before it may have taken longer than settling.
        changed = size_and_time(file.path) != file.state
        if changed or now - file.since < self._config.settle_seconds:
            return False
        before = self._unreadable.get(frame.sheet_id)
        if before is None or before.problem != frame.problem:
            return True
        self.done(frame.sheet_id, frame.problem)
        return False

    def _changed(self) -> Iterator[tuple[str, Path]]:
        """Yield sheets that could not be read, and their files, where these have changed."""
        for sheet_id, file in self._unreadable.items():
            # The verdict on a file that is gone stays.
            if size_and_time(file.path) not in (file.state, (0, 0)):
                yield sheet_id, file.path

    def _unknown(self, folder: str, below: str) -> Iterator[tuple[str, Path]]:
        """Yield each new sheet's id, and its file, whose name may be no text that can be shown."""
        changed = _time_of_change(folder)
        quiet_since, folders = self._quiet.get(folder, (0, []))
        if not changed or quiet_since != changed:
            found = list_folder(folder)
            folders = [name for name in found if name.endswith("/")]
            pictures = {shown_name(below + name): name for name in found if not name.endswith("/")}
            # Wildcards take longest: of names that are known, nobody asks for them again.
            new = self._known.unknown(list(pictures))
            unknown = [name for name in new if not self._is_ignored(name.rpartition("/")[2])]
            yield from ((name, Path(folder, pictures[name])) for name in unknown)
            self._quiet.pop(folder, None)
            if not unknown and time.time_ns() - changed > _COARSEST_NS:
                self._quiet[folder] = (changed, folders)
        for name in folders:
            if self._is_ignored(name[:-1]):
                continue
            try:
                yield from self._unknown(os.path.join(folder, name[:-1]), below + name)
            except SteelDefectsError as error:
                self._warn_once(below + name, error)

    def _warn_once(self, folder: str, error: SteelDefectsError) -> None:
        """Say which folder is passed over; the others go on."""
        if folder not in self._passed_over:
            logger.warning("%s; the other folders go on", error)
        self._passed_over.add(folder)

    def _is_ignored(self, name: str) -> bool:
        return any(fnmatch(name, pattern) for pattern in self._config.ignore)


def _time_of_change(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


def complete_frames(watch: FolderWatch, read: Callable[[str], Frame]) -> Iterator[Frame]:
    """Read the files of a round, and return those that can be judged."""
    for frame in in_order(read, watch.poll(), core_count(), READ_AHEAD):
        if watch.is_final(frame):
            yield frame


def follow_folder(
    inspection: Inspection,
    jobs: Path,
    positions: pd.DataFrame,
    watcher: Callable[[Path], OnSheet] | None = None,
    stop: Stop | None = None,
) -> JobResult:
    """Inspect the sheets of a folder as they come, until SIGINT or SIGTERM.

    Started again with the same folder, package and parameters, it goes on where it was.

    Args:
        inspection: The sheets, and what judges them.
        jobs: Folder that holds a folder for each job.
        positions: The table of positions, as it was read.
        watcher: Makes, for the job's folder, what is told of each sheet.
        stop: Another way to end it.

    Raises:
        SteelDefectsError: The sheets are those of a list, the folder can't be listed, another
            process is watching it, or the disk refuses to take more.
    """
    source = inspection.source
    if not isinstance(source, FolderSource):
        raise SteelDefectsError(f"only a folder can be followed, and {source.place} is none")
    parts = Parts(jobs / inspection.job_id(f"follow {source.root.resolve()}", positions))
    with at_work(parts.folder, "follow"), stop_on_signals() as signalled:
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
        self._read = partial(read_frame, inspection.source.read_file)
        finished = parts.all_finished()
        for part in set(finished) & set(parts.begun()):
            parts.journal(part).unlink()  # left by a process that was killed
        self._reviewed_in: dict[str, int] = {}  # of sheets that could not be read, the part
        verdicts, _, _ = JobResult(parts, finished, len(finished)).tables()
        for part, path in zip(finished, verdicts, strict=True):
            rows = pd.read_parquet(path, columns=["sheet_id", "reason"])
            for sheet_id, reason in rows.itertuples(index=False, name=None):
                self._watch.done(sheet_id, reason)
                if reason.startswith(UNREADABLE):
                    self._reviewed_in[sheet_id] = part
        self._before = str(parts.record(finished[-1])["last_frame"]) if finished else ""
        self._part = OpenPart(inspection, parts, finished[-1] + 1 if finished else 0)
        for sheet in self._part.sheets.values():
            self._watch.done(sheet.sheet_id, sheet.verdict.reason)
            self._before = sheet.frame

    def _finish_part(self) -> None:
        part = self._part
        part.finish(self._reviewed_in)
        for sheet in part.sheets.values():
            if sheet.verdict.reason.startswith(UNREADABLE):
                self._reviewed_in[sheet.sheet_id] = part.number

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
        for frame, sheet in judge_in_order(setup.cascade, frames, self._before, setup.judges):
            if self._on_sheet:
                self._on_sheet(frame, sheet)
            self._part.add(sheet)
            self._watch.done(sheet.sheet_id, sheet.verdict.reason)
            self._before = sheet.frame
            display.count(sheet)
            if len(self._part.sheets) >= setup.config.part_sheets:
                self._finish_part()
                self._part = OpenPart(setup, self._parts, self._part.number + 1)
            if stop.requested:
                return
