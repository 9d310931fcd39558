"""Watching a folder into which a camera writes."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from steel_defects.errors import SteelDefectsError
from steel_defects.inspection.cascade import judge_in_order
from steel_defects.inspection.console import Display, Stop, stop_on_signals
from steel_defects.inspection.frames import UNREADABLE, RecentFrames, read_frame
from steel_defects.inspection.sources import FolderSource, as_begun, list_folder
from steel_defects.inspection.store.parts import Parts
from steel_defects.inspection.watch import FolderWatch, complete_frames
from steel_defects.inspection.work import Inspection, JobResult, OnSheet, OpenPart, at_work

_POLL_SECONDS = 0.2  # between two looks at the folder


def follow_folder(
    inspection: Inspection,
    jobs: Path,
    watcher: Callable[[Path], OnSheet] | None = None,
    stop: Stop | None = None,
) -> JobResult:
    """Inspect the sheets of a folder as they come, until SIGINT or SIGTERM.

    Started again with the same folder, package and parameters, it goes on where it was.

    Args:
        inspection: The sheets, and what judges them.
        jobs: Folder that holds a folder for each job.
        watcher: Makes, for the job's folder, a function that is told of each sheet.
        stop: Another way to end it.

    Raises:
        SteelDefectsError: The sheets are those of a list, the folder can't be listed, another
            process is watching it, or the disk refuses to take more.
    """
    source = inspection.source
    if not isinstance(source, FolderSource):
        raise SteelDefectsError(f"only a folder can be followed, and {source.place} is none")
    parts = Parts(jobs / inspection.job_id(f"follow {source.root.resolve()}"))
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
        self._recent = RecentFrames()
        self._reviewed_in: dict[str, int] = {}  # of sheets that could not be read, the part
        verdicts, _, _ = JobResult(parts, finished, len(finished)).tables()
        for part, path in zip(finished, verdicts, strict=True):
            rows = pd.read_parquet(path, columns=["sheet_id", "reason"])
            record = parts.record(part)
            files = record["files"]
            self._recent.extend(record["last_frames"])
            for sheet_id, reason in rows.itertuples(index=False, name=None):
                self._remember(sheet_id, reason, *files.get(sheet_id, (0, 0, "")))
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
        part = self._part
        part.finish(self._reviewed_in)
        self._watch.judged.tell_of_names()
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
